"""What a user gives: a document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from numpy.typing import NDArray

# What a document is, and what the model of a space embeds.
Modality = Literal["text", "image"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)


class FileTime(str):
    """When a file was changed last, in ISO 8601: it says nothing about what is in the file.

    Metadata with another time of this kind is the same document.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One document, named by a key that is unique in its collection.

    `text_config` names the text-search configuration of this one document; without it the
    collection's is used.

    `embedding` is for vectors that exist already: the numbers of one dense embedding, made by the
    model of the space that the collection is searched in. The document is then one chunk.

    With the modality "image" it is the image file that `source` names, and `content` its caption,
    which may be empty. The title, and in the metadata the size and the hash, come from the file.
    """

    key: str
    content: str
    title: str | None = None
    source: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    text_config: str | None = None
    embedding: Sequence[float] | NDArray[Any] | None = field(default=None, compare=False)
    modality: Modality = "text"
