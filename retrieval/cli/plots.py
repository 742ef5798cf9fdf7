"""Plots that commands write."""

from collections.abc import Callable
from pathlib import Path

from retrieval.errors import InvalidInput


def check_plot(path: Path | None) -> None:
    """Refuse at once what could not be written after minutes of measuring."""
    if path is None:
        return
    if path.is_dir():
        raise InvalidInput(f"--plot {path} is a folder")
    if not path.parent.is_dir():
        raise InvalidInput(f"--plot {path}: the folder {path.parent} does not exist")


def save_plot(save: Callable[[Path], None], path: Path | None) -> None:
    """Draw a plot, if there is to be one."""
    if path is None:
        return
    try:
        save(path)
    except OSError as error:
        raise InvalidInput(f"--plot {path} cannot be written ({error.strerror})") from error
