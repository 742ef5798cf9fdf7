"""The demo's documents: Python's own documentation, which every machine with Python has.

They are the language reference (`pydoc_data.topics`) and the docstrings of the standard library,
about five thousand texts, from one line to a long chapter.
"""

import contextlib
import inspect
import io
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType

from retrieval.demo.signature import signature
from retrieval.demo.standard_library import Export, exports, import_modules, methods
from retrieval.document import Document

SHORTEST = 20
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
OVERSTRIKE = re.compile(r".\x08")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
UNDERLINE = re.compile(r'^([*=\-"^~])\1{2,}$', re.MULTILINE)


def python_documentation() -> list[Document]:
    """Return the documentation of the running Python: the same documents in the same order.

    This imports the standard library, and lets it neither print nor warn.
    """
    with _silence():
        modules = import_modules()
        found = exports(modules)
        documents = [*_topics(), *_modules(modules), *_exports(found), *_methods(found)]
    return list(_worthwhile(documents))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def _topics() -> Iterator[Document]:
    from pydoc_data.topics import topics

    texts = {name: _plain(UNDERLINE.sub(_dashes, text)) for name, text in topics.items()}
    for name, text in sorted(texts.items(), key=_own_name_first):
        title = text.partition("\n")[0]
        content = _without_others(text, texts.values())
        yield _document("topic", "pydoc_data.topics", name, title, content)


def _dashes(underline: re.Match[str]) -> str:
    return "-" * len(underline[0])


def _own_name_first(topic: tuple[str, str]) -> tuple[bool, str]:
    """Put `if` before `else`, which has the same text, "The "if" statement …"."""
    name, text = topic
    return f'"{name}"' not in text.partition("\n")[0], name


def _without_others(text: str, others: Iterable[str]) -> str:
    """Cut out of a chapter those of its sections that are topics of their own."""
    for other in sorted(others, key=len, reverse=True):
        if len(other) < len(text):
            text = text.replace(other, "")
    return text.strip()


def _modules(modules: dict[str, ModuleType]) -> Iterator[Document]:
    for name, module in modules.items():
        yield _document("module", name, name, name, module.__doc__)


def _exports(found: list[Export]) -> Iterator[Document]:
    for export in found:
        kind = "class" if isinstance(export.value, type) else "function"
        title = export.dotted_name + signature(export.value)
        text = _own_docstring(export.value)
        yield _document(kind, export.module, export.dotted_name, title, text)


def _methods(found: list[Export]) -> Iterator[Document]:
    classes = {export.value: export for export in found if isinstance(export.value, type)}
    for owner, export in sorted(classes.items(), key=_base_first):
        for method_name, method in methods(owner, classes):
            name = f"{export.dotted_name}.{method_name}"
            title = name + signature(method)
            yield _document("method", export.module, name, title, method.__doc__)


def _base_first(item: tuple[type, Export]) -> tuple[int, int, str]:
    """Give a text that several classes share to the most general one: `str` before `bytearray`."""
    owner, export = item
    return len(owner.__mro__), len(export.dotted_name), export.dotted_name


def _own_docstring(value: object) -> object:
    """Return the docstring, for a class without one that of its `__init__`.

    A class may also have its parent's, or one that only repeats the call: `Point(x, y)`.
    """
    text = value.__doc__
    if not isinstance(value, type):
        return text
    repeats = isinstance(text, str) and re.fullmatch(rf"{value.__name__}\(.*\)", text)
    if text and not repeats and all(text != base.__doc__ for base in value.__mro__[1:]):
        return text
    initialise = vars(value).get("__init__")
    return initialise.__doc__ if isinstance(initialise, FunctionType) else None


def _document(kind: str, module: str, name: str, title: str, text: object) -> Document:
    return Document(
        key=f"topic:{name}" if kind == "topic" else name,
        title=title,
        content=_plain(inspect.cleandoc(text)) if isinstance(text, str) else "",
        source=f"pydoc:{name}",
        metadata={"module": module, "kind": kind, "name": name, "python": PYTHON},
    )


def _plain(text: str) -> str:
    return CONTROL.sub("", OVERSTRIKE.sub("", text)).strip()


def _worthwhile(documents: Iterable[Document]) -> Iterator[Document]:
    """Drop what says too little, and what repeats an earlier name or text."""
    keys: set[str] = set()
    contents: set[str] = set()
    for document in documents:
        new = document.key not in keys and document.content not in contents
        if new and len(document.content) >= SHORTEST:
            keys.add(document.key)
            contents.add(document.content)
            yield document
