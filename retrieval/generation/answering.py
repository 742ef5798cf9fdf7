"""Answers questions from what a search found, with citations that are checked to exist."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from retrieval.errors import InvalidInput
from retrieval.generation.chat import ChatModel, Completion, chat_model
from retrieval.generation.citations import check_citations
from retrieval.generation.context import Context, build_context
from retrieval.generation.passage import Found, Passage
from retrieval.generation.prompt import prompt
from retrieval.generation.template import Template
from retrieval.generation.tokens import TokenCounter

DEFAULT_MAX_TOKENS = 4000
NOTHING_FOUND = "Nothing was found that could answer the question."


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered from a context.

    `citations` are the passages that `text` cites, in order of their first mention. Numbers that no
    passage has are not in `text` but in `unknown_citations`. `is_complete` is False where the
    model was stopped, by a limit of tokens or a filter.
    """

    text: str
    citations: tuple[Passage, ...]
    unknown_citations: tuple[int, ...]
    context: Context
    is_complete: bool = True


def answer(
    question: str,
    hits: Iterable[Found],
    chat: ChatModel | str | None = None,
    *,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    template: str | None = None,
    count_tokens: TokenCounter | None = None,
) -> Answer:
    """Let a language model answer a question from hits, best first, and cite them.

    `chat` is a model, its name, or None for that of the settings. `max_tokens` bounds the passages;
    the instructions, some 160 tokens, the question and the answer come on top. Tokens are counted
    by the vocabulary of the model where it is on this machine, else estimated. A `template` must
    have the field number.

    Without hits no model is asked: the text is NOTHING_FOUND, and the context has no passages.

    That a citation exists does not mean that the passage says so. The passages stand between
    marks that none of them can contain, and the model is told that they are data; one that is
    written to mislead it may succeed all the same, so let no answer decide over anything.
    """
    model = chat_model(chat)
    context = _context(question, hits, max_tokens, template, count_tokens or model.count_tokens)
    if not context.passages:
        return Answer(NOTHING_FOUND, (), (), context)
    return _answer(model.complete(prompt(question, context.text)), context)


async def answer_async(
    question: str,
    hits: Iterable[Found],
    chat: ChatModel | str | None = None,
    *,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    template: str | None = None,
    count_tokens: TokenCounter | None = None,
) -> Answer:
    """The same as `answer`, awaited."""
    model = chat_model(chat)
    count = count_tokens or model.count_tokens
    # to load a vocabulary takes a while
    context = await asyncio.to_thread(_context, question, hits, max_tokens, template, count)
    if not context.passages:
        return Answer(NOTHING_FOUND, (), (), context)
    return _answer(await model.complete_async(prompt(question, context.text)), context)


def _context(
    question: str,
    hits: Iterable[Found],
    max_tokens: int,
    template: str | None,
    count_tokens: TokenCounter,
) -> Context:
    if not question.strip():
        raise InvalidInput("question is empty")
    if template is not None and "number" not in Template(template).fields:
        raise InvalidInput("template has no field 'number', so that nothing could be cited")
    found = list(hits)
    context = build_context(found, max_tokens, template, count_tokens=count_tokens)
    if found and not context.passages:
        raise InvalidInput(f"max_tokens must leave room for a passage, which {max_tokens} does not")
    return context


def _answer(completion: Completion, context: Context) -> Answer:
    cited = check_citations(completion.text, len(context.passages))
    citations = tuple(context.passages[number - 1] for number in cited.numbers)
    return Answer(cited.text, citations, cited.unknown, context, completion.is_complete)
