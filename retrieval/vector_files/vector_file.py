"""What every file of embeddings holds, whatever its format."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from retrieval.embedding import Kind, Signature
from retrieval.errors import InvalidInput
from retrieval.vector_files.packing import Packing

# document key, position, SHA-256 of the embedded text, and the embedding as the server takes it
Row = tuple[str | None, int | None, bytes | None, bytes | None]

KEY = "document_key"
EMBEDDING = "embedding"
POSITION = "position"
TEXT_HASH = "text_hash"
SIGNATURE = "signature"
SPACE = "space"
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a file the parts of a row are; the optional ones by their names if they are there.

    A text_hash is the SHA-256 of the text that was embedded, as an export writes it.
    """

    key: str = KEY
    embedding: str = EMBEDDING
    chunk_position: str | None = None
    text_hash: str | None = None

    def found_in(self, names: Sequence[str], path: Path) -> "Columns":
        """These columns, without the optional ones that a file lacks; InvalidInput otherwise."""
        for name in (self.key, self.embedding, self.chunk_position, self.text_hash):
            if name is not None and names.count(name) != 1:
                how = "more than one" if name in names else "no"
                raise InvalidInput(f"{path} has {how} column {name}; it has {', '.join(names)}")
        return Columns(
            self.key,
            self.embedding,
            self.chunk_position or (POSITION if POSITION in names else None),
            self.text_hash or (TEXT_HASH if TEXT_HASH in names else None),
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """The space that embeddings are from: its signature, and what else a new one needs to know."""

    signature: Signature | None = None
    space: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, signature: str | None, space: str | None, path: Path) -> "Origin":
        """Read what `written` wrote."""
        if signature is None:
            return cls()
        try:
            return cls(
                Signature.from_json(json.loads(signature)), json.loads(space) if space else {}
            )
        except (ValueError, TypeError, AttributeError, InvalidInput) as error:
            raise InvalidInput(f"{path}: its signature cannot be read ({error})") from error

    def written(self) -> dict[str, str]:
        """The entries of a file's metadata, as JSON."""
        if self.signature is None:
            return {}
        return {
            SIGNATURE: json.dumps(self.signature.to_json()),
            SPACE: json.dumps(dict(self.space)),
        }


class VectorFile(Protocol):
    """An open file; `count` is how many rows it holds."""

    path: Path
    kind: Kind
    count: int
    origin: Origin

    def rows(self, packing: Packing) -> Iterator[list[Row]]:
        """The rows, some at a time; InvalidInput names one that cannot be an embedding."""

    def close(self) -> None:
        """Close it."""


class VectorFileWriter(Protocol):
    """A file that is being written, beside its place until it is complete."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows as `retrieval.export_embeddings` gives them."""

    def finish(self) -> None:
        """Complete the file and put it into its place."""

    def discard(self) -> None:
        """Remove what has been written; nothing where it is finished."""


@contextmanager
def readable(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turn what reading a file can raise into InvalidInput."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        raise InvalidInput(f"{path} cannot be read ({reason})") from error
    except errors as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidInput(f"{path} cannot be read ({reason})") from error


def row_name(number: int, key: str | None) -> str:
    """How an error names a row; numbers count from 1."""
    return f"row {number} (document {key!r})"


def partial_path(path: Path) -> Path:
    """Where a file is written before it is complete."""
    return path.with_name(f".{path.name}.partial")
