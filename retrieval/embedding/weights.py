"""The hash that tells one set of weights from another."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

# In the order in which a folder's weights are preferred by the libraries that load them.
WEIGHT_PATTERNS = ("*.safetensors", "pytorch_model*.bin", "adapter_model.bin")


def weights_sha256(folder: Path) -> str | None:
    """Return the SHA-256 over a model's weight files one after the other, None without any.

    For a model of one weight file this is the file's own hash. Each set of files is read once
    per process, unless it changes.
    """
    files = weight_files(folder)
    return _digest(tuple(_identity(file) for file in files)) if files else None


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's weights, those of all its modules."""
    return sorted(set(_weight_files(folder)))


def _weight_files(folder: Path) -> Iterator[Path]:
    for module in _module_folders(folder):
        yield from _preferred(module)


def _module_folders(folder: Path) -> Iterator[Path]:
    """Yield the folder and those of the model's modules; exports for other engines are none."""
    yield folder
    modules = _listed(folder / "modules.json", [])
    # a module with routes may be in the folder itself, and those of its routes in folders below
    routes = _listed(folder / "router_config.json", {}).get("types", {})
    for path in filter(None, (*(module["path"] for module in modules), *routes)):
        yield folder / path
        yield from (below for below in (folder / path).rglob("*") if below.is_dir())


def _listed(file: Path, default: Any) -> Any:
    return json.loads(file.read_text("utf-8")) if file.is_file() else default


def _preferred(folder: Path) -> Iterable[Path]:
    found = (sorted(folder.glob(pattern)) for pattern in WEIGHT_PATTERNS)
    return next(filter(None, found), ())


def _identity(file: Path) -> tuple[str, int, int]:
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns


@lru_cache(maxsize=16)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
