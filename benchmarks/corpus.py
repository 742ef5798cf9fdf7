"""Texts for the benchmarks: Debian's package descriptions, a BEIR collection, or more of these."""

import json
import random
import re
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

SENTENCE = re.compile(r"(?<=[.!?])\s+")


def load_texts(path: Path | None) -> list[str]:
    """Title and text of a `corpus.jsonl`, or without a path the package descriptions."""
    if path is None:
        return list(package_descriptions())
    with path.open(encoding="utf-8") as lines:
        documents = map(json.loads, lines)
        return [f"{each.get('title', '')}\n{each['text']}".strip() for each in documents]


def package_descriptions() -> Iterator[str]:
    """Descriptions of the packages that apt knows, short and long, each text once.

    The long ones come with `apt-get -o Acquire::Languages=en update`.
    """
    targets = subprocess.run(
        [
            "apt-get",
            "-o",
            "Acquire::Languages=en",
            "indextargets",
            "--format",
            "$(FILENAME)",
            "Created-By: Translations",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    seen: set[str] = set()
    for name in targets.stdout.split():
        for text in _descriptions(name):
            if text not in seen:
                seen.add(text)
                yield text


def _descriptions(file: str) -> Iterator[str]:
    listed = subprocess.run(
        ["/usr/lib/apt/apt-helper", "cat-file", file], capture_output=True, text=True, check=True
    )
    for record in listed.stdout.split("\n\n"):
        found = re.search(r"^Description-en: (.*(?:\n .*)*)", record, re.MULTILINE)
        if found:
            lines = (line.strip() for line in found[1].split("\n"))
            yield "\n".join("" if line == "." else line for line in lines)


def grown(texts: list[str], count: int, seed: int = 7) -> list[str]:
    """`count` texts: these, and beyond them texts composed of their sentences."""
    if count <= len(texts):
        return random.Random(seed).sample(texts, count)
    chosen = random.Random(seed)
    sentences = [each for text in texts for each in SENTENCE.split(text) if each]
    lengths = [len(SENTENCE.split(text)) for text in texts]
    composed = (
        " ".join(chosen.choices(sentences, k=chosen.choice(lengths)))
        for _ in range(count - len(texts))
    )
    return [*texts, *islice(composed, count - len(texts))]
