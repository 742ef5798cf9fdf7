"""Zip archives, which office documents and books are: checked before anything unpacks them."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from retrieval.loading.extra import reading
from retrieval.loading.source_file import CONTAINER_FACTOR, SourceFile

MOST_MEMBERS = 20_000
# XML of spreadsheets shrinks to a thirtieth or so; deflate cannot do better than a thousandth.
LARGEST_RATIO = 250
RATIO_COUNTS_FROM = 1024 * 1024
PIECE = 64 * 1024

OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")


@contextmanager
def checked_archive(file: SourceFile, kind: str, largest_part: int) -> Iterator[ZipFile]:
    """Open an archive whose members are as large as they say, and all of them within the limits.

    No XML in it is larger than `largest_part`.
    """
    file.check_size(CONTAINER_FACTOR * file.limit)
    with file.open() as opened:
        _check_beginning(file, kind, opened)
        with reading(file, kind):
            archive = ZipFile(opened)
            _check(file, archive, largest_part)
        yield archive


def _check_beginning(file: SourceFile, kind: str, opened: BinaryIO) -> None:
    """Old and encrypted office documents are no archives, but tell what they are."""
    beginning = opened.read(len(OLE_SIGNATURE))
    if not beginning:
        raise file.error("an empty file")
    if beginning == OLE_SIGNATURE:
        is_encrypted = ENCRYPTED_PACKAGE in opened.read(CONTAINER_FACTOR * file.limit)
        raise file.error(
            "is protected by a password" if is_encrypted else f"not a {kind}, but an older kind"
        )


def _check(file: SourceFile, archive: ZipFile, largest_part: int) -> None:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise file.error(f"an archive of more than {MOST_MEMBERS:,} files")
    left = CONTAINER_FACTOR * file.limit
    for member in members:
        if member.flag_bits & 1:
            raise file.error("is protected by a password")
        is_xml = member.filename.lower().endswith((".xml", ".rels", ".xhtml", ".html", ".opf"))
        _check_declared(file, member, min(left, largest_part) if is_xml else left)
        left -= _unpacked_size(file, archive, member)


def _check_declared(file: SourceFile, member: ZipInfo, limit: int) -> None:
    if member.file_size > limit:
        raise file.error(f"unpacks to more than the limit of {limit:,} bytes")
    is_large = member.file_size > RATIO_COUNTS_FROM
    if is_large and member.file_size > LARGEST_RATIO * max(1, member.compress_size):
        raise file.error(f"unpacks to more than {LARGEST_RATIO} times its size")


def _unpacked_size(file: SourceFile, archive: ZipFile, member: ZipInfo) -> int:
    """Unpack piece by piece and count: what a member says of its size may be a lie."""
    unlimited = copy.copy(member)
    unlimited.file_size = member.file_size + PIECE
    size = 0
    with archive.open(unlimited) as unpacked:
        while piece := unpacked.read(PIECE):
            size += len(piece)
            if size > member.file_size:
                raise file.error("holds a file that unpacks to more than it says")
    return size
