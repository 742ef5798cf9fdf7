"""Libraries that read one kind of file: an extra of this package, and guests in this process."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import RLock
from typing import Any

from retrieval.errors import LoadError
from retrieval.loading.source_file import SourceFile

NOISY_LOGGERS = ("pypdfium2", "pptx", "openpyxl", "mammoth")

_turn = RLock()


def import_extra(file: SourceFile, module: str, package: str) -> Any:
    """Import what reads a file; raises LoadError that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        reason = f"needs the package {package}, which pip install 'retrieval[files]' brings"
        raise file.error(reason) from error


@contextmanager
def reading(file: SourceFile, kind: str) -> Iterator[None]:
    """Whatever a library raises on a broken file becomes a LoadError; it does not write meanwhile.

    Filters of warnings belong to the whole process, so one thread at a time is inside.
    """
    with _turn, warnings.catch_warnings(), _silent_loggers():
        warnings.simplefilter("ignore")
        try:
            yield
        except LoadError:
            raise
        except Exception as error:
            said = str(error).replace(": ", ", ") or type(error).__name__
            raise file.error(f"a broken {kind} ({said[:200]})") from error


@contextmanager
def _silent_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
