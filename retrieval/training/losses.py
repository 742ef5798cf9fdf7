"""The losses of sentence-transformers by their names here."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from retrieval.training.columns import LABEL, QUERY, Columns
from retrieval.training.kinds import MARGIN_MSE
from retrieval.training.options import TrainingOptions

# of cosine distances, which are between 0 and 2; the library's own default is for vectors that are
# not of length 1, and would never be reached by those that are
TRIPLET_MARGIN = 0.2
# The library's, whose trainer lets them grow from 0 in the first third of the steps.
DOCUMENT_REGULARISATION, QUERY_REGULARISATION = 3e-5, 5e-5
# Beside the hard negatives of a query, of texts of others; the library has no way to take none.
IN_BATCH = 1
# examples by which the scale of a teacher is found
MEASURED = 256


def build_loss(encoder: Any, options: TrainingOptions, columns: Columns) -> Any:
    """The loss that an encoder is trained with."""
    build: Mapping[str, Callable[[Any, TrainingOptions, Columns], Any]] = {
        "dense": _dense,
        "reranker": _reranker,
        "sparse": _sparse,
        "multivector": _multivector,
    }
    return build[options.kind](encoder, options, columns)


def _dense(encoder: Any, options: TrainingOptions, columns: Columns) -> Any:
    from sentence_transformers.sentence_transformer import losses

    loss: Any
    if options.loss == "triplet":
        metric = losses.TripletDistanceMetric.COSINE
        loss = losses.TripletLoss(encoder, metric, TRIPLET_MARGIN)
    elif options.loss == "contrastive":
        loss = losses.ContrastiveLoss(encoder)
    elif options.loss == "cosine":
        loss = losses.CosineSimilarityLoss(encoder)
    elif options.loss == MARGIN_MSE:
        from sentence_transformers.util import pairwise_cos_sim

        scale = _scale_of_margins(encoder, columns, pairwise_cos_sim, convert_to_tensor=True)
        loss = losses.MarginMSELoss(
            encoder, similarity_fct=lambda one, other: scale * pairwise_cos_sim(one, other)
        )
    else:
        loss = losses.MultipleNegativesRankingLoss(encoder)
    if options.matryoshka:
        dimensions = sorted({encoder.get_embedding_dimension(), *options.matryoshka}, reverse=True)
        return losses.MatryoshkaLoss(encoder, loss, dimensions)
    return loss


def _reranker(encoder: Any, options: TrainingOptions, columns: Columns) -> Any:
    from sentence_transformers.cross_encoder import losses

    if options.loss == "bce":
        import torch

        # as many positives as negatives, by their weight
        positives = sum(columns[LABEL])
        weight = max(1.0, (len(columns[LABEL]) - positives) / max(1.0, positives))
        return losses.BinaryCrossEntropyLoss(encoder, pos_weight=torch.tensor(weight))
    if options.loss == MARGIN_MSE:
        return losses.MarginMSELoss(encoder)
    # Softmax over the scores of one query, without the sigmoid that the library puts before it,
    # as that has no slope left where a score is far off.
    return losses.MultipleNegativesRankingLoss(
        encoder, num_negatives=IN_BATCH, scale=1, activation_fn=None
    )


def _sparse(encoder: Any, options: TrainingOptions, columns: Columns) -> Any:
    from sentence_transformers.sparse_encoder import losses

    inner: Any
    if options.loss == "triplet":
        inner = losses.SparseTripletLoss(encoder)
    elif options.loss == "cosine":
        inner = losses.SparseCosineSimilarityLoss(encoder)
    elif options.loss == MARGIN_MSE:
        from sentence_transformers.util import pairwise_dot_score

        scale = _scale_of_margins(encoder, columns, pairwise_dot_score, convert_to_tensor=True)
        inner = losses.SparseMarginMSELoss(
            encoder, similarity_fct=lambda one, other: scale * pairwise_dot_score(one, other)
        )
    else:
        inner = losses.SparseMultipleNegativesRankingLoss(encoder)
    return losses.SpladeLoss(
        encoder,
        inner,
        document_regularizer_weight=DOCUMENT_REGULARISATION,
        query_regularizer_weight=QUERY_REGULARISATION,
    )


def _multivector(encoder: Any, options: TrainingOptions, columns: Columns) -> Any:
    from sentence_transformers.multi_vector_encoder import losses
    from sentence_transformers.multi_vector_encoder.scoring import colbert_scores_pairwise

    if options.loss != MARGIN_MSE:
        return losses.MultiVectorMultipleNegativesRankingLoss(encoder)
    plain = partial(encoder.similarity_pairwise, length_normalize=False)  # as searches score
    scale = _scale_of_margins(encoder, columns, plain)

    def similarity(*given: Any, **masks: Any) -> Any:
        return scale * colbert_scores_pairwise(*given, **masks)

    return losses.MultiVectorMarginMSELoss(encoder, similarity_fct=similarity)


def _scale_of_margins(
    encoder: Any, columns: Columns, similarity: Callable[[Any, Any], Any], **stacked: bool
) -> float:
    """What the student's scores are multiplied by to be spread as the teacher's are.

    MarginMSE asks a student for the teacher's own margins between a positive and a negative
    (Hofstätter et al., "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge
    Distillation", 2020, arXiv:2010.02666). Their student's dot products have no bounds; those of
    unit vectors are within 1 of each other where logits are 10 apart, and such a student could but
    push everything as far away as it can. What counts is how margins compare with each other, so
    the standard deviations are made equal, measured before training.
    """
    rows = slice(0, MEASURED)
    negatives = [name for name in columns if name.startswith("negative")]
    options = {"show_progress_bar": False, **stacked}
    queries = encoder.encode_query(columns[QUERY][rows], **options)
    positive, *others = (
        np.array(similarity(queries, encoder.encode_document(columns[name][rows], **options)).cpu())
        for name in ["positive", *negatives]
    )
    own = float(np.std(np.concatenate([positive - each for each in others])))
    taught = float(np.std(columns[LABEL][rows]))
    return taught / own if own > 0 and taught > 0 else 1.0
