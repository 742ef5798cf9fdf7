"""Collections, documents, chunks, spaces, embeddings, and the functions that search them."""

from migrations.frozen import run_frozen

revision = "0001_foundation"
down_revision = None


def upgrade() -> None:
    run_frozen(__file__, "up")


def downgrade() -> None:
    run_frozen(__file__, "down")
