"""What a language model reads of a hit, and where it came from."""

from dataclasses import dataclass
from typing import Protocol

from retrieval.chunking import CONTEXT_SEPARATOR


class Found(Protocol):
    """What a search found: a Hit, or whatever else has these attributes.

    Read where they are there: `context`, the path of the headings above the text, and `position`
    or `first_position` and `last_position`, the place of its chunks in the document.
    """

    @property
    def document_key(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def content(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Passage:
    """One numbered text of a context; `[2]` in an answer is the passage with number 2.

    `context` is the path of the headings above it, empty where that is not known. `positions` are
    those of its chunks in the document. `content` of a passage that is cut ends with an ellipsis.
    """

    number: int
    document_key: str
    title: str | None
    context: str
    content: str
    positions: tuple[int, ...]
    is_cut: bool = False

    @property
    def heading(self) -> str:
        """Title, path of headings and document key on one line, the key alone if need be.

        In Markdown the path begins with the title, which is not said twice.
        """
        path = self.context
        if self.title and not _begins_with(path, self.title):
            path = CONTEXT_SEPARATOR.join(part for part in (self.title, path) if part)
        return f"{path} ({self.document_key})" if path else self.document_key


def _begins_with(path: str, title: str) -> bool:
    return f"{path}{CONTEXT_SEPARATOR}".startswith(f"{title}{CONTEXT_SEPARATOR}")
