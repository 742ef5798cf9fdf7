"""Judged collections in the BEIR layout: documents, questions, and which document answers which."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LANGUAGES = {
    "ar": "arabic",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "hi": "hindi",
    "ro": "romanian",
    "ru": "russian",
    "th": "simple",
    "tr": "turkish",
    "vi": "simple",
    "zh": "simple",
}
CHINESE = ("cmrc2018", "csl", "xquad-all:zh")
WITHOUT_WORDS = (*CHINESE, "jsquad")


@dataclass(frozen=True, slots=True)
class Judged:
    """A collection; `judgements` holds for each question the grade of each relevant document."""

    name: str
    text_config: str
    documents: list[dict[str, str]]
    questions: dict[str, str]
    judgements: dict[str, dict[str, int]]


def read_judged(data: Path, name: str, most_questions: int) -> Judged:
    """The collection of that name with its first questions; `xquad-all:de` is one language."""
    folder, _, language = name.partition(":")
    keys = f"{language}:" if language else ""
    questions = {
        row["_id"]: row["text"]
        for row in _rows(data / folder / "queries.jsonl")
        if row["_id"].startswith(keys)
    }
    asked = dict(list(questions.items())[: most_questions or None])
    judgements = _judgements(
        data / folder / "qrels" / ("same_language.tsv" if language else "test.tsv")
    )
    return Judged(
        name=name,
        text_config="simple" if name in WITHOUT_WORDS else LANGUAGES[language or "en"],
        documents=[
            {"document_key": row["_id"], "title": row["title"], "content": row["text"]}
            | _language(row)
            for row in _rows(data / folder / "corpus.jsonl")
            if row["_id"].startswith(keys)
        ],
        questions=asked,
        judgements={key: judgements[key] for key in asked},
    )


def _language(row: dict[str, Any]) -> dict[str, str]:
    """The text configuration of a document whose language its collection names."""
    language = LANGUAGES.get(row.get("metadata", {}).get("lang", ""))
    return {"text_config": language} if language else {}


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _judgements(file: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            found.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return found
