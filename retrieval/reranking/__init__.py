"""Models that read a query together with each text, to order again what a search found."""

from retrieval.reranking.create import create_reranker
from retrieval.reranking.cross_encoder import DEFAULT_RERANKER, CrossEncoderReranker
from retrieval.reranking.late_interaction import max_sim_scores
from retrieval.reranking.reranker import Reranker
from retrieval.reranking.word_overlap import WORD_OVERLAP, WordOverlapReranker

__all__ = [
    "DEFAULT_RERANKER",
    "WORD_OVERLAP",
    "CrossEncoderReranker",
    "Reranker",
    "WordOverlapReranker",
    "create_reranker",
    "max_sim_scores",
]
