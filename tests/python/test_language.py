"""The language of a document: what it says itself, what is detected, and what stays open."""

import pytest

from retrieval.document import Document
from retrieval.loading.language import detect_language, with_language

GERMAN = "Rotieren Sie die Schlüssel jeden Monat und widerrufen Sie den alten Schlüssel."
ENGLISH = "Rotate the keys every month, and revoke the old key when nothing uses it."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GERMAN, "de"),
        (ENGLISH, "en"),
        ("Faites tourner les clés tous les mois et révoquez l'ancienne clé.", "fr"),
        ("Należy zmieniać klucze co miesiąc i unieważniać stary klucz.", "pl"),
        ("毎月鍵を交換し、古い鍵を失効させてください。", "ja"),
        ("请每个月更换密钥，并在旧密钥不再使用时将其撤销。", "zh"),  # noqa: RUF001
        ("매달 키를 교체하고 이전 키를 폐기하십시오.", "ko"),
        (f"{GERMAN} {GERMAN}\n\n".upper(), "de"),
        ("MIT License. " + "\n".join([GERMAN] * 100), "de"),
        ("", None),
        ("OK", None),
        ("Handbuch", None),
        ("https://example.org/a/b/c?d=e&f=g 12345 67890 127.0.0.1 #42", None),
        ("1, 2, 3\n" * 100, None),
        ("\ud800 \0", None),
    ],
)
def test_detected(text: str, language: str | None) -> None:
    assert detect_language(text) == language


def test_a_document_gets_its_language_and_text_configuration() -> None:
    document = with_language(Document("a", GERMAN, metadata={"year": 2026}))
    assert document == Document("a", GERMAN, None, None, {"year": 2026, "language": "de"}, "german")


@pytest.mark.parametrize(
    ("language", "text_config"), [("fr", "french"), ("FR-ca", "french"), ("ja", "simple")]
)
def test_what_it_says_itself_counts(language: str, text_config: str) -> None:
    document = with_language(Document("a", GERMAN, metadata={"language": language}))
    assert document.metadata == {"language": language[:2].lower()}
    assert document.text_config == text_config


@pytest.mark.parametrize(
    "document",
    [
        Document("a", GERMAN, text_config="simple"),
        Document("a", "Kurz", metadata={"year": 2026}),
        Document("a", GERMAN, metadata={"type": "code"}),
        Document("a", GERMAN, metadata=["not", "a", "mapping"]),  # type: ignore[arg-type]
    ],
    ids=["says its configuration", "short", "code", "bad metadata"],
)
def test_others_stay_as_they_are(document: Document) -> None:
    assert with_language(document) == document
