# ruff: noqa: RUF001
"""Encodings, mojibake, front matter and source code."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest
from ftfy import fix_text
from hypothesis import given
from hypothesis import strategies as st

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading import load_documents, load_file
from retrieval.loading.front_matter import split_front_matter
from retrieval.loading.mojibake import _TAKEN_FOR, _encodings_only, repair

CHINESE = "中华人民共和国是一个统一的多民族国家。检索系统可以找到文件中的词语。\n"
JAPANESE = "日本語の文章です。検索システムは文書の中の言葉を見つけます。\n"
GERMAN = "Die Straße in München ist schön – „größer“ als früher.\n"
FRENCH = "L'été était très chaud à Orléans, où le prix est de 5 €.\n"


def load(folder: Path, name: str, data: str | bytes) -> Document:
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return load_file(folder / name)


def refused(folder: Path, name: str, data: bytes) -> str:
    with pytest.raises(LoadError) as raised:
        load(folder, name, data)
    assert raised.value.source == str(folder / name)
    return raised.value.reason


# Encodings


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        ("這是繁體中文的文章，搜尋系統可以找到文件中的詞語。\n", "big5"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        ("한국어 문장입니다. 검색 시스템은 문서에서 단어를 찾습니다.\n", "euc_kr"),
        (GERMAN, "windows-1252"),
        (FRENCH, "windows-1252"),
        ("Smörgåsbord på svenska är gott, säger Åke.\n", "windows-1252"),
        ("naïve résumé\n", "windows-1252"),
        ("café", "windows-1252"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.\n", "windows-1250"),
        ("Bu Türkçe bir metindir, şehir ve ağaç üzerine.\n", "windows-1254"),
        ("Это русский текст, поисковая система находит слова.\n", "windows-1251"),
        ("Это русский текст, поисковая система находит слова.\n", "koi8-r"),
        ("Αυτό είναι ένα ελληνικό κείμενο για αναζήτηση.\n", "windows-1253"),
        ("نص عربي طويل للبحث في المستندات.\n", "windows-1256"),
    ],
    ids=lambda value: value if value.isascii() else "",
)
@pytest.mark.parametrize("times", [1, 50])
def test_old_encodings(tmp_path: Path, text: str, encoding: str, times: int) -> None:
    if text.endswith("\n") or times == 1:
        assert load(tmp_path, "a.txt", (text * times).encode(encoding)).content == text * times


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, GERMAN, "Hello\n", "a\tb\r\n"], ids=ascii)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_with_and_without_mark(tmp_path: Path, text: str, encoding: str) -> None:
    expected = text.replace("\r\n", "\n")
    assert load(tmp_path, "a.md", text.encode(encoding)).content == expected
    assert load(tmp_path, "a.md", f"\ufeff{text}".encode(encoding)).content == expected


def test_a_single_sign_far_below(tmp_path: Path) -> None:
    text = "plain words in a row\n" * 20_000 + "café\n" + "plain words in a row\n" * 20_000
    assert load(tmp_path, "a.txt", text.encode("windows-1252")).content == text


@pytest.mark.parametrize("text", [CHINESE * 5, GERMAN * 10], ids=ascii)
def test_damaged_utf8_stays_utf8(tmp_path: Path, text: str) -> None:
    data = text.encode()
    assert load(tmp_path, "a.txt", data + b"\xe4\xb8").content == text + "\ufffd"
    assert load(tmp_path, "a.txt", b"\xff " + data).content == "\ufffd " + text


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\x1f\x8b\x08\x08\x99\x11\x02",
        b"\x89PNG\0\xff",
        bytes(range(128, 256)) * 40,
    ],
    ids=["png", "gzip", "short", "noise"],
)
def test_something_else_called_txt(tmp_path: Path, data: bytes) -> None:
    assert refused(tmp_path, "a.txt", data).startswith("not text")


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_an_error(tmp_path_factory: Any, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.txt"
    file.write_bytes(data)
    (outcome,) = load_documents([file])
    if isinstance(outcome, Document):
        assert "\0" not in outcome.content
        outcome.content.encode()
    else:
        assert "\n" not in str(outcome)


# Mojibake


@pytest.mark.parametrize("text", ["schön – „so“\n", "l'humanité à venir\n", "Löwe → 日本 → Löwe\n"])
def test_mojibake_is_repaired(tmp_path: Path, text: str) -> None:
    damaged = "".join(
        each if each > "\u2100" else each.encode().decode("windows-1252", "ignore") for each in text
    )
    assert damaged != text
    assert load(tmp_path, "a.md", f"# Fine „lines“\n\n{damaged}").content.endswith(f"\n{text}")


@pytest.mark.parametrize("text", ["schön größer", "à venir où", "“so” — …", "русский", "文章"])
@pytest.mark.parametrize("encoding", _TAKEN_FOR)
def test_nothing_that_can_be_repaired_is_missed(text: str, encoding: str) -> None:
    damaged = text.encode().decode(encoding)
    assert repair(damaged) == fix_text(damaged, _encodings_only())


@pytest.mark.parametrize(
    "text",
    [
        "“curly” ‘quotes’, ﬁne ligatures, ＦＵＬＬ　ｗｉｄｔｈ, ½ × ™ ©",
        "AHÅ™, the new sofa from IKEA®",
        "ÂNGULO, Ã é uma letra, PÃO",
        "&amp; &eacute; \x1b[31m \u2028",
        "Ünïcödé ŝtŕïñĝš",
        CHINESE,
    ],
)
def test_what_was_meant_stays(text: str) -> None:
    assert repair(text) == text


# Front matter

FRONT_MATTER = """\
---
title: Keys & secrets
date: 2026-03-01
reviewed: 2026-03-01 10:30:00
tags: [security, keys]
owner: {team: platform, since: 2020}
lang: de-AT
draft: false
weight: 1.5
type: post
---

