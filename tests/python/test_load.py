"""Files and folders become documents, or errors that name the file."""

import codecs
import os
import socket
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading import find_files, load_documents, load_file
from retrieval.loading.headings import find_headings, path_above
from retrieval.loading.normalise import normalise_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    here = tmp_path.resolve() / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def write(path: Path, content: str | bytes = "some text\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def modified(file: Path) -> str:
    return datetime.fromtimestamp(int(file.stat().st_mtime), UTC).isoformat()


def failure(path: Path) -> str:
    """Return why a path cannot be loaded; iterating must not raise, and says it in one line."""
    (outcome,) = load_documents(find_files([path]).files)
    assert isinstance(outcome, LoadError)
    message = str(outcome)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


# Text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("\ufeffa\ufeff", "a\ufeff"),
        ("a\0b", "ab"),
        ("e\u0301", "\u00e9"),
        ("a\ud800b\udc00", "a\ufffdb\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
)
def test_normalised(text: str, expected: str) -> None:
    assert normalise_text(text) == expected


@given(ANY_TEXT)
def test_normalised_text_can_be_stored_and_stays(text: str) -> None:
    once = normalise_text(text)
    assert "\0" not in once and "\r" not in once
    once.encode()  # raises if a surrogate is left
    assert unicodedata.is_normalized("NFC", once)
    assert normalise_text(once) == once


# One file


def test_a_markdown_file(folder: Path) -> None:
    file = write(folder / "docs" / "guide.md", "intro\r\n\n# The *Guide*\n\ntext\n")
    assert load_file(Path("docs/../docs/guide.md")) == Document(
        key="docs/guide.md",
        content="intro\n\n# The *Guide*\n\ntext\n",
        title="The Guide",
        source=str(file),
        metadata={"path": "docs/guide.md", "type": "markdown", "modified": modified(file)},
    )


def test_a_text_file_outside_of_the_current_folder(folder: Path) -> None:
    file = write(folder.parent / "notes.txt", "# no heading\n")
    document = load_file(Path("../notes.txt"))
    assert document.key == document.source == document.metadata["path"] == file.as_posix()
    assert (document.title, document.metadata["type"]) == ("notes.txt", "text")


@pytest.mark.parametrize(
    "data",
    [
        "Zürich 🎉".encode(),
        codecs.BOM_UTF8 + "Zürich 🎉".encode(),
        codecs.BOM_UTF16_LE + "Zürich 🎉".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "Zürich 🎉".encode("utf-16-be"),
    ],
)
def test_the_encodings_that_are_read(folder: Path, data: bytes) -> None:
    assert load_file(write(folder / "a.txt", data)).content == "Zürich 🎉"


def test_a_name_that_is_not_text_gives_a_key_that_is(folder: Path) -> None:
    name = os.fsdecode(b"bad-\xff\n.txt")
    try:
        write(folder / name)
    except OSError:
        pytest.skip("the file system takes only UTF-8 names")
    assert load_file(Path(name)).key == "bad-\\xff\\x0a.txt"


# What cannot be loaded


def test_a_file_that_does_not_exist(folder: Path) -> None:
    assert failure(Path("missing.md")) == "does not exist"


def test_a_link_to_nowhere(folder: Path) -> None:
    (folder / "link.md").symlink_to("missing.md")
    assert failure(Path("link.md")) == "a link to nowhere"


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    file = write(folder / "secret.md")
    monkeypatch.setattr(Path, "open", refuse)
    assert failure(file) == "cannot be read (permission denied)"


def test_a_folder_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    write(folder / "a" / "open.md")
    write(folder / "a" / "secret" / "hidden.md")
    monkeypatch.setattr(os, "scandir", refuse)
    document, error = load_documents(find_files([Path("a")]).files)
    assert isinstance(document, Document) and document.key == "a/open.md"
    assert str(error) == "a/secret: cannot be read (permission denied)"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            b"\xff\xd8\xff\xe1\x04Exif",
            "not text (neither UTF-8 nor another encoding that is known)",
        ),
        (
            b"\xfe\xc1\xf5\x91\x81" * 20,
            "not text (neither UTF-8 nor another encoding that is known)",
        ),
        (b"\xff\xfea", "not UTF-16 text (byte 2 cannot be decoded)"),
        (b"text\0text", "not text (it contains NUL bytes)"),
        ("text".encode("utf-32"), "not text (it contains NUL bytes)"),
    ],
)
def test_a_file_that_is_not_text(folder: Path, data: bytes, reason: str) -> None:
    assert failure(write(folder / "a.txt", data)) == reason


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    assert failure(Path("pipe.txt")) == "not a regular file"


def test_a_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.md")
        assert failure(Path("socket.md")) == "not a regular file"


