"""From a name to the reranker that runs it."""

from retrieval.reranking.cross_encoder import DEFAULT_RERANKER, CrossEncoderReranker
from retrieval.reranking.reranker import Reranker
from retrieval.reranking.word_overlap import WORD_OVERLAP, WordOverlapReranker


def create_reranker(name: str | None = None) -> Reranker:
    """Return the reranker of a name, without loading the model.

    None is the default cross-encoder; "word-overlap" is the reranker without a model; anything
    else is a cross-encoder's folder or id on the hub.
    """
    if name == WORD_OVERLAP:
        return WordOverlapReranker()
    return CrossEncoderReranker(DEFAULT_RERANKER if name is None else name)
