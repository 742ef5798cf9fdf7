"""Keeps the libraries that load models from writing to the terminal."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock

NOISY_LOGGERS = ("sentence_transformers", "transformers", "huggingface_hub")

_turn = RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Hide their warnings, load reports and progress bars; errors still raise.

    Changes state of the whole process, so one thread at a time is inside; others wait.
    """
    with _turn, ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in NOISY_LOGGERS:
            stack.enter_context(_only_errors(logging.getLogger(name)))
        stack.enter_context(_no_progress_bars())
        yield


@contextmanager
def _only_errors(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Those of transformers and, with them, those of the hub's client."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging as bars

    enabled, hub_disabled = bars.is_progress_bar_enabled(), are_progress_bars_disabled()
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if enabled:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call]
        if hub_disabled:
            disable_progress_bars()
