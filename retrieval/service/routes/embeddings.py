"""Embeddings for other programs: OpenAI's API over the models of collections."""

import base64
from typing import Any

from fastapi import APIRouter

from retrieval.errors import InvalidInput, NotFound
from retrieval.service.dependencies import Reading
from retrieval.service.embedding_schemas import Embed, Embedded, EmbeddingList, Usage
from retrieval.service.problems import EMBEDDINGS_PATH, problem_responses
from retrieval.service.strict_route import StrictRoute

router = APIRouter(tags=["embeddings"], route_class=StrictRoute)


@router.post(
    EMBEDDINGS_PATH,
    operation_id="embed",
    summary="Embed texts",
    responses=problem_responses(404, 409, 413, 415),
)
async def embed(body: Embed, retriever: Reading) -> EmbeddingList:
    """The embeddings of texts by the model of a collection, for any client of OpenAI's API."""
    collection, slash, space = body.model.partition("/")
    if not collection or (slash and not space):
        raise NotFound(f"model {body.model} is not a collection or collection/space")
    texts = [body.input] if isinstance(body.input, str) else body.input
    made = await retriever.embed(
        collection, texts, space=space or None, queries=body.input_type == "query"
    )
    dimensions = made.embeddings.shape[1]
    if body.dimensions not in (None, dimensions):
        raise InvalidInput(
            f"dimensions: space {made.space} has {dimensions}, not {body.dimensions}"
        )
    encode = _base64 if body.encoding_format == "base64" else _floats
    return EmbeddingList(
        data=[
            Embedded(index=index, embedding=encode(each))
            for index, each in enumerate(made.embeddings)
        ],
        model=f"{collection}/{made.space}",
        usage=Usage(prompt_tokens=made.tokens, total_tokens=made.tokens),
    )


def _floats(embedding: Any) -> list[float]:
    numbers: list[float] = embedding.tolist()
    return numbers


def _base64(embedding: Any) -> str:
    return base64.b64encode(embedding.astype("<f4").tobytes()).decode("ascii")
