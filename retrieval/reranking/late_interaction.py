"""Late interaction: scores between the vectors of a query's tokens and those of documents."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrieval.embedding.embedder import Floats
from retrieval.errors import InvalidInput

# of a batch, padding counted: 32 MB of vectors of 128
BATCH_TOKENS = 65_536


def max_sim_scores(query_tokens: Floats, documents: Sequence[Floats]) -> Floats:
    """Return the MaxSim of a query with each document, in the order of the documents.

    For each token of the query the largest dot product with any token of the document, summed over
    the query's tokens (Khattab and Zaharia, ColBERT, 2020); higher is better. All are float of
    shape (tokens, dimensions); the scores are float32. A document without tokens is NaN.
    """
    query = np.ascontiguousarray(query_tokens, dtype=np.float32)
    if query.ndim != 2 or not query.size:
        raise InvalidInput(f"query_tokens must be of shape (tokens, dimensions), not {query.shape}")
    _check_dimensions(documents, query.shape[1])
    scores = np.full(len(documents), np.nan, dtype=np.float32)
    for rows in _batches([len(document) for document in documents]):
        scores[rows] = _scores(query, [documents[row] for row in rows])
    return scores


def unpacked_tokens(vectors: bytes, tokens: int) -> Floats:
    """Return what `retrieval.packed_tokens` packed, as float32 of shape (tokens, dimensions)."""
    # an array's header is 20 bytes, a vector's is 8: its length in bytes, dimensions, and padding
    halves = np.frombuffer(vectors, dtype=">f2", offset=20).reshape(tokens, -1)
    return halves[:, 4:].astype(np.float32)


def _check_dimensions(documents: Sequence[Floats], dimensions: int) -> None:
    for row, document in enumerate(documents):
        if np.ndim(document) != 2 or document.shape[1] != dimensions:
            shape = np.shape(document)
            raise InvalidInput(
                f"documents[{row}] must be of shape (tokens, {dimensions}), not {shape}"
            )


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield row numbers, those of like lengths together, so that padding costs little."""
    rows = sorted(
        (row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row]
    )
    while rows:
        size = max(1, BATCH_TOKENS // lengths[rows[0]])
        yield rows[:size]
        del rows[:size]


def _scores(query: Floats, documents: Sequence[Floats]) -> Any:
    import torch

    lengths = np.array([len(document) for document in documents])
    padded = np.zeros((len(documents), lengths.max(), query.shape[1]), dtype=np.float32)
    for row, document in enumerate(documents):
        padded[row, : len(document)] = document
    padding = np.arange(lengths.max()) >= lengths[:, None]
    with torch.inference_mode():
        products = torch.einsum("qd,btd->bqt", torch.tensor(query), torch.from_numpy(padded))
        products.masked_fill_(torch.from_numpy(padding)[:, None], -torch.inf)
        return products.amax(dim=2).sum(dim=1).numpy()
