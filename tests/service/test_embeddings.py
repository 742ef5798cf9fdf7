"""OpenAI's API for embeddings, asked by its own client."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from retrieval import HashingEmbedder, Retriever, SparseHashingEmbedder

TEXTS = ["How do I rotate a key?", "Schlüssel tauschen", "鍵を交換する"]


@pytest.fixture(scope="module")
def model(shared_client: httpx.Client, module_database_url: str) -> Iterator[openai.OpenAI]:
    """A client of a service whose handbook has a second space and a sparse one."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        retriever.spaces.create("handbook", HashingEmbedder(16), space="small")
        retriever.spaces.create("handbook", SparseHashingEmbedder(), space="words")
    body = {"name": "no space", "model": "hashing"}
    assert shared_client.post("/v1/collections", json=body).status_code == 201
    dropped = shared_client.delete("/v1/collections/no space/spaces/hashing?force=true")
    assert dropped.status_code == 204
    url = f"{shared_client.base_url}/v1"
    with openai.OpenAI(api_key="none", base_url=url, max_retries=0) as client:
        yield client


def vectors(answer: Any) -> np.ndarray[Any, Any]:
    assert [each.index for each in answer.data] == list(range(len(answer.data)))
    return np.array([each.embedding for each in answer.data], dtype=np.float32)


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}])
def test_the_vectors_are_those_of_the_space(model: openai.OpenAI, encoding: dict[str, Any]) -> None:
    answer = model.embeddings.create(model="handbook", input=TEXTS, **encoding)
    np.testing.assert_array_equal(vectors(answer), HashingEmbedder().embed_documents(TEXTS))
    assert (answer.object, answer.data[0].object) == ("list", "embedding")
    assert answer.model == "handbook/hashing"
    tokens = sum(HashingEmbedder().count_tokens(text) for text in TEXTS)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == tokens


def test_one_text_by_another_space(model: openai.OpenAI) -> None:
    answer = model.embeddings.create(model="handbook/small", input=TEXTS[0], dimensions=16)
    np.testing.assert_array_equal(vectors(answer)[0], HashingEmbedder(16).embed_query(TEXTS[0]))


def test_a_query_finds_what_is_stored(model: openai.OpenAI, shared_client: httpx.Client) -> None:
    for number, text in enumerate(TEXTS):
        body = {"content": text}
        shared_client.put(f"/v1/collections/handbook/documents/{number}", json=body)
    extra = {"input_type": "query"}
    answer = model.embeddings.create(model="handbook", input=TEXTS[1], extra_body=extra)
    search = {
        "query": "",
        "legs": ["semantic"],
        "query_embedding": answer.data[0].embedding,
        "max_results": 1,
    }
    found = shared_client.post("/v1/collections/handbook/search", json=search).json()["hits"]
    assert found[0]["document_key"] == "1" and found[0]["score"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("given", "error", "code", "named"),
    [
        ({"model": "none"}, openai.NotFoundError, "not_found", "collection none does not"),
        ({"model": "handbook/none"}, openai.NotFoundError, "not_found", "space none does not"),
        ({"model": "handbook/"}, openai.NotFoundError, "not_found", "collection/space"),
        ({"model": "no space"}, openai.ConflictError, "not_ready", "no active dense space"),
        ({"model": "handbook/words"}, openai.UnprocessableEntityError, "invalid_input", "sparse"),
        ({"dimensions": 8}, openai.UnprocessableEntityError, "invalid_input", "64, not 8"),
        ({"input": []}, openai.UnprocessableEntityError, "invalid_input", "input"),
        ({"input": ["a", ""]}, openai.UnprocessableEntityError, "invalid_input", "input"),
        ({"input": [1, 2]}, openai.UnprocessableEntityError, "invalid_input", "input"),
        ({"input": "a\0"}, openai.UnprocessableEntityError, "invalid_input", "NUL"),
        ({"input": "a" * 100_000}, openai.APIStatusError, "content_too_large", "larger than"),
    ],
)
def test_what_goes_wrong_is_said_as_the_client_expects_it(
    model: openai.OpenAI,
    given: dict[str, Any],
    error: type[openai.APIStatusError],
    code: str,
    named: str,
) -> None:
    with pytest.raises(error) as raised:
        model.embeddings.create(**{"model": "handbook", "input": "a", **given})
    failure: Any = raised.value
    assert (failure.code, failure.type, failure.param) == (code, "invalid_request_error", None)
    assert named in failure.body["message"]
    problem = failure.response.json()
    assert problem["detail"] == failure.body["message"] and problem["status"] == failure.status_code


def test_elsewhere_a_problem_is_a_problem_alone(shared_client: httpx.Client) -> None:
    assert "error" not in shared_client.get("/v1/collections/none").json()
