"""Word documents become Markdown."""

from collections.abc import Iterable
from zipfile import ZipFile

from retrieval.document import Document
from retrieval.loading.archive import checked_archive
from retrieval.loading.extra import import_extra, reading
from retrieval.loading.html import markdown_from_html
from retrieval.loading.source_file import SourceFile
from retrieval.loading.titles import first_heading

STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
CORE_PROPERTIES = "docProps/core.xml"
TITLE = "{http://purl.org/dc/elements/1.1/}title"


def load_docx(file: SourceFile) -> Iterable[Document]:
    """A document with its headings, lists and tables; its title is its property, or a heading."""
    mammoth = import_extra(file, "mammoth", "mammoth")
    with checked_archive(file, "Word document", file.limit) as archive:
        title = core_title(file, archive)
        with reading(file, "Word document"), file.open() as opened:
            without_pictures = mammoth.images.img_element(lambda image: {})
            page = mammoth.convert_to_html(
                opened, style_map=STYLES, convert_image=without_pictures, external_file_access=False
            ).value
    content = markdown_from_html(file, page)
    return [file.document(content, title or first_heading(content))]


def core_title(file: SourceFile, archive: ZipFile) -> str | None:
    """The title among the properties of an office document."""
    if CORE_PROPERTIES not in archive.namelist():
        return None
    parser = import_extra(file, "defusedxml.ElementTree", "defusedxml")
    with reading(file, "office document"):
        title = parser.fromstring(archive.read(CORE_PROPERTIES)).findtext(TITLE)
        return title.strip() if title else None
