"""The text of PDF files, page by page."""

from collections.abc import Iterable, Iterator
from typing import Any

from retrieval.document import Document
from retrieval.loading.extra import import_extra, reading
from retrieval.loading.source_file import CONTAINER_FACTOR, SourceFile

PAGE_SEPARATOR = "\f"
# of PDFium, see FPDF_GetLastError
WRONG_PASSWORD = 4
# PDFium's mark for a hyphen at the end of a line that is none of the word's own
_SOFT_HYPHEN = "\ufffe"


def load_pdf(file: SourceFile) -> Iterable[Document]:
    """The pages as plain text with a form feed between them; a scan has no text, and is refused."""
    library = import_extra(file, "pypdfium2", "pypdfium2")
    file.check_size(CONTAINER_FACTOR * file.limit)
    if file.size == 0:
        raise file.error("an empty file")
    with reading(file, "PDF"), file.open() as opened:
        pdf = _open(file, library, opened)
        try:
            content = PAGE_SEPARATOR.join(_pages(file, pdf))
            title = pdf.get_metadata_dict().get("Title")
        finally:
            pdf.close()
    if not content.strip():
        raise file.error("holds no text (scanned pages need text recognition first)")
    return [file.document(content, title)]


def _open(file: SourceFile, library: Any, opened: Any) -> Any:
    try:
        return library.PdfDocument(opened)
    except library.PdfiumError as error:
        if getattr(error, "err_code", None) == WRONG_PASSWORD:
            raise file.error("is protected by a password") from error
        raise file.error("a broken PDF") from error


def _pages(file: SourceFile, pdf: Any) -> Iterator[str]:
    left = file.limit
    for number in range(len(pdf)):
        page = pdf[number]
        text = page.get_textpage()
        content = str(text.get_text_bounded()).replace("\r\n", "\n").replace(PAGE_SEPARATOR, "\n")
        text.close()
        page.close()
        left -= len(content)
        if left < 0:
            raise file.error(file.too_large)
        yield content.replace(f"{_SOFT_HYPHEN}\n", "").replace(_SOFT_HYPHEN, "").strip()
