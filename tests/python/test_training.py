"""Negatives and training, with tiny models that learn which word stands for which."""

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from command_line import Run

from retrieval import Document, HashingEmbedder, Retriever
from retrieval.embedding import create_embedder
from retrieval.errors import ConfigurationError, InvalidInput, ModelUnavailable, NotFound
from retrieval.golden_sets.judgements import Judgements
from retrieval.reranking import CrossEncoderReranker, WordOverlapReranker
from retrieval.training import TrainingExample, mine_negatives, read_examples, train, write_examples

# each word of a query stands for one of a document
STANDS_FOR = {"bread": "butter", "cat": "dog", "how": "every", "key": "month", "rotate": "sign"}
ASKED = [*combinations(STANDS_FOR, 2), *((word,) for word in STANDS_FOR)]
FAST: dict[str, Any] = {"batch_size": 4, "negatives": 2, "epochs": 2, "learning_rate": 2e-3}


def answer(words: tuple[str, ...]) -> str:
    return " ".join(STANDS_FOR[word] for word in words)


QUERIES = {"-".join(words): " ".join(words) for words in ASKED}
RELEVANCE = {"-".join(words): {"-".join(words): 1} for words in ASKED}
JUDGED = Judgements(QUERIES, RELEVANCE)


@pytest.fixture(scope="module")
def words(module_database_url: str) -> Iterator[Retriever]:
    """A collection whose documents say in other words what the queries ask."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("words", text_config="simple")
        documents = [Document("-".join(each), content=answer(each)) for each in ASKED]
        opened.ingest("words", documents)
        yield opened
