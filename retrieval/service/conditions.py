"""If-Match and If-None-Match (RFC 9110): what a client expects to be stored."""

import re
from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from retrieval.errors import InvalidInput

Condition = Callable[[str | None], bool]

IfMatch = Annotated[
    str | None,
    Header(
        description="ETags, one of which the stored document must have, or * for any.",
        examples=['"2f0e8a5cbb1d4a3d9f0f3c6d0a8e7b11"'],
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        description="ETags, none of which the stored document may have, or * for nothing stored.",
        examples=["*"],
    ),
]

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"\s*{_TAG}(?:\s*,\s*{_TAG})*\s*")


def entity_tag(version: str) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def condition(if_match: str | None, if_none_match: str | None) -> Condition | None:
    """What both ask of the version that is stored, None where nothing is; None: nothing."""
    if if_match is None and if_none_match is None:
        return None
    wanted = None if if_match is None else _tags("If-Match", if_match)
    unwanted = None if if_none_match is None else _tags("If-None-Match", if_none_match)

    def holds(version: str | None) -> bool:
        # a weak tag is good enough to say that something is known already, not to write by
        strong = wanted is None or _is_among(version, wanted, weak=False)
        return strong and (unwanted is None or not _is_among(version, unwanted, weak=True))

    return holds


def is_known(version: str, if_none_match: str | None) -> bool:
    """Whether a reader has the version already."""
    return if_none_match is not None and _is_among(
        version, _tags("If-None-Match", if_none_match), weak=True
    )


def _tags(name: str, header: str) -> list[str]:
    if header.strip() == "*":
        return ["*"]
    if not _TAGS.fullmatch(header):
        raise InvalidInput(f'{name} must be * or a list of ETags such as "2f0e8a5c"')
    return re.findall(_TAG, header)


def _is_among(version: str | None, tags: list[str], *, weak: bool) -> bool:
    if version is None:
        return False
    tag = entity_tag(version)
    return "*" in tags or tag in tags or (weak and f"W/{tag}" in tags)
