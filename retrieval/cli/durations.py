"""How long, as people write it: 12h, 90d, 52w."""

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def duration(text: str) -> timedelta:
    """A time such as 90d; wrong usage for anything else."""
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", text)
    if found is None:
        raise typer.BadParameter("write a time such as 12h, 90d or 52w")
    return int(found[1]) * _UNITS[found[2]]


def ago(text: str) -> datetime:
    """The moment so long before now."""
    return datetime.now(UTC) - duration(text)
