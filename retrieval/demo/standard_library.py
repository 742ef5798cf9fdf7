"""The public modules, classes, functions and methods of the running Python's standard library.

Each object comes once, named as its users name it: `asyncio.sleep`, not `asyncio.tasks.sleep`;
`threading.Lock`, not `_thread.allocate_lock`.
"""

import functools
import importlib
import pkgutil
import sys
from collections.abc import Container, Iterator, Mapping
from itertools import takewhile
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
)
from typing import NamedTuple

# fmt: off
LEFT_OUT = frozenset({
    # print, open a browser or a window, or touch the terminal
    "antigravity", "idlelib", "readline", "rlcompleter", "this", "tkinter", "turtle", "turtledemo",
    # Python's own tests, one module for each codec, and what newer Pythons no longer have
    "test", "encodings", "distutils", "imp", "lib2to3",
    # known to their users as os, os.path, re, xml.parsers.expat and the topics
    "nt", "posix", "genericpath", "ntpath", "nturl2path", "posixpath",
    "sre_compile", "sre_constants", "sre_parse", "pyexpat", "pydoc_data",
})
# fmt: on
TEST_PACKAGES = frozenset({"test", "tests"})
ROUTINES = (
    FunctionType,
    MethodType,
    BuiltinFunctionType,
    MethodDescriptorType,
    ClassMethodDescriptorType,
    type(functools.cache(len)),
)

Modules = Mapping[str, ModuleType]


class Export(NamedTuple):
    """A class or function under one of its public names."""

    module: str
    name: str
    value: object

    @property
    def dotted_name(self) -> str:
        return self.name if self.module == "builtins" else f"{self.module}.{self.name}"

    @property
    def home(self) -> str:
        """The module that says it defines the object, which may be private."""
        return getattr(self.value, "__module__", None) or self.module

    @property
    def clumsiness(self) -> tuple[bool, bool, bool, int, str]:
        """Compare the names of one object; its users know it by the least clumsy one."""
        return (
            self.module != "builtins",
            _top_level(self.home).lstrip("_") != _top_level(self.module),
            getattr(self.value, "__name__", None) != self.name,
            self.module.count("."),
            self.dotted_name,
        )


def import_modules() -> dict[str, ModuleType]:
    """Import the public modules, in order of their names; a platform may lack some."""
    pending = sorted(sys.stdlib_module_names - LEFT_OUT, reverse=True)
    modules = {}
    while pending:
        name = pending.pop()
        if name.rpartition(".")[2].startswith("_"):
            continue
        try:
            modules[name] = importlib.import_module(name)
        except ImportError:
            continue
        pending += sorted(_submodules(name, modules[name]), reverse=True)
    return modules


def _submodules(name: str, module: ModuleType) -> Iterator[str]:
    if name == "os":
        yield "os.path"
    for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
        if found.name not in TEST_PACKAGES:
            yield f"{name}.{found.name}"


def exports(modules: Modules) -> list[Export]:
    """Find each public class and function once, in order of its name."""
    best: dict[int, Export] = {}
    for name in modules:
        for export in _public_names(name, modules):
            known = best.setdefault(id(export.value), export)
            best[id(export.value)] = min(known, export, key=lambda each: each.clumsiness)
    return sorted(best.values(), key=lambda export: export.dotted_name)


def _public_names(module_name: str, modules: Modules) -> Iterator[Export]:
    module = modules[module_name]
    for name in sorted(getattr(module, "__all__", None) or vars(module)):
        if name.startswith("_") or f"{module_name}.{name}" in modules:
            continue
        export = Export(module_name, name, getattr(module, name, None))
        if isinstance(export.value, (type, *ROUTINES)) and _belongs(export, modules):
            yield export


def _belongs(export: Export, modules: Modules) -> bool:
    """Tell a module's own names from those it merely imported or that others patched into it."""
    if _top_level(export.home) not in sys.stdlib_module_names:
        return False
    declared = export.module == "builtins" or hasattr(modules[export.module], "__all__")
    return declared or export.home == export.module or export.home not in modules


def _top_level(module_name: str) -> str:
    return module_name.partition(".")[0]


def methods(owner: type, public: Container[type]) -> Iterator[tuple[str, object]]:
    """Yield the public methods of a class, with those of its bases that have no public name."""
    own = [owner, *takewhile(lambda base: base not in public, owner.__mro__[1:])]
    members = {name: member for base in reversed(own) for name, member in vars(base).items()}
    for name, member in sorted(members.items()):
        method = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if isinstance(method, ROUTINES) and not name.startswith("_"):
            inherited = (getattr(base, name, None) for base in owner.__mro__[len(own) :])
            if all(method.__doc__ != getattr(other, "__doc__", None) for other in inherited):
                yield name, method
