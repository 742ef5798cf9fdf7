"""Presentations become Markdown: a heading for each slide."""

from collections.abc import Iterable, Iterator
from typing import Any

from retrieval.document import Document
from retrieval.loading.archive import checked_archive
from retrieval.loading.extra import import_extra, reading
from retrieval.loading.markdown_table import table_lines
from retrieval.loading.source_file import SourceFile

DEEPEST_GROUP = 50


def load_pptx(file: SourceFile) -> Iterable[Document]:
    """The text of all slides with their tables and notes; the title is that of the first slide.

    The title among the properties is mostly that of a template.
    """
    library = import_extra(file, "pptx", "python-pptx")
    with checked_archive(file, "presentation", file.limit):  # noqa: SIM117
        with reading(file, "presentation"), file.open() as opened:
            slides = list(library.Presentation(opened).slides)
            content = "\n\n".join(
                part for number, slide in enumerate(slides, 1) for part in _parts(slide, number)
            )
            title = _title(slides[0]) if slides else None
    return [file.document(content, title)]


def _parts(slide: Any, number: int) -> Iterator[str]:
    title = _title(slide)
    yield f"# Slide {number}" + (f": {title}" if title else "")
    title_id = slide.shapes.title.shape_id if slide.shapes.title is not None else None
    for shape in slide.shapes:
        if shape.shape_id != title_id:
            yield from _shape(shape)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _paragraphs(slide.notes_slide.notes_text_frame)


def _title(slide: Any) -> str | None:
    shape = slide.shapes.title
    return " ".join(shape.text_frame.text.split()) if shape is not None else None


def _shape(shape: Any, depth: int = 0) -> Iterator[str]:
    if hasattr(shape, "shapes"):
        for inner in shape.shapes if depth < DEEPEST_GROUP else ():
            yield from _shape(inner, depth + 1)
    elif getattr(shape, "has_table", False):
        rows = ([cell.text for cell in row.cells] for row in shape.table.rows)
        yield "\n".join(table_lines(rows))
    elif shape.has_text_frame:
        yield from _paragraphs(shape.text_frame)


def _paragraphs(frame: Any) -> Iterator[str]:
    """The paragraphs of one shape; more than one of them are a list."""
    paragraphs = [(each.level, " ".join(each.text.split())) for each in frame.paragraphs]
    written = [(level, text) for level, text in paragraphs if text]
    if len(written) == 1:
        yield written[0][1]
    elif written:
        yield "\n".join(f"{'  ' * level}- {text}" for level, text in written)
