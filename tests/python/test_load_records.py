"""JSON lines, JSON, CSV and TSV: many documents a file, and never the whole file in memory."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading import load_documents


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def outcomes(name: str, data: str | bytes, limit: int | None = None) -> list[Document | LoadError]:
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    return list(load_documents([Path(name)], maximum_bytes=limit))


def documents(name: str, data: str | bytes) -> list[Document]:
    made = outcomes(name, data)
    assert all(isinstance(each, Document) for each in made), made
    return [each for each in made if isinstance(each, Document)]


def messages(made: list[Document | LoadError]) -> list[str]:
    return [str(each) for each in made if isinstance(each, LoadError)]


def keys(made: list[Document | LoadError]) -> list[str]:
    return [each.key for each in made if isinstance(each, Document)]


def own_metadata(document: Document) -> dict[str, Any]:
    known = ("path", "type", "modified")
    assert document.metadata.keys() >= {*known}
    return {name: value for name, value in document.metadata.items() if name not in known}


# JSON lines


def test_beir(tmp_path: Path) -> None:
    lines = [
        {"_id": "p1", "title": "A title", "text": "The text.", "metadata": {}},
        {"_id": "p2", "title": "", "text": "Another text.", "metadata": {"url": "https://x"}},
    ]
    first, second = documents("corpus.jsonl", "".join(f"{json.dumps(each)}\n" for each in lines))
    assert (first.key, first.title, first.content) == ("p1", "A title", "The text.")
    assert own_metadata(first) == {}
    assert first.metadata["path"] == "corpus.jsonl" and first.metadata["type"] == "json"
    assert first.source == str(tmp_path / "corpus.jsonl")
    assert (second.key, second.title, second.content) == ("p2", None, "Another text.")
    assert own_metadata(second) == {"url": "https://x"}


@pytest.mark.parametrize(
    ("record", "key", "content", "metadata"),
    [
        ({"document_key": "a", "id": 7, "content": "x"}, "a", "x", {"id": 7}),
        ({"key": "a", "body": "x", "year": 2020}, "a", "x", {"year": 2020}),
        (
            {"id": 7, "text": "x", "metadata": {"a": [1]}, "b": {"c": 2}},
            *("7", "x", {"a": [1], "b": {"c": 2}}),
        ),
        ({"content": "x"}, "a.jsonl#1", "x", {}),
        ({"id": None, "content": "x", "nothing": None}, "a.jsonl#1", "x", {}),
        ({"id": "", "content": 5}, "a.jsonl#1", "5", {}),
        ({"id": 1, "content": "", "text": "y"}, "1", "", {"text": "y"}),
        (
            {"id": 1, "name": "Dunas", "at": {"city": "Lagos"}},
            *("1", "name: Dunas\nat.city: Lagos", {"name": "Dunas", "at": {"city": "Lagos"}}),
        ),
        (
            {"id": 1, "tags": ["a", "b"], "n": [{"x": 1}]},
            *("1", "tags: a, b\nn.x: 1", {"tags": ["a", "b"], "n": [{"x": 1}]}),
        ),
    ],
)
def test_fields(record: Any, key: str, content: str, metadata: Any) -> None:
    (made,) = documents("a.jsonl", json.dumps(record))
    assert (made.key, made.content, own_metadata(made)) == (key, content, metadata)


def test_what_a_record_says_comes_before_what_its_file_says() -> None:
    (made,) = documents("a.jsonl", '{"text": "x", "type": "hotel", "modified": "2020"}')
    assert made.metadata == {"path": "a.jsonl", "type": "hotel", "modified": "2020"}


def test_an_invalid_line_in_the_middle() -> None:
    lines = [
        '{"id": 1, "text": "a"}',
        '{"id": 2, "text": "b"',
        "",
        "[1]",
        '{"text": ["x"]}',
        '{"text": "x", "metadata": 5}',
        '{"id": [1], "text": "x"}',
        '{"text": NaN}',
        '{"text": "\0"}',
        "[" * 100_000,
        '{"id": 8, "x": ' + '{"y": ' * 400 + "1" + "}" * 401,
        '{"id": 9, "text": "c"}',
    ]
    made = outcomes("a.ndjson", "\ufeff" + "\r\n".join(lines))
    assert keys(made) == ["1", "9"]
    assert messages(made) == [
        "a.ndjson#2: not JSON (expecting ',' delimiter at character 22)",
        "a.ndjson#4: a document must be a JSON object",
        "a.ndjson#5: its text must be text",
        "a.ndjson#6: its metadata must be an object",
        "a.ndjson#7: its id must be text or a number",
        "a.ndjson#8: not JSON (NaN is no JSON number)",
        "a.ndjson#9: not JSON (invalid control character at at character 11)",
        "a.ndjson#10: not JSON (nested too deeply)",
        "a.ndjson#11: its metadata is nested too deeply",
    ]


def test_odd_text_in_json() -> None:
    (made,) = documents(
        "a.jsonl", r'{"id": 1, "title": "a\u0000\n", "text": "\ud83e\uddad\ud800", "x": "\u0000"}'
    )
    assert (made.title, made.content) == ("a", "🦭\ufffd")
    assert own_metadata(made) == {"x": ""}


def test_a_line_beyond_the_limit() -> None:
    long = json.dumps({"id": 2, "text": "x" * 5_000})
    data = f'{{"id": 1, "text": "a"}}\n{long}\n{{"id": 3, "text": "c"}}\n'
    made = outcomes("a.jsonl", data, limit=1_000)
    assert keys(made) == ["1", "3"]
    (message,) = messages(made)
    assert message.startswith("a.jsonl#2: larger than RETRIEVAL_MAXIMUM_DOCUMENT_BYTES allows")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "json"])
def test_large_files_are_read_in_pieces(ending: str) -> None:
    """3 MB of documents, and a line of 10 MB, in less than 2 MB of memory."""
    path = Path(f"a.{ending}")
    rows = 3_000
    with path.open("w") as file:
        if ending == "json":
            file.write(
                "[" + ",".join('{"text": "%s"}' % ("word " * 200) for _ in range(rows)) + "]"
            )
        else:
            line = ("word " * 200).strip()
            file.write("text\n" if ending == "csv" else "")
            file.writelines(
                f"{line}\n" if ending == "csv" else f'{{"text": "{line}"}}\n' for _ in range(rows)
            )
            file.write("x" * 10_000_000)
    tracemalloc.start()
    try:
        made = failed = 0
        for each in load_documents([path], maximum_bytes=100_000):
            made += isinstance(each, Document)
            failed += isinstance(each, LoadError)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (made, failed) == (rows, 0 if ending == "json" else 1)
    assert peak < 2_000_000


# JSON


def test_an_array_of_objects() -> None:
    made = documents("a.json", ' [ {"id": 1, "text": "a"} ,\n {"text": "b"}, {"text": "c"}\n]\n')
    assert keys(list(made)) == ["1", "a.json#2", "a.json#3"]
    assert [each.content for each in made] == ["a", "b", "c"]


def test_an_array_in_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.loading.json_file.BLOCK", 7)
    records = [{"id": n, "text": "wörter " * (n % 5), "x": [{"y": "]},{"}]} for n in range(50)]
    for indent in (None, 3):
        made = documents("a.json", json.dumps(records, indent=indent, ensure_ascii=False))
        assert keys(list(made)) == [str(n) for n in range(50)]


@pytest.mark.parametrize(
    ("data", "loaded", "reason"),
    [
        ('[{"id": 1}, {"id": 2]', ["1"], "a.json#2: not JSON ("),
        ('[{"id": 1} {"id": 2}]', ["1"], "a.json#1: not JSON (the array does not go on)"),
        ('[{"id": 1},', ["1"], "a.json#2: not JSON (expecting value"),
        ('[{"id": 1}', ["1"], "a.json#1: not JSON (the array does not go on)"),
        ('[{"id": 1}, 5]', ["1"], "a.json#2: a document must be a JSON object"),
        ('{"a": 1', [], "a.json: not JSON ("),
        ("", [], "a.json: an empty file"),
    ],
)
def test_broken_json(data: str, loaded: list[str], reason: str) -> None:
    made = outcomes("a.json", data)
    assert keys(made) == loaded
    (message,) = messages(made)
    assert message.startswith(reason)


@pytest.mark.parametrize("data", ['{"name": "x", "dependencies": {}}', "[1, 2]", "[]", '"a"'])
def test_any_other_json_is_one_document(data: str) -> None:
    (made,) = documents("a.json", data)
    assert (made.key, made.title, made.content) == ("a.json", "a.json", data)


def test_an_object_with_content_is_a_document() -> None:
    (made,) = documents("a.json", '{"title": "T", "content": "x", "year": 2020}')
    assert (made.key, made.title, made.content) == ("a.json", "T", "x")
    assert own_metadata(made) == {"year": 2020}


# CSV and TSV


def test_rows() -> None:
    data = 'id,title,text,stars,zip,opened\n1,Dunas,"By the sea,\nand quiet",4,01234,2020\n'
    data += "2,Bergruh,In the hills,4.5,98765,\n\n,Third,,3,5,1\n"
    first, second, third = documents("a.csv", data)
    assert (first.key, first.title, first.content) == ("1", "Dunas", "By the sea,\nand quiet")
    assert own_metadata(first) == {"stars": 4, "zip": "01234", "opened": 2020}
    assert first.metadata["type"] == "csv"
    assert own_metadata(second) == {"stars": 4.5, "zip": "98765"}
    # the blank line is a row of the file, as it is in a spreadsheet
    assert (third.key, third.title) == ("a.csv#5", "Third")


def test_rows_without_content() -> None:
    (made,) = documents("a.csv", "name,city,stars\nDunas,Lagos,4\n")
    assert made.key == "a.csv#2"
    assert made.content == "name: Dunas\ncity: Lagos\nstars: 4"
    assert own_metadata(made) == {"name": "Dunas", "city": "Lagos", "stars": 4}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_delimiters(delimiter: str, name: str) -> None:
    rows = [["name", "note"], ["Löwe; 1", "a, b | c\td"], ["x", '"quoted"']]
    text = "\r\n".join(
        delimiter.join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in r) for r in rows
    )
    made = documents(name, text)
    assert [own_metadata(each) for each in made] == [
        dict(zip(rows[0], [" ".join(c.split("\n")) for c in row], strict=True)) for row in rows[1:]
    ]


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    (made,) = documents("a.csv", "id;straße\n1;größer als früher\n".encode(encoding))
    assert (made.key, own_metadata(made)) == ("1", {"straße": "größer als früher"})


def test_untidy_rows() -> None:
    made = documents("a.csv", "a,,a\n1,2,3,4\n5\n,,\n")
    assert [own_metadata(each) for each in made] == [
        {"a": 1, "column_2": 2, "a_3": 3, "column_4": "4"},
        {"a": 5},
    ]


def test_names_in_capitals() -> None:
    (made,) = documents("a.csv", "ID,Title,TEXT,Year\n7,T,x,2020\n")
    assert (made.key, made.title, made.content) == ("7", "T", "x")
    assert own_metadata(made) == {"Year": 2020}


def test_a_row_of_far_too_many_columns() -> None:
    made = outcomes("a.csv", "id,text\n1,a\n" + "," * 20_000 + "\n2,b\n")
    assert keys(made) == ["1", "2"]
    assert messages(made) == ["a.csv#3: has more than 10,000 columns"]


def test_a_quote_that_is_never_closed() -> None:
    """It takes what comes after it along, but no more than a row may have."""
    data = 'id,text\n1,a\n2,"open\n' + "\n".join(f"{n},text {n}" for n in range(3, 200)) + "\n"
    made = outcomes("a.csv", data, limit=500)
    assert messages(made)[0].startswith("a.csv#3: larger than")
    assert keys(made)[:1] == ["1"] and "199" in keys(made)


def test_nothing_but_a_head() -> None:
    assert outcomes("a.csv", "") == outcomes("b.csv", "a,b\n") == outcomes("a.jsonl", "") == []
