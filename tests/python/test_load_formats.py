"""HTML, PDF, DOCX, PPTX, XLSX and EPUB: real files, written by other libraries."""

import sys
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from fpdf import FPDF
from openpyxl.chart import BarChart

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading import load_documents, load_file

PAGE = """<!doctype html>
<html lang="en"><head><title>Keys &amp; secrets</title><style>p { color: red }</style>
<script>alert("no")</script></head>
<body><nav><a href="/">Home</a></nav>
<form><header><h1>Ro&shy;ta&shy;ting</h1></header>
<p>Create the <b>new</b> key, <a href="https://example.org/keys">deploy</a> it.</p>
</form><!-- a comment --><h2>Losing</h2><ul><li>Revoke<li>Report</ul>
<table><tr><th>key</th><th>age</th></tr><tr><td>a|b</td><td>3</td></tr></table>
<pre>x = 1
  y = 2</pre><img src="data:image/png;base64,AAAA" alt="picture"></body></html>"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(name: str, capsys: pytest.CaptureFixture[str]) -> Document:
    document = load_file(Path(name))
    assert capsys.readouterr() == ("", "")
    assert document.key == document.metadata["path"] == name
    assert document.metadata["type"] == Path(name).suffix[1:]
    return document


# HTML


def test_html(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.html").write_text(PAGE)
    document = load("a.html", capsys)
    assert document.title == "Keys & secrets"
    assert document.content.startswith("# Rotating\n\nCreate the **new** key, [deploy](https:")
    assert "\n## Losing\n\n- Revoke\n- Report\n" in document.content
    assert "| key | age |\n| --- | --- |\n" in document.content
    assert "x = 1\n  y = 2\n" in document.content
    for dropped in ("alert", "color", "comment", "Home", "base64", "picture"):
        assert dropped not in document.content


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "iso-8859-1"),
        ('<meta http-equiv=content-type content="text/html; charset=koi8-r">', "koi8-r"),
        ('<meta charset="klingon">', "windows-1251"),
        ('<meta charset="koi8-r">', "utf-8"),
        ("", "utf-16"),
    ],
)
def test_the_encoding_of_a_page(head: str, encoding: str) -> None:
    russian = "Это русский текст, поисковая система находит слова."
    text = "L'été à Orléans" if encoding == "iso-8859-1" else russian
    Path("a.htm").write_bytes(f"<html><head>{head}</head><p>{text}</p>".encode(encoding))
    document = load_file(Path("a.htm"))
    assert (document.content.strip(), document.title) == (text, "a.htm")


def test_a_page_without_a_title() -> None:
    Path("a.html").write_text("<p>x</p><h2>Heading <i>two</i></h2>")
    assert load_file(Path("a.html")).title == "Heading two"


# PDF


def write_pdf(name: str, *pages: str, **encryption: str) -> None:
    pdf = FPDF()
    pdf.set_title("Manual")
    if encryption:
        pdf.set_encryption(**encryption)  # type: ignore[arg-type]
    pdf.set_font("Helvetica", size=12)
    for page in pages:
        pdf.add_page()
        pdf.multi_cell(0, 6, page)
    pdf.output(name)


def test_pdf(capsys: pytest.CaptureFixture[str]) -> None:
    write_pdf("a.pdf", "The first page.\nIts second line.", "", "Über größere Dinge.")
    document = load("a.pdf", capsys)
    assert document.title == "Manual"
    assert document.content == "The first page.\nIts second line.\f\fÜber größere Dinge."


def test_a_pdf_that_only_its_owner_may_change() -> None:
    write_pdf("a.pdf", "Open to all.", owner_password="secret")
    assert load_file(Path("a.pdf")).content == "Open to all."


# Office documents


def test_docx(capsys: pytest.CaptureFixture[str]) -> None:
    written = docx.Document()
    written.add_heading("The guide", 0)
    written.add_heading("Install", 1)
    written.add_paragraph("Take the ").add_run("new").bold = True
    written.add_paragraph("one", style="List Bullet")
    written.add_paragraph("two", style="List Bullet")
    table = written.add_table(2, 2)
    for cell, text in zip(table._cells, ["key", "age", "a", "3"], strict=True):
        cell.text = text
    written.core_properties.title = ""
    written.save("a.docx")
    document = load("a.docx", capsys)
    assert document.title == "The guide"
    assert document.content.startswith(
        "# The guide\n\n# Install\n\nTake the **new**\n\n- one\n- two\n"
    )
    assert "| a | 3 |" in document.content
    written.core_properties.title = "Of its properties"
    written.save("a.docx")
    assert load("a.docx", capsys).title == "Of its properties"


def test_pptx(capsys: pytest.CaptureFixture[str]) -> None:
    written = pptx.Presentation()
    first = written.slides.add_slide(written.slide_layouts[1])
    first.shapes.title.text = "Quarterly results"
    frame = first.placeholders[1].text_frame
    frame.text = "Up"
    frame.add_paragraph().text = "By a third"
    frame.paragraphs[1].level = 1
    first.notes_slide.notes_text_frame.text = "Say thanks."
    second = written.slides.add_slide(written.slide_layouts[6])
    table = second.shapes.add_table(2, 2, 0, 0, 100, 100).table
    for place, text in enumerate(["year", "sum", "2026", "7"]):
        table.cell(*divmod(place, 2)).text = text
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "In a group"
    written.save("a.pptx")
    document = load("a.pptx", capsys)
    assert document.title == "Quarterly results"
    assert document.content == (
        "# Slide 1: Quarterly results\n\n- Up\n  - By a third\n\nSay thanks.\n\n"
        "# Slide 2\n\n| year | sum |\n| --- | --- |\n| 2026 | 7 |\n\nIn a group"
    )


def test_xlsx(capsys: pytest.CaptureFixture[str]) -> None:
    written = openpyxl.Workbook()
    sheet = written.active
    sheet.title = "Hotels"
    sheet.append(["name", "stars", "opened", None])
    sheet.append(["Dunas | Mar", 4.5, date(2020, 5, 1)])
    sheet.append([])
    sheet.append(["Bergruh\nTal", 3, datetime(2021, 1, 2, 3, 4), None, True])
    written.create_sheet("Empty")
    written.create_chartsheet("Chart").add_chart(BarChart())
    written.save("a.xlsx")
    document = load("a.xlsx", capsys)
    assert document.title == "a.xlsx"
    assert document.content.splitlines() == [
        "# Hotels",
        "",
        "| name | stars | opened |",
        "| --- | --- | --- |",
        r"| Dunas \| Mar | 4.5 | 2020-05-01 |",
        "| Bergruh Tal | 3 | 2021-01-02T03:04:00 |  | True |",
        "",
        "# Empty",
        "",
    ]


# EPUB

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles>
</container>"""
PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">x</dc:identifier>
<dc:title>Das Buch</dc:title><dc:language>de</dc:language></metadata>
<manifest><item id="two" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="image" href="a.png" media-type="image/png"/></manifest>
<spine><itemref idref="one"/><itemref idref="image"/><itemref idref="two"/>
<itemref idref="one"/></spine>
</package>"""
CHAPTER = """<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{0}</title></head><body><h1>{0}</h1>
<p>Es war einmal.</p></body></html>"""


def write_epub(name: str, **more: str) -> None:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/book.opf", PACKAGE)
        archive.writestr("OEBPS/text/one.xhtml", CHAPTER.format("Eins"))
        archive.writestr("OEBPS/text/two b.xhtml", CHAPTER.format("Zwei"))
        for path, content in more.items():
            archive.writestr(path, content)


def test_epub(capsys: pytest.CaptureFixture[str]) -> None:
    write_epub("a.epub")
    document = load("a.epub", capsys)
    assert document.title == "Das Buch"
    assert document.content == "# Eins\n\nEs war einmal.\n\n# Zwei\n\nEs war einmal."
    assert (document.metadata["language"], document.text_config) == ("de", "german")


def test_a_book_that_is_protected() -> None:
    write_epub("a.epub", **{"META-INF/rights.xml": "<rights/>"})
    (error,) = load_documents([Path("a.epub")])
    assert str(error) == "a.epub: is protected against reading (digital rights management)"


# The extra


@pytest.mark.parametrize(
    ("ending", "module", "package"),
    [
        ("html", "html_to_markdown", "html-to-markdown"),
        ("pdf", "pypdfium2", "pypdfium2"),
        ("docx", "mammoth", "mammoth"),
        ("pptx", "pptx", "python-pptx"),
        ("xlsx", "openpyxl", "openpyxl"),
        ("epub", "defusedxml.ElementTree", "defusedxml"),
    ],
)
def test_a_library_that_is_not_installed(
    ending: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make: dict[str, Callable[[], object]] = {
        "html": lambda: Path("a.html").write_text(PAGE),
        "epub": lambda: write_epub("a.epub"),
    }
    make.get(ending, lambda: Path(f"a.{ending}").write_bytes(b"x"))()
    monkeypatch.setitem(sys.modules, module, None)
    Path("b.md").write_text("x")
    error, document = load_documents([Path(f"a.{ending}"), Path("b.md")])
    assert isinstance(error, LoadError) and isinstance(document, Document)
    assert str(error) == (
        f"a.{ending}: needs the package {package}, which pip install 'retrieval[files]' brings"
    )
