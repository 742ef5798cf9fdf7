"""Collections, documents, chunks, spaces, embeddings, and the functions that search them."""

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0001_foundation"
down_revision = None


def upgrade() -> None:
    run_frozen("up")


def downgrade() -> None:
    run_frozen("down")


def run_frozen(direction: str) -> None:
    """Execute the `.up.sql` or `.down.sql` beside this file as it is."""
    body = Path(__file__).with_suffix(f".{direction}.sql").read_text(encoding="utf-8")
    # text() would take `array[1:n]` for a parameter
    op.execute(text(body.replace(":", r"\:")))
