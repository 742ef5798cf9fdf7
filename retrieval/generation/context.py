"""Assembles what a search found for a language model: numbered passages within a budget."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from retrieval.errors import InvalidInput
from retrieval.generation.cutting import cut_to_fit
from retrieval.generation.drafts import Draft, draft_of, draft_of_hit, with_draft
from retrieval.generation.passage import Found, Passage
from retrieval.generation.template import DEFAULT_TEMPLATE, Template
from retrieval.generation.tokens import TokenCounter, cautious_tokens

Size = Callable[[Sequence[Draft]], int]


@dataclass(frozen=True, slots=True)
class Context:
    """The text for a language model, the passages in it by number, and its tokens."""

    text: str
    passages: tuple[Passage, ...]
    tokens: int

    @property
    def is_cut(self) -> bool:
        """Whether a passage is only the beginning of what was found."""
        return any(passage.is_cut for passage in self.passages)


def build_context(
    hits: Iterable[Found],
    max_tokens: int,
    template: str | None = None,
    *,
    count_tokens: TokenCounter | None = None,
) -> Context:
    """Assemble hits, best first, into numbered passages with their sources.

    The whole text has at most `max_tokens` by `count_tokens`, headings and separators included.
    A passage that does not fit whole is left out, and smaller ones behind it may still fit. Only if
    there would be nothing before it, it is cut where a sentence or a word ends. What does not even
    leave room for that gives an empty text.

    Content that another passage holds, white space aside, is used once. Adjacent chunks of a
    document become one passage where the end of one is the beginning of the next.

    `template` is a format string for one passage, whose fields are number, heading (title, path of
    headings and key), title (else the key), document_key, context and content.

    Without `count_tokens` the tokens are estimated, rather too many: which vocabulary counts is a
    matter of the language model, and most are not on this machine.
    """
    if max_tokens < 1:
        raise InvalidInput(f"max_tokens must be at least 1, not {max_tokens}")
    layout = Template(DEFAULT_TEMPLATE if template is None else template)
    count = count_tokens or cautious_tokens

    def size(drafts: Sequence[Draft]) -> int:
        return count(layout.write(_numbered(drafts)))

    passages = _numbered(_chosen(hits, max_tokens, size))
    text = layout.write(passages)
    return Context(text, passages, count(text) if text else 0)


def _chosen(hits: Iterable[Found], max_tokens: int, size: Size) -> list[Draft]:
    """Return the drafts that fit, of which `size` tells how many tokens they have together."""
    drafts: list[Draft] = []
    tokens = 0
    for hit in hits:
        more = with_draft(drafts, draft_of_hit(hit))
        if more is None:
            continue
        is_added = len(more) > len(drafts) > 0
        if is_added and tokens + size(more[-1:]) > max_tokens:
            continue  # told by its own tokens, as to count all again takes long
        if (total := size(more)) <= max_tokens:
            drafts, tokens = more, total
        elif not drafts:
            drafts = _cut(more[0].passage, max_tokens, size)
            tokens = size(drafts)
    return drafts


def _cut(passage: Passage, max_tokens: int, size: Size) -> list[Draft]:
    """Return the beginning of a passage that fits, as the only one, or nothing."""

    def beginning(content: str) -> list[Draft]:
        return [draft_of(replace(passage, content=content, is_cut=True))]

    content = cut_to_fit(passage.content, lambda part: size(beginning(part)) <= max_tokens)
    return [] if content is None else beginning(content)


def _numbered(drafts: Sequence[Draft]) -> tuple[Passage, ...]:
    return tuple(replace(draft.passage, number=number) for number, draft in enumerate(drafts, 1))
