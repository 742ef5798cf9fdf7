"""The grammars of programming languages, each of which is a package."""

from functools import lru_cache
from importlib import import_module
from typing import Any

from retrieval.errors import ConfigurationError

# By language: the module, and its function that returns the grammar.
_GRAMMARS = {
    "bash": ("tree_sitter_bash", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "kotlin": ("tree_sitter_kotlin", "language"),
    "lua": ("tree_sitter_lua", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "python": ("tree_sitter_python", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "scala": ("tree_sitter_scala", "language"),
    "swift": ("tree_sitter_swift", "language"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
}
INSTALL = "pip install 'retrieval[code]'"


@lru_cache
def grammar(language: str | None) -> Any:
    """Return what tree-sitter knows of a language, None of one that is not among these.

    ConfigurationError where the package is not installed.
    """
    if language not in _GRAMMARS:
        return None
    module, function = _GRAMMARS[language]
    try:
        return getattr(import_module(module), function)()
    except ImportError as error:
        package = module.replace("_", "-")
        reason = f"cutting {language} needs {package}; install it with: {INSTALL}"
        raise ConfigurationError(reason) from error
