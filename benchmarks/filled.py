"""The collection `benchmark`: a chunk for each text, embedded in the space `space`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from retrieval.database import migration_sql


def fill(
    connection: psycopg.Connection,
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    metadata: Sequence[dict[str, Any]],
) -> list[int]:
    """Create, fill, index and activate it; returns the chunks' ids in order of the texts."""
    connection.execute(migration_sql())
    connection.execute("select retrieval.create_collection('benchmark')")
    cursor = connection.cursor()
    with cursor.copy(
        "copy retrieval.documents (collection_id, document_key, metadata) from stdin"
    ) as copy:
        for number, each in enumerate(metadata):
            copy.write_row((1, f"{number:08}", Jsonb(each)))
    rows = connection.execute("select document_id from retrieval.documents order by document_key")
    documents = [row[0] for row in rows]
    with cursor.copy(
        "copy retrieval.chunks (collection_id, document_id, position, content) from stdin"
    ) as copy:
        for document, text in zip(documents, texts, strict=True):
            copy.write_row((1, document, 0, text))
    rows = connection.execute("select chunk_id from retrieval.chunks order by document_id")
    chunks = [row[0] for row in rows]
    dimensions = vectors.shape[1]
    connection.execute(
        "select retrieval.create_space('benchmark', 'space', 'model', %s)", [dimensions]
    )
    with cursor.copy("copy retrieval.embeddings from stdin") as copy:
        for chunk, vector in zip(chunks, vectors, strict=True):
            copy.write_row((1, 1, chunk, HalfVector(vector).to_text()))
    connection.execute("select retrieval.build_index('benchmark', 'space')")
    connection.execute("select retrieval.activate_space('benchmark', 'space')")
    return chunks
