"""HTML becomes Markdown."""

import codecs
import re
from collections.abc import Iterable
from html import unescape

from retrieval.document import Document
from retrieval.loading.encoding import LATIN, OTHERS, decode_bytes
from retrieval.loading.extra import import_extra, reading
from retrieval.loading.mojibake import repair
from retrieval.loading.source_file import SourceFile
from retrieval.loading.titles import first_heading

_TITLE = re.compile(r"<title\b[^>]{0,1000}>([^<]{0,1000})", re.IGNORECASE)
_CHARSET = re.compile(rb"(?:charset|encoding)\s{0,9}=\s{0,9}[\"']?([\w-]{1,40})", re.IGNORECASE)
DECLARED_WITHIN = 4096

WITHOUT_TEXT = ("nav", "iframe", "svg", "button", "select")
SOFT_HYPHEN = "\u00ad"


def load_html(file: SourceFile) -> Iterable[Document]:
    """A page without its scripts, styles and navigation; its title is that of its head."""
    page = decode_page(file, file.read())
    content = markdown_from_html(file, page)
    return [file.document(content, page_title(page) or first_heading(content))]


def decode_page(file: SourceFile, data: bytes) -> str:
    """The text of a page; what it says of its own encoding counts where it is not UTF-8."""
    return repair(decode_bytes(file, data, _declared_encoding(data)))


def markdown_from_html(file: SourceFile, page: str) -> str:
    """The text of a page as Markdown, with links and tables and without pictures."""
    library = import_extra(file, "html_to_markdown", "html-to-markdown")
    options = library.ConversionOptions(
        extract_metadata=False,
        skip_images=True,
        compact_tables=True,
        # its own choice would drop all forms and headers, and with them whole pages
        preprocessing=library.PreprocessingOptions(enabled=False),
        exclude_selectors=list(WITHOUT_TEXT),
    )
    with reading(file, "HTML page"):
        made = library.convert(page, options)
        if any(each.kind == "depth_limit_exceeded" for each in made.warnings):
            raise file.error("its HTML is nested too deeply")
        return str(made.content).replace(SOFT_HYPHEN, "")


def page_title(page: str) -> str | None:
    """The title in the head of a page."""
    found = _TITLE.search(page)
    return unescape(found[1]).strip() if found else None


def _declared_encoding(data: bytes) -> str | None:
    found = _CHARSET.search(data[:DECLARED_WITHIN])
    if found is None:
        return None
    try:
        name = codecs.lookup(found[1].decode("ascii")).name.replace("-", "_")
    except (LookupError, UnicodeDecodeError):
        return None
    if name in ("iso8859_1", "ascii"):
        return "cp1252"  # as browsers do
    return name if name in (*LATIN, *OTHERS, "shift_jis", "gb2312", "gbk") else None
