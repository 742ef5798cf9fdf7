"""Passages in the making: what repeats is left out, what overlaps is joined."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from retrieval.generation.passage import Found, Passage

# Shorter than this, texts are equal by chance: "In stock." says something else under each title.
LEAST_SHARED = 12

# Letters of scripts that put no blanks between words, where a word may end anywhere.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A passage that has no number yet; `words` is its content with single blanks."""

    passage: Passage
    words: str

    def holds(self, other: "Draft") -> bool:
        """Whether the other's content is in this one, as whole words."""
        if len(other.words) >= LEAST_SHARED:
            return _holds(self.words, other.words)
        return self.words == other.words and self._path == other._path

    def joined(self, following: "Draft") -> "Draft | None":
        """Return both as one where the end of this one is the beginning of the following."""
        first, second = self.passage, following.passage
        shared = _shared(first.content, second.content) if _are_adjacent(first, second) else 0
        if not shared:
            return None
        content = first.content + second.content[shared:]
        positions = tuple(sorted({*first.positions, *second.positions}))
        return draft_of(replace(first, content=content, positions=positions))

    @property
    def _path(self) -> tuple[str | None, str]:
        return self.passage.title, self.passage.context


def draft_of(passage: Passage) -> Draft:
    return Draft(passage, " ".join(passage.content.split()))


def draft_of_hit(hit: Found) -> Draft:
    passage = Passage(
        number=0,
        document_key=hit.document_key,
        title=hit.title,
        # below its first line is what a language model wrote, for the index alone
        context=(getattr(hit, "context", None) or "").partition("\n")[0],
        content=hit.content.strip("\n"),
        positions=_positions(hit),
    )
    return draft_of(passage)


def with_draft(drafts: Sequence[Draft], new: Draft) -> list[Draft] | None:
    """Return the drafts with one more, None where they hold it already.

    One that the new one holds, or can be joined with, gives it its place.
    """
    if any(draft.holds(new) for draft in drafts):
        return None
    kept: list[Draft] = []
    place: int | None = None
    for draft in drafts:
        union = new if new.holds(draft) else draft.joined(new) or new.joined(draft)
        if union is None:
            kept.append(draft)
        else:
            new, place = union, len(kept) if place is None else place
    kept.insert(len(kept) if place is None else place, new)
    return kept


def _positions(hit: Any) -> tuple[int, ...]:
    first = getattr(hit, "position", None)
    if first is None:
        first = getattr(hit, "first_position", None)
    if first is None:
        return ()
    last = getattr(hit, "last_position", None)
    return tuple(range(first, (first if last is None else last) + 1))


def _are_adjacent(first: Passage, second: Passage) -> bool:
    if first.document_key != second.document_key or first.is_cut or second.is_cut:
        return False
    if not first.positions or not second.positions:
        return False
    return first.positions[0] < second.positions[0] <= first.positions[-1] + 1


def _holds(text: str, part: str) -> bool:
    start = text.find(part)
    while start != -1:
        if _is_boundary(text, start) and _is_boundary(text, start + len(part)):
            return True
        start = text.find(part, start + 1)
    return False


def _shared(first: str, second: str) -> int:
    """Return how many characters are both the end of the first and the beginning of the second.

    They are whole words of some length, as chance repeats shorter ones and lines of dashes.
    """
    beginning = second[:LEAST_SHARED]
    start = first.find(beginning, max(0, len(first) - len(second)))
    while start != -1 and len(first) - start >= LEAST_SHARED:
        shared = first[start:]
        if (
            second.startswith(shared)
            and _is_boundary(first, start)
            and _is_boundary(second, len(shared))
            and any(character.isalnum() for character in shared)
        ):
            return len(shared)
        start = first.find(beginning, start + 1)
    return 0


def _is_boundary(text: str, index: int) -> bool:
    """Whether no word goes on from before the index to behind it."""
    if index in (0, len(text)):
        return True
    return not (_is_letter(text[index - 1]) and _is_letter(text[index]))


def _is_letter(character: str) -> bool:
    return character.isalnum() and not _UNSPACED.match(character)
