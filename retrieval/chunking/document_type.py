"""What kind of text a document is."""

from pathlib import PurePosixPath

from retrieval.document import Document
from retrieval.loading.code import PROGRAMMING_LANGUAGES
from retrieval.loading.formats import FORMATS, TEXT

# Loading makes Markdown of all these.
MARKDOWN_TYPES = frozenset({"markdown", "html", "docx", "pptx", "xlsx", "epub"})
TYPES = MARKDOWN_TYPES | {"text", "pdf", "csv", "json", "code", "image"}


def document_type(document: Document) -> str:
    """Return the type that loading noted, else go by the ending of the key; it may be a guess."""
    noted = document.metadata.get("type")
    if isinstance(noted, str) and noted in TYPES:
        return noted
    return FORMATS.get(_suffix(document), TEXT).type


def programming_language(document: Document) -> str | None:
    """Return the programming language that loading noted, else go by the ending of the key."""
    noted = document.metadata.get("programming_language")
    return noted if isinstance(noted, str) else PROGRAMMING_LANGUAGES.get(_suffix(document))


def _suffix(document: Document) -> str:
    return PurePosixPath(document.key).suffix.lower()
