"""Books in the EPUB format become Markdown."""

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

from retrieval.document import Document
from retrieval.loading.archive import checked_archive
from retrieval.loading.extra import import_extra, reading
from retrieval.loading.html import decode_page, markdown_from_html
from retrieval.loading.language import declared_language
from retrieval.loading.source_file import SourceFile
from retrieval.loading.titles import first_heading

CONTAINER = "META-INF/container.xml"
RIGHTS = "META-INF/rights.xml"
CHAPTER_TYPES = ("application/xhtml+xml", "text/html")


def load_epub(file: SourceFile) -> Iterable[Document]:
    """The chapters in the order of reading; the book says its title and its language."""
    with checked_archive(file, "EPUB", file.limit) as archive:
        if RIGHTS in archive.namelist():
            raise file.error("is protected against reading (digital rights management)")
        with reading(file, "EPUB"):
            package, folder = _package(file, archive)
            chapters = list(_chapters(file, archive, package, folder))
            title = package.findtext("{*}metadata/{*}title")
            language = declared_language(package.findtext("{*}metadata/{*}language"))
    content = "\n\n".join(chapters)
    return [
        file.document(
            content,
            title or first_heading(content),
            text_config=language.text_config,
            **language.metadata,
        )
    ]


def _package(file: SourceFile, archive: ZipFile) -> tuple[Any, str]:
    """The description of the book, and the folder that its paths start from."""
    container = _parse(file, archive, CONTAINER)
    rootfile = container.find("{*}rootfiles/{*}rootfile")
    if rootfile is None:
        raise file.error("a broken EPUB (it does not name its package)")
    path = rootfile.attrib["full-path"]
    return _parse(file, archive, path), posixpath.dirname(path)


def _parse(file: SourceFile, archive: ZipFile, path: str) -> Any:
    parser = import_extra(file, "defusedxml.ElementTree", "defusedxml")
    return parser.fromstring(archive.read(path))


def _chapters(file: SourceFile, archive: ZipFile, package: Any, folder: str) -> Iterator[str]:
    items = {
        item.get("id"): item.get("href", "")
        for item in package.iterfind("{*}manifest/{*}item")
        if item.get("media-type") in CHAPTER_TYPES
    }
    left = file.limit
    # a book that names a chapter again and again would grow without end
    for name in dict.fromkeys(
        each.get("idref") for each in package.iterfind("{*}spine/{*}itemref")
    ):
        if name in items:
            path = posixpath.normpath(posixpath.join(folder, unquote(items[name])))
            page = decode_page(file, archive.read(path))
            chapter = markdown_from_html(file, page).strip()
            left -= len(chapter)
            if left < 0:
                raise file.error(file.too_large)
            if chapter:
                yield chapter
