"""Keeps exported models in the data directory, by what they were made from."""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from retrieval.embedding.backend import PACKAGES, Backend, library_of
from retrieval.errors import ModelUnavailable
from retrieval.settings import Settings

FOLDER = "models"
# changes whenever the same model would be exported in another way
EXPORT_VERSION = 1
# of a configuration: what says where it was loaded and by which release
UNIMPORTANT = ("_name_or_path", "transformers_version")


def check_packages(backend: Backend) -> None:
    """Raise ModelUnavailable, with the command to install them, where packages are missing."""
    library = library_of(backend)
    missing = [name for name in PACKAGES[library] if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelUnavailable(f"{', '.join(missing)} missing: pip install 'retrieval[{library}]'")


def fingerprint(model: Any, *parts: object) -> str:
    """Return a name for a transformer by its weights, its configuration and other parts."""
    config = {name: value for name, value in model.config.to_diff_dict().items()}
    for name in UNIMPORTANT:
        config.pop(name, None)
    text = json.dumps([EXPORT_VERSION, config, parts], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().contiguous().reshape(-1).view(_bytes()).numpy())
    return digest.hexdigest()[:32]


def _bytes() -> Any:
    import torch

    return torch.uint8


def exported(name: str, files: Sequence[str], export: Callable[[Path], None]) -> Path:
    """Return the folder of an export, made now if it is not there.

    It appears whole or not at all, and of two processes that make it at once either may win.
    """
    root = Settings().data_directory / FOLDER
    folder = root / name
    if all((folder / file).is_file() for file in files):
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".", dir=root, ignore_cleanup_errors=True) as place:
            made = Path(place) / name
            made.mkdir()
            export(made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    except OSError as error:
        raise ModelUnavailable(
            f"its export cannot be kept in {root} ({error.strerror}): set RETRIEVAL_DATA_DIRECTORY"
        ) from error
    return folder
