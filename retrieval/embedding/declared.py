"""What a loaded encoder says of itself: the part of a signature that every kind has."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from retrieval.embedding.tokens import (
    TokenCounter,
    content_tokens,
    special_tokens,
    tokenizer_sha256,
)

LIBRARY = "sentence-transformers"
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


def declared(encoder: Any, count_tokens: TokenCounter) -> dict[str, Any]:
    """Return the entries of a signature that can be read from an encoder's modules."""
    tokenizer = document_tokenizer(encoder)
    modules = document_modules(encoder)
    prompts = {
        "query": prompt_of(encoder, QUERY_PROMPTS),
        "document": prompt_of(encoder, DOCUMENT_PROMPTS),
    }
    reserved = special_tokens(tokenizer) + count_tokens(prompts["document"])
    return {
        "tokenizer_sha256": tokenizer_sha256(tokenizer),
        "max_tokens": content_tokens(_limit(modules[0]), reserved),
        "truncation_side": getattr(tokenizer, "truncation_side", None),
        "pooling": _pooling(modules),
        "prompts": prompts,
        "similarity": encoder.similarity_fn_name,
        "library": f"{LIBRARY} {version(LIBRARY).partition('.')[0]}",
    }


def document_tokenizer(encoder: Any) -> Any:
    """Return the tokenizer that documents go through."""
    return document_modules(encoder)[0].tokenizer


def document_modules(encoder: Any) -> list[Any]:
    """Return the modules that documents go through.

    A first module with routes sends documents and queries to different ones: a sparse model may
    look its queries up and compute only its documents.
    """
    first, *others = encoder
    routes = getattr(first, "sub_modules", None)
    if routes is None:
        return [first, *others]
    name = "document" if "document" in routes else first.default_route or next(iter(routes))
    return [*routes[name], *others]


def _limit(module: Any) -> int | None:
    """Return how many tokens of a document the model reads, None for all."""
    limit: int | None = getattr(module, "document_length", None)
    return limit or getattr(module, "max_seq_length", None)


def prompt_of(encoder: Any, names: Sequence[str]) -> str:
    """Return the text that encode_query or encode_document puts in front."""
    for name in (*names, encoder.default_prompt_name):
        if name is not None and name in encoder.prompts:
            return encoder.prompts[name] or ""
    return ""


def _pooling(modules: Sequence[Any]) -> str:
    """Name how token vectors become one, "mean" or "splade-max-relu"; "none" where they do not."""
    for module in modules:
        if mode := getattr(module, "pooling_mode", None):
            name = mode if isinstance(mode, str) else "+".join(mode)
            return name if getattr(module, "include_prompt", True) else f"{name} without prompt"
        if strategy := getattr(module, "pooling_strategy", None):
            return f"splade-{strategy}-{module.activation_function}"
    return "none"