def test_a_path_that_no_file_can_have(folder: Path) -> None:
    (outcome,) = load_documents(find_files([Path("a\0b")]).files)
    assert str(outcome) == "a\\x00b: cannot be read (embedded null byte)"


def test_a_folder_given_as_a_file(folder: Path) -> None:
    with pytest.raises(LoadError, match="a folder"):
        load_file(folder)


# Folders


def test_a_folder_gives_its_text_files_in_order(folder: Path) -> None:
    wanted = ["b.MD", "c.txt", "a/x.rst", "a/y.text", "d/e/z.markdown"]
    for name in [*wanted, "photo.raw", "a/data.bin", ".hidden.md", ".git/note.md", "a/.b/c.md"]:
        write(folder / name)
    found = find_files([Path(".")])
    assert [file.as_posix() for file in found.files if isinstance(file, Path)] == wanted
    assert (len(found.files), found.skipped) == (5, 2)


@pytest.mark.parametrize("name", [None, "photo.raw", ".hidden.md"])
def test_a_folder_without_text(folder: Path, name: str | None) -> None:
    (folder / "a").mkdir()
    if name:
        write(folder / "a" / name)
    assert failure(Path("a")) == "no files of a known kind, such as .md, .txt or .pdf"


def test_a_file_that_is_named_is_tried_whatever_its_ending(folder: Path) -> None:
    write(folder / "a" / "data.conf", "x,y\n")
    write(folder / "a" / "b.md")
    for paths in (["a", "a/data.conf"], ["a/data.conf", "a"]):
        found = find_files(map(Path, paths))
        assert {str(file) for file in found.files} == {"a/b.md", "a/data.conf"}
        assert found.skipped == 0


def test_a_file_found_twice_is_loaded_once(folder: Path) -> None:
    file = write(folder / "a" / "b.md")
    write(folder / "a" / "photo.raw")
    found = find_files([Path("a"), file, Path("a"), Path("a/../a/b.md")])
    assert (len(found.files), found.skipped) == (1, 1)


def test_links_in_a_circle_end(folder: Path) -> None:
    write(folder / "a" / "b.md")
    (folder / "a" / "again").symlink_to(folder / "a")
    (folder / "a" / "self.md").symlink_to("self.md")
    document, error = load_documents(find_files([Path("a")]).files)
    assert isinstance(document, Document) and isinstance(error, LoadError)


def test_an_error_does_not_end_the_iteration(folder: Path) -> None:
    write(folder / "a.md", b"\0")
    write(folder / "b.md")
    error, document = load_documents(find_files([Path("."), Path("b.md")]).files)
    assert isinstance(error, LoadError) and isinstance(document, Document)


def test_the_first_heading_of_a_long_text(folder: Path) -> None:
    """Found as in the whole text, wherever that is cut to find it soon."""
    paragraph = "word " * 10 + "\n"
    for before in ("", "\n" + paragraph * 700, "```\n" + "# code\n" * 6_000 + "```\n"):
        text = before + "# The *heading*\n\n" + paragraph * 1_000 + "\n# Another\n"
        assert load_file(write(folder / "a.md", text)).title == "The heading"
    assert load_file(write(folder / "b.md", paragraph * 1_000)).title == "b.md"


# Headings


def titles(markdown: str) -> list[str]:
    return [heading.text for heading in find_headings(markdown)]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# One #\n\n##Two\n", ["One"]),
        ("One\n===\n\nTwo\n---\n", ["One", "Two"]),
        ("two\nlines\n---\n", ["two lines"]),
        ("```\n# code\n```\n    # code\n> # quoted\n\n- # listed\n", []),
        ("# `code` **and** [link](https://example.org) &amp; ![image](a.png)\n", None),
        ("#\n\n# named\n", ["named"]),
        ("---\ntitle: matter\n---\n# One\n", ["One"]),
        ("---\n\n# One\n\n---\n", ["One"]),
        ("# " + "word " * 100, ["word " * 23 + "word…"]),
    ],
)
def test_headings(markdown: str, expected: list[str] | None) -> None:
    assert titles(markdown) == (["code and link & image"] if expected is None else expected)


def test_paths_above() -> None:
    markdown = "# Install\n\n### Linux\n\ntext\n\n## Next\r\n\r\ntext\r\n\r\n  # Use\n\ntext"
    headings = find_headings(markdown)
    above = {name: path_above(headings, markdown.index(name)) for name in ("# I", "###", "# Use")}
    assert above == {"# I": (), "###": ("Install",), "# Use": ()}
    assert path_above(headings, markdown.index("text")) == ("Install", "Linux")
    assert path_above(headings, markdown.index("text\r")) == ("Install", "Next")
    assert path_above(headings, len(markdown)) == ("Use",)
