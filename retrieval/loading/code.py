"""Source code."""

from collections.abc import Iterable

from retrieval.document import Document
from retrieval.loading.encoding import decode
from retrieval.loading.source_file import SourceFile

PROGRAMMING_LANGUAGES = {
    f".{suffix}": language
    for language, suffixes in {
        "bash": "sh bash zsh",
        "c": "c h",
        "clojure": "clj cljs",
        "cpp": "cc cpp cxx hh hpp hxx",
        "csharp": "cs",
        "css": "css scss",
        "dart": "dart",
        "elixir": "ex exs",
        "erlang": "erl",
        "fortran": "f90 f95",
        "fsharp": "fs",
        "go": "go",
        "groovy": "groovy gradle",
        "haskell": "hs",
        "java": "java",
        "javascript": "js jsx mjs cjs",
        "julia": "jl",
        "kotlin": "kt kts",
        "lua": "lua",
        "ocaml": "ml mli",
        "perl": "pl pm",
        "php": "php",
        "powershell": "ps1",
        "python": "py pyi",
        "r": "r",
        "ruby": "rb",
        "rust": "rs",
        "scala": "scala",
        "sql": "sql",
        "svelte": "svelte",
        "swift": "swift",
        "toml": "toml",
        "tsx": "tsx",
        "typescript": "ts mts cts",
        "vue": "vue",
        "yaml": "yaml yml",
        "zig": "zig",
    }.items()
    for suffix in suffixes.split()
}


def load_code(file: SourceFile) -> Iterable[Document]:
    """Source code as it is: what looks like mojibake in it may be meant."""
    language = PROGRAMMING_LANGUAGES[file.path.suffix.lower()]
    return [file.document(decode(file), programming_language=language)]
