"""Writes the report of an evaluation into a file, in the format that its name ends with."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from retrieval.errors import InvalidInput
from retrieval.evaluation.report_html import html_report
from retrieval.evaluation.report_markdown import markdown_report
from retrieval.evaluation.results import Evaluation


def json_report(evaluation: Evaluation) -> str:
    """Everything that the evaluation found."""
    return json.dumps(asdict(evaluation), ensure_ascii=False, indent=2, default=str) + "\n"


FORMATS: dict[str, Callable[[Evaluation], str]] = {
    ".md": markdown_report,
    ".html": html_report,
    ".json": json_report,
}


def check_report(path: Path) -> None:
    """InvalidInput for a path that no report could be written to, before anything is measured."""
    if path.suffix.lower() not in FORMATS:
        raise InvalidInput(f"report {path}: its name must end with {', '.join(FORMATS)}")
    if path.is_dir():
        raise InvalidInput(f"report {path} is a folder")
    if not path.parent.is_dir():
        raise InvalidInput(f"report {path}: the folder {path.parent} does not exist")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InvalidInput(f"report {path} cannot be written")


def write_report(evaluation: Evaluation, path: Path) -> None:
    """Write it; a file that is there is replaced."""
    check_report(path)
    text = FORMATS[path.suffix.lower()](evaluation)
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InvalidInput(f"report {path} cannot be written ({error.strerror})") from error
