"""What a user gives: a document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """One document, named by a key that is unique in its collection.

    `text_config` names the text-search configuration of this one document; without it the
    collection's is used.
    """

    key: str
    content: str
    title: str | None = None
    source: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    text_config: str | None = None
