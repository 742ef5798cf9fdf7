"""The files of TREC: topics, and qrels of four columns."""

import re
from collections.abc import Iterator
from pathlib import Path

from retrieval.errors import InvalidInput
from retrieval.golden_sets.reading import GRADE, Relevance, add_query, judge, readable

_TOPIC = re.compile(r"<top>(.*?)(?:</top>|(?=<top>)|\Z)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*([^\s<]+)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:Topic:)?([^<]*)", re.IGNORECASE)


def read_topics(path: Path) -> dict[str, str]:
    """Read queries by their ids from <top> elements, or from lines of an id, a tab and a text.

    The text of an element is its title, on one line.
    """
    with readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        content = file.read()
    tagged = "<top>" in content.lower()
    topics = _tagged_topics(content, path) if tagged else _lines_of_topics(content, path)
    texts: dict[str, str] = {}
    for number, key, text in topics:
        add_query(texts, key, text, f"{path}, line {number}")
    return texts


def _tagged_topics(content: str, path: Path) -> Iterator[tuple[int, str, str]]:
    for topic in _TOPIC.finditer(content):
        line = content.count("\n", 0, topic.start()) + 1
        number, title = _NUMBER.search(topic[1]), _TITLE.search(topic[1])
        text = " ".join(title[1].split()) if title else ""
        if number is None or not text:
            raise InvalidInput(f"{path}, line {line}: a topic without a <num> or a <title>")
        yield line, number[1], text


def _lines_of_topics(content: str, path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(_lines(content), 1):
        if line.strip():
            key, text = _topic(line)
            if not key or not text:
                raise InvalidInput(f"{path}, line {number}: not a query id, a tab and a text")
            yield number, key, text


def _lines(content: str) -> list[str]:
    """Not by splitlines, which breaks lines at more than line breaks."""
    return re.split(r"\r\n|\n|\r", content)


def _topic(line: str) -> tuple[str, str]:
    key, _, text = line.partition("\t")
    return key.strip(), text.strip()


def read_qrels(path: Path) -> Relevance:
    """Read query id, iteration (which says nothing), document key and grade from each line."""
    relevance: Relevance = {}
    with readable(path), path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            columns = line.split()
            if len(columns) == 4 and GRADE.fullmatch(columns[3]):
                query, _, document, grade = columns
                judge(relevance, query, document, int(grade), f"{path}, line {number}")
            elif columns:
                raise InvalidInput(
                    f"{path}, line {number}: not query id, iteration, document key and grade"
                )
    return relevance


def trec_files(queries: dict[str, str], relevance: Relevance) -> dict[str, str]:
    """Contents by name of a folder; InvalidInput for what would not be read back as it is."""
    topics = []
    for key, text in queries.items():
        line = f"{key}\t{text}"
        if len(_lines(line)) > 1 or _topic(line) != (key, text) or "<top>" in line.lower():
            raise InvalidInput(f"query {key!r} is not one line of plain text: export it as beir")
        topics.append(line)
    lines = []
    for query, grades in relevance.items():
        for document, grade in grades.items():
            line = f"{query} 0 {document} {grade}"
            if line.split() != [query, "0", document, str(grade)]:
                raise InvalidInput(
                    f"the key of query {query!r} or of document {document!r} has a blank: "
                    "export it as beir"
                )
            lines.append(line)
    return {
        "topics.tsv": "".join(f"{line}\n" for line in topics),
        "qrels.txt": "".join(f"{line}\n" for line in lines),
    }
