"""Finds out how a text is encoded, and decodes it."""

import codecs
import io
import re
import unicodedata
from dataclasses import dataclass
from typing import BinaryIO

from charset_normalizer import from_bytes

from retrieval.loading.language import likelihood
from retrieval.loading.source_file import SourceFile

BLOCK = 64 * 1024
SAMPLE = 256 * 1024
# A text is UTF-8 with some damage where this many of its other characters are sound.
SOUND_PER_BROKEN = 10

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# of Latin letters: the same bytes are letters in each
LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")
OTHERS = (
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r"),
    *("cp1253", "cp1255", "cp1256", "cp874"),
)

# those of Chinese, Japanese and Korean; two letters of ASCII read as one ideograph are rarely there
USUAL_IDEOGRAPHS = ("gb2312", "big5", "shift_jis", "euc_kr")
EVERYDAY = 0.95
LEAST_IDEOGRAPHS = 16

NUL_BYTES = "not text (it contains NUL bytes)"
UNKNOWN = "not text (neither UTF-8 nor another encoding that is known)"

# what no encoding of text uses; escape begins sequences of ISO 2022 and of terminals
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_HIGH = re.compile(rb"[\x80-\xff]")


class NotText(Exception):
    """Bytes that are no text; the message says why."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to decode a text."""

    name: str
    errors: str = "strict"


def decode(file: SourceFile) -> str:
    """The text of a file that is within the limit."""
    return decode_bytes(file, file.read())


def decode_bytes(file: SourceFile, data: bytes, declared: str | None = None) -> str:
    """The text of bytes from a file; `declared` is how they are encoded if they are not UTF-8."""
    try:
        text = _decode(data, declared)
    except NotText as error:
        raise file.error(str(error)) from error
    if "\0" in text:
        raise file.error(NUL_BYTES)
    return text


def open_text(file: SourceFile, newline: str) -> io.TextIOWrapper:
    """Open a file of any size as text; a first pass over its bytes finds the encoding."""
    with file.open() as opened:
        try:
            encoding = find_encoding(opened)
        except NotText as error:
            raise file.error(str(error)) from error
    return io.TextIOWrapper(
        file.open(), encoding=encoding.name, errors=encoding.errors, newline=newline
    )


def find_encoding(opened: BinaryIO) -> Encoding:
    """Return the encoding of a file from its beginning; raises NotText."""
    block = opened.read(BLOCK)
    for mark, name in BYTE_ORDER_MARKS.items():
        if block.startswith(mark):
            return Encoding(name, "replace")
    if b"\0" in block:
        return _utf16_without_mark(block)
    decoder = codecs.getincrementaldecoder("utf-8")()
    while block:
        following = opened.read(BLOCK)
        try:
            decoder.decode(block, final=not following)
        except UnicodeDecodeError:
            return _guess(block + following + opened.read(SAMPLE))
        block = following
    return Encoding("utf-8")


def _decode(data: bytes, declared: str | None) -> str:
    if not data.startswith(tuple(BYTE_ORDER_MARKS)):
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            if declared is not None:
                return data.decode(declared, "replace")
        else:
            if "\0" not in text:
                return text
    encoding = find_encoding(io.BytesIO(data))
    try:
        # a byte order mark says what is meant, so there is nothing to guess
        return data.decode(encoding.name, "strict" if data[:2] in BYTE_ORDER_MARKS else "replace")
    except UnicodeDecodeError as error:
        reason = f"not UTF-16 text (byte {error.start} cannot be decoded)"
        raise NotText(reason) from error


def _utf16_without_mark(block: bytes) -> Encoding:
    """UTF-16 has an even number of bytes, and nothing but usual characters comes out of it."""
    for name in ("utf-16-le", "utf-16-be") if len(block) % 2 == 0 else ():
        text = block.decode(name, "replace").rstrip("\ufffd")
        sound = all(each.isspace() or unicodedata.category(each)[0] != "C" for each in text)
        is_latin = sum(map(str.isascii, text)) > len(text) / 2
        is_telling = is_latin or len(text) >= LEAST_IDEOGRAPHS
        if sound and is_telling and sum(map(_is_everyday, text)) >= EVERYDAY * len(text):
            return Encoding(name, "replace")
    raise NotText(NUL_BYTES)


def _is_everyday(character: str) -> bool:
    """Whether it is of an alphabet, or of the usual ideographs."""
    return character < "\u2e80" or any(
        character.encode(each, "ignore") for each in USUAL_IDEOGRAPHS
    )


def _guess(sample: bytes) -> Encoding:
    """The encoding of bytes that are not UTF-8, going by the lines that are more than ASCII."""
    lines = [line for line in sample.splitlines() if not line.isascii()]
    telling = b"\n".join(lines[:-1] if len(lines) > 1 and len(sample) > SAMPLE else lines)[:SAMPLE]
    as_utf8 = telling.decode("utf-8", "replace")
    broken = as_utf8.count("\ufffd")
    if sum(not each.isascii() for each in as_utf8) - broken >= SOUND_PER_BROKEN * broken:
        return Encoding("utf-8", "replace")
    if _CONTROL.search(sample):
        raise NotText(UNKNOWN)
    best = from_bytes(telling, cp_isolation=[*LATIN, *OTHERS], enable_fallback=False).best()
    if best is not None and best.encoding not in LATIN:
        return Encoding(best.encoding, "replace")
    if best is None and len(_HIGH.findall(telling)) > len(telling) / 2:
        raise NotText(UNKNOWN)
    return Encoding(_latin(telling), "replace")


def _latin(sample: bytes) -> str:
    """The encoding whose text looks most like a language; the commonest where none does."""
    texts = {name: sample.decode(name, "replace") for name in LATIN}
    likely = {name: likelihood(text) - text.count("\ufffd") for name, text in texts.items()}
    best = max(LATIN, key=likely.__getitem__)
    return best if likely[best] > likely[LATIN[0]] + 0.001 else LATIN[0]
