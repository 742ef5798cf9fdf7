"""A version of a golden set into files that an import reads back as they are."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from retrieval.errors import InvalidInput
from retrieval.golden_sets import beir, trec
from retrieval.golden_sets.results import ExportedGoldenSet
from retrieval.golden_sets.stored import read_golden_set
from retrieval.steps import Compute, Query, Steps

FORMATS = {"beir": beir.beir_files, "trec": trec.trec_files}


def export_steps(
    collection: str, name: str, folder: Path, format: str, version: int | None
) -> Steps[ExportedGoldenSet]:
    """Write a version of a golden set into a folder."""
    if format not in FORMATS:
        raise InvalidInput(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    read = partial(read_golden_set, collection=collection, name=name, version=version)
    exported, queries, relevance = yield Query(read)
    files = FORMATS[format](queries, relevance)
    yield Compute(partial(_write, folder, files))
    return ExportedGoldenSet(exported, len(queries), sum(map(len, relevance.values())))


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written ({error.strerror})") from error
