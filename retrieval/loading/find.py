"""Finds the files to load among files and folders."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import LoadError
from retrieval.loading.formats import FORMATS, IMAGE
from retrieval.loading.paths import load_error, reading_failed


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """Files to load with errors in their place, and how many other files the folders hold."""

    files: tuple[Path | LoadError, ...]
    skipped: int


def find_files(paths: Iterable[Path], *, images: bool = False) -> FoundFiles:
    """Find the files that can be loaded among paths, in the order given, each file once.

    A path that is no folder is taken as it is, whatever its name. A folder gives its files of a
    known suffix, sorted, and then those of its subfolders; hidden ones are passed over, links to
    folders are not followed, and files of other suffixes count as skipped. So do images, unless
    they are asked for.
    """
    found: dict[str, Path | LoadError | None] = {}
    for path in paths:
        for place, outcome in _search(path, images):
            absolute = os.path.abspath(place)
            # A file skipped in its folder is still loaded when it is named as well.
            if found.get(absolute) is None:
                found[absolute] = outcome
    files = tuple(outcome for outcome in found.values() if outcome is not None)
    return FoundFiles(files, skipped=len(found) - len(files))


def _search(path: Path, images: bool) -> Iterator[tuple[Path, Path | LoadError | None]]:
    """Yield each path with what comes of it; None is a file that is passed over."""
    return _search_folder(path, images) if os.path.isdir(path) else iter([(path, path)])


def _search_folder(folder: Path, images: bool) -> Iterator[tuple[Path, Path | LoadError | None]]:
    unreadable: list[OSError] = []
    has_any = False
    for parent, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = _visible(folders)
        for file in (Path(parent, name) for name in _visible(names)):
            format = FORMATS.get(file.suffix.lower())
            is_known = format is not None and (images or format is not IMAGE)
            has_any = has_any or is_known
            yield file, file if is_known else None
    for error in unreadable:
        yield Path(error.filename), load_error(error.filename, reading_failed(error))
    if not has_any and not unreadable:
        yield folder, load_error(folder, "no files of a known kind, such as .md, .txt or .pdf")


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))
