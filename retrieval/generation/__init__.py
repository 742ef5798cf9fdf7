"""Generation: contexts for language models, and answers that cite them."""

from retrieval.generation.answering import (
    DEFAULT_MAX_TOKENS,
    NOTHING_FOUND,
    Answer,
    answer,
    answer_async,
)
from retrieval.generation.chat import ChatModel, Completion, chat_model
from retrieval.generation.context import Context, build_context
from retrieval.generation.passage import Found, Passage

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "NOTHING_FOUND",
    "Answer",
    "ChatModel",
    "Completion",
    "Context",
    "Found",
    "Passage",
    "answer",
    "answer_async",
    "build_context",
    "chat_model",
]
