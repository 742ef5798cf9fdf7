"""Runs the frozen SQL beside a revision: `0001_x.py` has `0001_x.up.sql` and `0001_x.down.sql`."""

from pathlib import Path

from alembic import op
from sqlalchemy import text


def run_frozen(revision_file: str, direction: str) -> None:
    """Execute the `up` or `down` file of a revision as it is."""
    body = Path(revision_file).with_suffix(f".{direction}.sql").read_text(encoding="utf-8")
    # text() would take `array[1:n]` for a parameter
    op.execute(text(body.replace(":", r"\:")))
