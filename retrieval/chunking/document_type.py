"""What kind of text a document is."""

from pathlib import PurePosixPath

from retrieval.document import Document

# Loading makes Markdown of all these.
MARKDOWN_TYPES = frozenset({"markdown", "html", "docx", "pptx", "xlsx", "epub"})
TYPES = MARKDOWN_TYPES | {"text", "pdf", "csv", "json", "code", "image"}

# of documents that no loader noted a type of
_TYPES_OF_SUFFIXES = {".md": "markdown", ".markdown": "markdown", ".pdf": "pdf"}

LANGUAGES_OF_SUFFIXES = {
    ".bash": "bash",
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".cxx": "cpp",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".java": "java",
    ".js": "javascript",
    ".jsx": "javascript",
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".lua": "lua",
    ".mjs": "javascript",
    ".php": "php",
    ".py": "python",
    ".pyi": "python",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sh": "bash",
    ".swift": "swift",
    ".ts": "typescript",
    ".tsx": "tsx",
}


def document_type(document: Document) -> str:
    """Return the type that loading noted, else go by the ending of the key; it may be a guess."""
    noted = document.metadata.get("type")
    if isinstance(noted, str) and noted in TYPES:
        return noted
    suffix = _suffix(document)
    if suffix in LANGUAGES_OF_SUFFIXES:
        return "code"
    return _TYPES_OF_SUFFIXES.get(suffix, "text")


def programming_language(document: Document) -> str | None:
    """Return the programming language that loading noted, else go by the ending of the key."""
    noted = document.metadata.get("programming_language")
    return noted if isinstance(noted, str) else LANGUAGES_OF_SUFFIXES.get(_suffix(document))


def _suffix(document: Document) -> str:
    return PurePosixPath(document.key).suffix.lower()
