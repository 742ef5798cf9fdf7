"""One line for each event, as name=value. Never a text of a document, nor a key."""

import json
import logging
from typing import Any

logger = logging.getLogger("retrieval.worker")


def line(event: str, **values: Any) -> str:
    """The line of an event; what has blanks, quotes or an equals sign is quoted as JSON."""
    shown = {"event": event, **{name: each for name, each in values.items() if each is not None}}
    return " ".join(f"{name}={_shown(value)}" for name, value in shown.items())


def _shown(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    plain = text and not any(each in text for each in ' "=\\') and text.isprintable()
    return text if plain else json.dumps(text, ensure_ascii=False)
