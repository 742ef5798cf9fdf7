"""The language of a text, and PostgreSQL's text-search configuration for it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from retrieval.document import Document

# Configurations of PostgreSQL 15 and newer, by ISO 639-1.
TEXT_CONFIGS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
# For a language that has none, and for those that are not written in words.
WITHOUT_STEMMING = "simple"

# Measured on XQuAD's passages, cut to 30 characters and more: what is at least this sure was right.
LEAST_CONFIDENCE = 0.9
LEAST_BYTES = 30
SAMPLE = 1_000

_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Language:
    """A language as a document has it: metadata, and a text-search configuration if it is known."""

    metadata: dict[str, Any]
    text_config: str | None = None


def declared_language(*declared: Any) -> Language:
    """The language that a document names, such as `de` or `pt-BR`; the last that is given counts.

    What is no language code stays in the metadata, and says nothing to the text search.
    """
    given = [each for each in declared if isinstance(each, str) and each.strip()]
    if not given:
        return Language({})
    code = given[-1].strip().replace("_", "-").partition("-")[0].lower()
    if len(code) != 2 or not (code.isascii() and code.isalpha()):
        return Language({"language": given[-1].strip()})
    return Language({"language": code}, TEXT_CONFIGS.get(code, WITHOUT_STEMMING))


def with_language(document: Document) -> Document:
    """The document with its language and text-search configuration, where it does not say them.

    Source code, and what is too short to tell, stays as it is.
    """
    metadata = document.metadata
    if document.text_config is not None or not isinstance(metadata, dict):
        return document
    if metadata.get("language") is not None:
        language = declared_language(metadata["language"])
    elif metadata.get("type") == "code" or (code := detect_language(document.content)) is None:
        return document
    else:
        language = declared_language(code)
    return replace(
        document, metadata={**metadata, **language.metadata}, text_config=language.text_config
    )


def detect_language(text: str) -> str | None:
    """The ISO 639-1 code of a text's language, or None where that is not sure."""
    sample = _sample(text)
    letters = "".join(each for each in sample if each.isalpha())
    if len(letters.encode("utf-8", "replace")) < LEAST_BYTES:
        return None
    code, confidence = _classifier()(sample)
    return code if confidence >= LEAST_CONFIDENCE else None


def likelihood(text: str) -> float:
    """How much a text looks like one of the languages, from 0 to 1."""
    return _classifier()(text[:SAMPLE])[1]


def _sample(text: str) -> str:
    """Pieces from the beginning, the middle and the end: a licence may stand before a text."""
    if len(text) <= 3 * SAMPLE:
        return text
    middle = len(text) // 2
    return "\n".join((text[:SAMPLE], text[middle : middle + SAMPLE], text[-SAMPLE:]))


def _classifier() -> Callable[[str], tuple[str, float]]:
    with _loading:
        return _load_classifier()


@cache
def _load_classifier() -> Callable[[str], tuple[str, float]]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([code for code in identifier.labels if len(code) == 2])
    classify: Callable[[str], tuple[str, float]] = identifier.classify
    return classify
