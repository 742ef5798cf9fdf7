"""What a model learns from: a query, a text that answers it, and texts that do not."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.errors import InvalidInput

NAMES = {"query", "positive", "negatives", "scores"}


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """`scores`, where there are any, are a cross-encoder's: the positive's, then the negatives'."""

    query: str
    positive: str
    negatives: Sequence[str] = ()
    scores: Sequence[float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `read_examples` reads from a line."""
        written = {
            "query": self.query,
            "positive": self.positive,
            "negatives": list(self.negatives),
        }
        return written if self.scores is None else {**written, "scores": list(self.scores)}


def write_examples(path: Path, examples: Iterable[TrainingExample]) -> None:
    """Write a JSON object on each line. A file that is there is replaced once all is written."""
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        with unfinished.open("w", encoding="utf-8") as lines:
            for example in examples:
                lines.write(json.dumps(example.to_json(), ensure_ascii=False) + "\n")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise InvalidInput(f"{path} cannot be written ({error.strerror})") from error


def read_examples(path: Path) -> list[TrainingExample]:
    """Read what `write_examples` wrote; InvalidInput names the line that cannot be used."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from error
    examples = [
        _example(line, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not examples:
        raise InvalidInput(f"{path} holds no example")
    return examples


def _example(line: str, place: str) -> TrainingExample:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{place}: not JSON") from error
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{place}: not a JSON object")
    if unknown := sorted(given.keys() - NAMES):
        raise InvalidInput(
            f"{place}: {unknown[0]!r} is not one of query, positive, negatives, scores"
        )
    for name in ("query", "positive"):
        if not isinstance(given.get(name), str) or not given[name].strip():
            raise InvalidInput(f"{place}: {name} must be a text")
    negatives, scores = given.get("negatives", []), given.get("scores")
    if not isinstance(negatives, list) or not all(isinstance(each, str) for each in negatives):
        raise InvalidInput(f"{place}: negatives must be a list of texts")
    if scores is not None and not _are_scores(scores, 1 + len(negatives)):
        raise InvalidInput(
            f"{place}: scores must be {1 + len(negatives)} numbers, "
            "of the positive and of each negative"
        )
    return TrainingExample(given["query"], given["positive"], tuple(negatives), scores)


def _are_scores(scores: Any, wanted: int) -> bool:
    return (
        isinstance(scores, list)
        and len(scores) == wanted
        and all(isinstance(each, int | float) and abs(each) < float("inf") for each in scores)
    )