# Ein Titel

Text.
"""


@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_front_matter_is_metadata(tmp_path: Path, name: str) -> None:
    document = load(tmp_path, name, FRONT_MATTER)
    assert document.title == "Keys & secrets"
    assert document.content == "# Ein Titel\n\nText.\n"
    assert document.text_config == "german"
    metadata = {**document.metadata}
    assert metadata.pop("type") == ("markdown" if name == "a.md" else "text")
    assert metadata.keys() >= {"path", "modified"}
    del metadata["path"], metadata["modified"]
    assert metadata == {
        "date": "2026-03-01",
        "reviewed": "2026-03-01T10:30:00",
        "tags": ["security", "keys"],
        "owner": {"team": "platform", "since": 2020},
        "language": "de",
        "draft": False,
        "weight": 1.5,
    }


@pytest.mark.parametrize(
    ("language", "metadata", "text_config"),
    [
        ("en", "en", "english"),
        ("pt_BR", "pt", "portuguese"),
        ("ja", "ja", "simple"),
        ("pl", "pl", "simple"),
        ("Klingon", "Klingon", None),
    ],
)
def test_the_language_of_front_matter(
    tmp_path: Path, language: str, metadata: str, text_config: str | None
) -> None:
    document = load(tmp_path, "a.md", f"---\nlanguage: {language}\n---\ntext")
    assert (document.metadata["language"], document.text_config) == (metadata, text_config)


@pytest.mark.parametrize(
    "text",
    [
        "---\n\n# A thematic break\n\n---\n",
        "---\ntitle: [unclosed\n---\ntext",
        "---\ntitle: {{ template }}: no\n---\ntext",
        "---\na: never closed\n",
        "---\na: &a [*a]\n---\ntext",
        "---\na: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
            for a, b in ["ab", "bc", "cd", "de", "ef", "fg", "gh"]
        )
        + "---\ntext",
        f"---\na: {'[' * 5000}\n---\ntext",
        "---\nx: !!python/object/apply:os.system ['false']\n---\n",
    ],
    ids=["rule", "unclosed", "template", "open", "itself", "laughs", "deep", "python"],
)
def test_what_is_no_front_matter_stays_text(tmp_path: Path, text: str) -> None:
    document = load(tmp_path, "a.md", text)
    assert document.content == text
    assert document.metadata.keys() == {"path", "type", "modified"}


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        (".nan", "nan"),
        ('"a\\0b"', "ab"),
        ("!!set {a, b}", ["a", "b"]),
        ("{2: x, true: y, 2026-01-01: z}", {"2": "x", "True": "y", "2026-01-01": "z"}),
        ("!!binary aGk=", "b'hi'"),
        ("12:30:00", 45000),
        ("~", None),
    ],
)
def test_values_are_json(yaml: str, value: Any) -> None:
    metadata, _ = split_front_matter(f"---\nx: {yaml}\n---\n")
    assert metadata == {"x": value}
    json.dumps(metadata, allow_nan=False)


# Source code


def test_source_code(tmp_path: Path) -> None:
    code = '"""What looks like mojibake: schÃ¶n."""\n\n\ndef f():\n\treturn 1\n'
    document = load(tmp_path, "f.PY", codecs.BOM_UTF8 + code.encode())
    assert (document.content, document.title) == (code, "f.PY")
    assert document.metadata["type"] == "code"
    assert document.metadata["programming_language"] == "python"
