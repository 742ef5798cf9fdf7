"""Plain text and Markdown."""

from collections.abc import Iterable

from retrieval.document import Document
from retrieval.loading.encoding import decode
from retrieval.loading.front_matter import split_front_matter
from retrieval.loading.language import declared_language
from retrieval.loading.mojibake import repair
from retrieval.loading.normalise import normalise_text
from retrieval.loading.source_file import SourceFile, as_text
from retrieval.loading.titles import first_heading

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})


def load_text(file: SourceFile) -> Iterable[Document]:
    """A plain text, whose front matter becomes metadata."""
    return [_document(file, is_markdown=False)]


def load_markdown(file: SourceFile) -> Iterable[Document]:
    """A Markdown text; its title is that of the front matter, else its first heading."""
    return [_document(file, is_markdown=True)]


def _document(file: SourceFile, *, is_markdown: bool) -> Document:
    text = normalise_text(repair(decode(file)))
    metadata, content = split_front_matter(text)
    title = as_text(metadata.pop("title", None))
    if not (title or "").strip() and is_markdown:
        title = first_heading(content)
    language = declared_language(metadata.pop("lang", None), metadata.pop("language", None))
    # what the file is called and is made of, the file says
    own = {name: value for name, value in metadata.items() if name not in file.metadata()}
    return file.document(
        content, title, text_config=language.text_config, **own, **language.metadata
    )
