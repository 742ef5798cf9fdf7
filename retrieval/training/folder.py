"""Where a model comes to be: beside its folder, which appears once everything is in it."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.errors import InvalidInput

NOTES, CHECKPOINTS = "training", "checkpoints"
SETTINGS = "settings.json"
CARD = "README.md"
METRICS = "metrics.json"


class OutputFolder:
    """A model's folder and, until it is complete, the one beside it that is worked in.

    What is worked in is named like the folder with `.partial` behind it. It stays after an
    interruption if there is a checkpoint to go on from, and is removed after one without.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self.folder = folder.expanduser().absolute()
        self.work = self.folder.with_name(f"{self.folder.name}.partial")
        self.notes = self.work / NOTES
        self.checkpoints = self.notes / CHECKPOINTS
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise InvalidInput(f"{folder} exists already, and is not empty: name another folder")
        if not self.folder.parent.is_dir():
            raise InvalidInput(f"{folder}: the folder {self.folder.parent} does not exist")
        if self.work.exists() and not resume:
            raise InvalidInput(
                f"{self.work} is of a training that was interrupted: go on with it by resume, "
                "or remove it"
            )

    @contextmanager
    def worked_in(self, settings: Mapping[str, Any]) -> Iterator[None]:
        """Make the folder, or check that it was made with the same settings."""
        try:
            self._begin(json.loads(json.dumps(settings)))
        except OSError as error:
            raise InvalidInput(f"{self.work} cannot be written ({error.strerror})") from error
        try:
            yield
        except BaseException:
            if self.last_checkpoint() is None:
                shutil.rmtree(self.work, ignore_errors=True)
            raise

    def _begin(self, settings: Mapping[str, Any]) -> None:
        file = self.notes / SETTINGS
        if file.is_file():
            former = json.loads(file.read_text("utf-8"))
            for name, value in settings.items():
                if former.get(name) != value:
                    raise InvalidInput(
                        f"{self.work} was begun with {name} {former.get(name)}, not {value}: "
                        "it can only be resumed as it was begun"
                    )
            return
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings, indent=2), "utf-8")

    def last_checkpoint(self) -> Path | None:
        """The newest one that is complete."""
        found = (
            path
            for path in self.checkpoints.glob("checkpoint-*")
            if (path / "trainer_state.json").is_file()
        )
        return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def complete(self, card: str, metrics: Mapping[str, Any]) -> None:
        """Put what was measured beside the model, and the folder where it belongs."""
        (self.work / CARD).write_text(card, "utf-8")
        (self.work / METRICS).write_text(json.dumps(metrics, indent=2), "utf-8")
        shutil.rmtree(self.notes)
        if self.folder.exists():
            self.folder.rmdir()
        self.work.rename(self.folder)
