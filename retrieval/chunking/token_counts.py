"""Counts the tokens of any part of a text quickly, from no more than an embedder's count_tokens.

Trying where to cut asks for the size of ten parts a chunk, each as long as a chunk; having all of
them tokenised costs a good part of what embedding them does. But tokenizers cut at words first: the
tokens of a text are those of its words, which come again and again. So words are counted, and
remembered, and a part of a text is the difference of two sums. Whether an embedder's tokens add up
like that is tried on a few texts; where they do not, parts are counted as they are.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable

from retrieval.embedding import Embedder

# The tokens of the text from one offset to another.
Size = Callable[[int, int], int]

# Some tokenizers make one token of a word of any length, or none of spaces. No chunk may grow
# without end by that, so a token stands for at most this many characters.
CHARACTERS_PER_TOKEN = 16

# Words beyond this are not worth remembering, and so many words take some ten megabytes.
LONGEST_REMEMBERED = 24
MOST_REMEMBERED = 100_000

# A word with the blanks before it, which byte-level tokenizers make part of it. None is longer than
# 48 characters, of which accents, joiners and variants stay together with what they belong to.
# Every text is words from end to end.
_WORD = r"\s*[^\s{}]{{1,48}}(?![\u0300-\u036f\u200d\ufe0e\ufe0f])|\s*\S{{1,48}}|\s+"
_IDEOGRAPHS = r"\u3400-\u9fff"
WORDS = re.compile(_WORD.format(""))
# Where each ideograph is a word to the tokenizer, counting them one by one is the quickest.
IDEOGRAPHS_AND_WORDS = re.compile(rf"\s*[{_IDEOGRAPHS}]|{_WORD.format(_IDEOGRAPHS)}")

# Each pattern, and how many times its tokens the words of a text may have.
_PATTERNS = ((IDEOGRAPHS_AND_WORDS, 1.0), (WORDS, 1.2))
_PROBES = (
    "The quick brown fox, isn't it?  Over\n\nlazy dogs (and cats);\tit\u2019s 3.14\u00a0% of it.",
    "def f(x_1: int=0) -> None:\n    return [x_1] * 1_000  # https://example.org/a?b=c&d=%20\n",
    "ÜBER Straße, naïve café; Ζεύς και Ήρα, привет мир! 한국어 문장입니다. नमस्ते दुनिया।",
    "人人生而自由、在尊严和权利上一律平等。他们赋有理性和良心、并应以兄弟关系的精神相对待。",
    "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "👩\u200d👩\u200d👧 😀😀 antidisestablishmentarianism Donaudampfschifffahrtsgesellschaft A B c",
)


class TokenCounts:
    """What an embedder counts, remembered by word."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._known: dict[str, int] = {}
        self._words = self._find_words()

    def count(self, text: str) -> int:
        """Count a text; a short one only the first time."""
        known = self._known.get(text)
        if known is None:
            known = self.embedder.count_tokens(text)
            if len(text) <= LONGEST_REMEMBERED:
                if len(self._known) >= MOST_REMEMBERED:
                    self._known.clear()
                self._known[text] = known
        return known

    def sizes(self, text: str) -> Size:
        """Return a function that gives the size of any part of a text."""
        return self._exact(text) if self._words is None else self._added(text, self._words)

    def _find_words(self) -> re.Pattern[str] | None:
        """The first pattern by which no probe has more tokens than its words, if there is one."""
        totals = [self.embedder.count_tokens(probe) for probe in _PROBES]
        for pattern, most in _PATTERNS:
            sums = [sum(map(self.count, pattern.findall(probe))) for probe in _PROBES]
            pairs = list(zip(totals, sums, strict=True))
            if all(total <= added <= most * total for total, added in pairs):
                return pattern
        return None

    def _exact(self, text: str) -> Size:
        def size(start: int, end: int) -> int:
            tokens = self.count(text[start:end])
            return max(tokens, (end - start) // CHARACTERS_PER_TOKEN)

        return size

    def _added(self, text: str, pattern: re.Pattern[str]) -> Size:
        # arrays, since the objects of lists would take ten times the text
        starts, tokens = array("Q", [0]), array("Q", [0])
        total = 0
        for word in pattern.finditer(text):
            total += self.count(word[0])
            starts.append(word.end())
            tokens.append(total)

        def size(start: int, end: int) -> int:
            first, last = bisect_left(starts, start), bisect_right(starts, end) - 1
            if first > last:
                added = self.count(text[start:end])
            else:
                added = tokens[last] - tokens[first]
                if start < starts[first]:
                    added += self.count(text[start : starts[first]])
                if starts[last] < end:
                    added += self.count(text[starts[last] : end])
            return max(added, (end - start) // CHARACTERS_PER_TOKEN)

        return size


_last: TokenCounts | None = None


def token_counts(embedder: Embedder) -> TokenCounts:
    """Return the counts of an embedder; those of the last one are kept for the next document."""
    global _last
    counts = _last
    if counts is None or counts.embedder is not embedder:
        counts = _last = TokenCounts(embedder)
    return counts
