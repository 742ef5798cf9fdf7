"""What a command of `retrieval …` left; the fixtures `cli` and `command` run one."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SECRET = "s3cr3t-of-mine"


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of a failure."""
        (line,) = self.err.splitlines()
        assert self.code == 1 and self.out == "" and line.startswith("error: ")
        return line.removeprefix("error: ")

    @property
    def json(self) -> Any:
        """The output of a command that was asked for JSON."""
        return json.loads(self.out)


Run = Callable[..., Result]
