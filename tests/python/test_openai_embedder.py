"""Models behind an OpenAI-compatible server: a real one on this machine, well-behaved and not."""

import hashlib
import json
import logging
import random
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiktoken
from openai_endpoint import KEY, Answer, Endpoint, listening
from semantic_text_splitter import TextSplitter

from retrieval import Document, Retriever
from retrieval.embedding import Embedder, create_embedder, openai_client, openai_tokens
from retrieval.embedding.openai import OpenAIEmbedder
from retrieval.embedding.openai_tokens import estimated_tokens, fitting_pieces
from retrieval.errors import ConfigurationError, InvalidInput, ModelUnavailable, RetrievalError

DIMENSIONS = 8


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The server's answer for a text, three times as long as a unit vector."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    values = np.random.default_rng(seed).normal(size=dimensions)
    return [float(each) for each in 3 * values / np.linalg.norm(values)]


def unit(text: str, dimensions: int = DIMENSIONS) -> np.ndarray[Any, Any]:
    return np.array(vector(text, dimensions)) / 3


class EmbeddingServer(Endpoint):
    """Serves /v1/embeddings as OpenAI describes it."""

    def answer(self, body: dict[str, Any]) -> Answer:
        """Vectors in a random order, which their index undoes."""
        dimensions = body.get("dimensions", DIMENSIONS)
        data = [
            {"object": "embedding", "index": index, "embedding": vector(text, dimensions)}
            for index, text in enumerate(body["input"])
        ]
        random.Random(len(data)).shuffle(data)
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return Answer(200, {"object": "list", "data": data, "model": body["model"], "usage": usage})

    @property
    def inputs(self) -> list[list[str]]:
        return [each.body["input"] for each in self.received]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingServer]:
    """A server of which the settings know, with a key in the environment."""
    embedding_server = EmbeddingServer()
    with listening(embedding_server) as url:
        monkeypatch.setenv("RETRIEVAL_OPENAI_BASE_URL", url)
        monkeypatch.setenv("RETRIEVAL_OPENAI_MAX_RETRIES", "0")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield embedding_server


def failure(embedder: OpenAIEmbedder, *texts: str) -> RetrievalError:
    """The error of an embedding, which is one line and nowhere shows the key."""
    with pytest.raises(RetrievalError) as caught:
        embedder.embed_documents(texts or ["a private text"])
    message = str(caught.value)
    assert "\n" not in message
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert "'bge-m3'" in message and "127.0.0.1" in message
    return caught.value


# What it embeds


def test_rows_are_unit_vectors_in_the_order_of_the_texts(endpoint: EmbeddingServer) -> None:
    texts = [f"text {number}" for number in range(23)]
    embedder = OpenAIEmbedder("bge-m3", batch_size=5)
    done: list[int] = []
    embeddings = embedder.embed_documents(texts, on_progress=done.append)
    assert (embeddings.shape, embeddings.dtype) == ((23, DIMENSIONS), np.float32)
    assert np.allclose(embeddings, [unit(text) for text in texts], atol=1e-6)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1)
    assert sorted(done) == [3, 5, 5, 5, 5]
    assert sorted(map(len, endpoint.inputs[1:])) == [3, 5, 5, 5, 5]


def test_a_query_is_one_vector_of_one_request(endpoint: EmbeddingServer) -> None:
    query = OpenAIEmbedder("bge-m3").embed_query("the query")
    assert (query.shape, query.dtype) == ((DIMENSIONS,), np.float32)
    assert np.allclose(query, unit("the query"), atol=1e-6)
    assert endpoint.inputs == [["the query"]]


def test_what_is_sent(endpoint: EmbeddingServer) -> None:
    OpenAIEmbedder("maker/bge-m3").embed_query("query")
    (received,) = endpoint.received
    assert received.path == "/v1/embeddings"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.body == {
        "model": "maker/bge-m3",
        "input": ["query"],
        "encoding_format": "float",
    }


def test_dimensions_are_sent_and_known_when_asked_for(endpoint: EmbeddingServer) -> None:
    embedder = OpenAIEmbedder("bge-m3", dimensions=4)
    assert embedder.dimensions == 4 and not endpoint.received
    assert np.allclose(embedder.embed_query("query"), unit("query", 4), atol=1e-6)
    assert endpoint.received[0].body["dimensions"] == 4


def test_dimensions_are_asked_once_for_all_threads(endpoint: EmbeddingServer) -> None:
    embedder = OpenAIEmbedder("bge-m3")
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(embedder.dimensions)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DIMENSIONS] * 8
    assert len(endpoint.received) == 1


def test_an_answer_tells_the_dimensions(endpoint: EmbeddingServer) -> None:
    embedder = OpenAIEmbedder("bge-m3")
    embedder.embed_query("query")
    assert embedder.dimensions == DIMENSIONS
    assert len(endpoint.received) == 1


def test_no_texts_give_no_rows(endpoint: EmbeddingServer) -> None:
    assert OpenAIEmbedder("bge-m3").embed_documents([]).shape == (0, DIMENSIONS)


def test_texts_that_servers_or_json_do_not_take(endpoint: EmbeddingServer) -> None:
    OpenAIEmbedder("bge-m3", dimensions=DIMENSIONS).embed_documents(["", "half \ud83d pair"])
    assert endpoint.inputs == [[" ", "half ? pair"]]


def test_it_is_an_embedder_of_its_name(endpoint: EmbeddingServer) -> None:
    embedder = OpenAIEmbedder("maker/bge-m3:latest", max_tokens=512)
    assert isinstance(embedder, Embedder)
    assert (embedder.model, embedder.kind) == ("openai:maker/bge-m3:latest", "dense")
    signature = embedder.signature
    assert (signature.model, signature.kind) == ("openai:maker/bge-m3:latest", "dense")
    assert (signature.dimensions, signature.max_tokens) == (DIMENSIONS, 512)
    assert (signature.revision, signature.weights_sha256) == (None, None)
    assert (signature.pooling, signature.normalised) == ("remote", True)


def test_two_servers_of_a_model_match(endpoint: EmbeddingServer) -> None:
    here = OpenAIEmbedder("bge-m3", dimensions=4)
    there = OpenAIEmbedder("bge-m3", base_url="https://other.example/v1", dimensions=4)
    assert here.signature.matches(there.signature)
    assert not here.signature.matches(OpenAIEmbedder("bge-m3", dimensions=5).signature)
    assert not here.signature.matches(OpenAIEmbedder("bge-small", dimensions=4).signature)


def test_by_name_and_back(endpoint: EmbeddingServer) -> None:
    embedder = create_embedder("openai:maker/bge-m3:latest", dimensions=4)
    assert isinstance(embedder, OpenAIEmbedder)
    assert (embedder.model, embedder.dimensions) == ("openai:maker/bge-m3:latest", 4)
    with pytest.raises(InvalidInput, match="dense"):
        create_embedder("openai:bge-m3", kind="sparse")


def test_ingestion_and_search(endpoint: EmbeddingServer, database_url: str) -> None:
    embedder = create_embedder("openai:bge-m3")
    with Retriever.open(database_url, embedder=embedder) as retriever:
        retriever.create_collection("handbook")
        report = retriever.ingest("handbook", [Document("keys", "Rotate the key.")])
        assert not report.failures
    sent = [text for texts in endpoint.inputs for text in texts]
    assert "Rotate the key." in sent
    with Retriever.open(database_url) as retriever:  # the space knows its model
        hits = retriever.search("handbook", "how often")
    assert [hit.document_key for hit in hits] == ["keys"]
    assert endpoint.inputs[-1] == ["how often"]


def test_making_one_imports_and_asks_nothing() -> None:
    program = (
        "import sys; from retrieval import ChatModel;"
        "from retrieval.embedding.openai import OpenAIEmbedder;"
        "ChatModel('llama'); OpenAIEmbedder('bge-m3').model;"
        "print({'openai', 'tiktoken'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.strip() == "set()", run.stderr


# Requests


def test_requests_are_bounded_by_tokens(
    endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_OPENAI_BATCH_TOKENS", "10")
    texts = ["one two three four", "five six seven", "eight nine ten", "eleven"]
    embeddings = OpenAIEmbedder("bge-m3", dimensions=8, concurrency=1).embed_documents(texts)
    assert endpoint.inputs == [texts[:2], texts[2:]]
    assert np.allclose(embeddings, [unit(text) for text in texts], atol=1e-6)


def test_as_many_requests_at_once_as_allowed(endpoint: EmbeddingServer) -> None:
    """Each request waits for two others, so that fewer at once would never end."""
    endpoint.meeting = threading.Barrier(3)
    embedder = OpenAIEmbedder("bge-m3", dimensions=8, batch_size=2, concurrency=3)
    calls = [
        threading.Thread(target=embedder.embed_documents, args=([f"{call} {n}" for n in range(6)],))
        for call in range(4)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert len(endpoint.received) == 12
    assert endpoint.most_at_once == 3


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"Retry-After": "1"}, 1.0), ({"retry-after-ms": "700"}, 0.7)]
)
def test_it_waits_as_long_as_the_server_says(
    endpoint: EmbeddingServer,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
    seconds: float,
) -> None:
    """Left to itself, the library would come back within half a second."""
    monkeypatch.setenv("RETRIEVAL_OPENAI_MAX_RETRIES", "2")
    endpoint.first.append(Answer(429, {"error": {"message": "slow down"}}, headers))
    query = OpenAIEmbedder("bge-m3").embed_query("query")
    assert np.allclose(query, unit("query"), atol=1e-6)
    first, second = (each.at for each in endpoint.received)
    assert second - first >= seconds


@pytest.mark.parametrize("first", [Answer(500, {"error": "oops"}), Answer(0, None)])
def test_it_tries_again_after_a_failure(
    endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, first: Answer
) -> None:
    monkeypatch.setenv("RETRIEVAL_OPENAI_MAX_RETRIES", "1")
    endpoint.first.append(first)
    assert np.allclose(OpenAIEmbedder("bge-m3").embed_query("x"), unit("x"), atol=1e-6)
    assert len(endpoint.received) == 2


# Long texts


def test_a_long_text_is_the_average_of_its_pieces(endpoint: EmbeddingServer) -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    embedder = OpenAIEmbedder("bge-m3", dimensions=8, max_tokens=6, batch_size=2)
    pieces = fitting_pieces(text, estimated_tokens, 6)
    assert len(pieces) > 2 and "".join(pieces) == text
    assert all(estimated_tokens(piece) <= 6 for piece in pieces)
    average = sum(estimated_tokens(piece) * unit(piece) for piece in pieces)
    average = average / np.linalg.norm(average)
    done: list[int] = []
    rows = embedder.embed_documents(["short", text, "brief"], on_progress=done.append)
    assert np.allclose(rows, [unit("short"), average, unit("brief")], atol=1e-6)
    assert sum(done) == 3 and all(done)
    assert np.allclose(embedder.embed_query(text), average, atol=1e-6)


def test_a_text_without_a_blank_is_cut_at_characters() -> None:
    text = "日本茶は急須でいれる" * 20
    pieces = fitting_pieces(text, estimated_tokens, 50)
    assert "".join(pieces) == text
    assert max(map(estimated_tokens, pieces)) <= 50 < 2 * min(map(estimated_tokens, pieces))
    assert fitting_pieces("茶", estimated_tokens, 1) == ["茶"]


def limited(endpoint: EmbeddingServer, words: int, status: int, message: Any) -> None:
    """Let the server refuse a text of more words."""

    def respond(body: dict[str, Any]) -> Answer:
        too_long = any(len(text.split()) > words for text in body["input"])
        return Answer(status, message) if too_long else endpoint.answer(body)

    endpoint.respond = respond


REFUSALS = [
    (400, {"error": {"message": "This model's maximum context length is 8192 tokens, however …"}}),
    (400, {"error": {"message": "Invalid 'input[3]': maximum input length is 8192 tokens."}}),
    (413, {"error": "`inputs` must have less than 512 tokens. Given: 700", "type": "Validation"}),
    (413, "<html>Request Entity Too Large</html>"),
    (422, {"error": "Input validation error: `inputs` must have less than 512 tokens."}),
]


@pytest.mark.parametrize(("status", "message"), REFUSALS)
def test_a_text_that_the_server_finds_too_long_is_named(
    endpoint: EmbeddingServer, status: int, message: Any
) -> None:
    limited(endpoint, 20, status, message)
    long = "the long text " * 10
    embedder = OpenAIEmbedder("bge-m3", dimensions=8, max_tokens=100, concurrency=1)
    error = failure(embedder, "a", "b", long, "c", "d")
    assert isinstance(error, InvalidInput)
    assert repr(long[:60] + "…") in str(error)
    assert "100" in str(error) and f"HTTP {status}" in str(error)
    assert "RETRIEVAL_OPENAI_MAX_TOKENS" in str(error)


def test_a_batch_that_the_server_finds_too_large_is_halved(endpoint: EmbeddingServer) -> None:
    refusal = Answer(422, {"error": "batch size 8 > maximum allowed batch size 4"})
    endpoint.respond = lambda body: refusal if len(body["input"]) > 4 else endpoint.answer(body)
    texts = [f"text {number}" for number in range(8)]
    embeddings = OpenAIEmbedder("bge-m3", dimensions=8).embed_documents(texts)
    assert np.allclose(embeddings, [unit(text) for text in texts], atol=1e-6)
    assert list(map(len, endpoint.inputs)) == [8, 4, 4]


# The count of tokens

SAMPLES = {
    "english": "Keyword, semantic and hybrid search inside PostgreSQL: one schema and a service. ",
    "german": "Die Geschwindigkeitsbegrenzung auf Autobahnen wird regelmäßig diskutiert. ",
    "russian": "Россия — государство, расположенное в Восточной Европе и Северной Азии. ",
    "greek": "Η Ελλάδα είναι χώρα της νοτιοανατολικής Ευρώπης στο νοτιότερο άκρο. ",  # noqa: RUF001
    "arabic": "اللغة العربية هي أكثر اللغات السامية تحدثًا وإحدى أكثر اللغات انتشارًا. ",
    "hindi": "भारत दक्षिण एशिया में स्थित एक देश है। ",
    "thai": "ประเทศไทยเป็นประเทศที่ตั้งอยู่ในภูมิภาคเอเชียตะวันออกเฉียงใต้",
    "chinese": "人工智能是计算机科学的一个分支，它企图了解智能的实质。",  # noqa: RUF001
    "japanese": "日本茶は急須でいれる。湯の温度が大切です。東京都の人口は約千四百万人。",
    "korean": "대한민국은 동아시아의 한반도 남부에 위치한 민주공화국이다. ",
    "json": '{"document_key": "car", "title": "Washing a car", "list": [1, 2, 3]}\n',
    "numbers": "3.14159 2718 1.41421, 17, 42\n",
    "code": "def count_tokens(self, text: str) -> int:\n    return self._count_tokens(text)\n",
}


@pytest.mark.parametrize("language", SAMPLES)
def test_the_estimate_is_seldom_below_the_count_and_never_far(language: str) -> None:
    """The splitter comes with OpenAI's vocabulary: one chunk is what fits into that many tokens."""
    text = SAMPLES[language] * 20
    estimate = estimated_tokens(text)

    def fits(tokens: int) -> bool:
        splitter = TextSplitter.from_tiktoken_model("text-embedding-3-small", tokens, trim=False)
        return len(splitter.chunks(text)) == 1

    assert fits(int(estimate * 1.15))
    assert not fits(int(estimate * 0.45))


def byte_encoding() -> tiktoken.Encoding:
    ranks = {bytes([value]): value for value in range(256)}
    return tiktoken.Encoding(
        "cl100k_base", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={}
    )


def test_tiktoken_counts_where_its_encoding_is_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {"cl100k_base": byte_encoding()})
    embedder = OpenAIEmbedder("text-embedding-3-small")
    assert embedder.count_tokens("twelve bytes") == estimated_tokens("twelve bytes") == 4
    (tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").write_bytes(b"")
    assert OpenAIEmbedder("text-embedding-3-small").count_tokens("twelve bytes") == 12
    assert OpenAIEmbedder("bge-m3").count_tokens("twelve bytes") == 4


def test_tiktoken_is_kept_from_downloading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("tiktoken.load.read_file", lambda path: asked.append(path) or b"")
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {})
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert OpenAIEmbedder("text-embedding-3-small").count_tokens("one two") == 2
    assert not asked
    (tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").write_bytes(b"damaged")
    assert OpenAIEmbedder("text-embedding-3-small").count_tokens("one two") == 2
    assert asked


def test_without_tiktoken_there_is_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert openai_tokens.token_counter("text-embedding-3-small") is estimated_tokens


# What goes wrong


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(401, {"error": {"message": f"Incorrect API key: {KEY}"}}), "refused the key"),
        (Answer(403, {"error": {"message": f"{KEY} may not"}}), "refused the key"),
        (Answer(404, {"error": {"message": "no model"}}), "no such model at http://127.0.0.1:"),
        (Answer(429, {"error": {"message": f"quota of {KEY}"}}), "rate limit or quota (HTTP 429)"),
        (Answer(500, {"error": {"message": f"{KEY} crashed"}}), "failed (HTTP 500)"),
        (Answer(503, "<html>a private text</html>"), "failed (HTTP 503)"),
        (Answer(302, "", {"Location": "/elsewhere"}), "(HTTP "),
        (Answer(0, None), "cannot be reached: "),
    ],
)
def test_a_server_that_refuses_or_fails(
    endpoint: EmbeddingServer, answer: Answer, words: str
) -> None:
    endpoint.respond = lambda _: answer
    error = failure(OpenAIEmbedder("bge-m3"))
    assert isinstance(error, ModelUnavailable)
    assert words in str(error) and "a private text" not in str(error)


@pytest.mark.parametrize("status", [429, 502])
def test_the_message_tells_how_often_it_was_tried(
    endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("RETRIEVAL_OPENAI_MAX_RETRIES", "2")
    endpoint.respond = lambda _: Answer(status, {}, {"retry-after-ms": "1"})
    assert str(failure(OpenAIEmbedder("bge-m3"))).endswith(f"(HTTP {status}) after 3 tries")
    assert len(endpoint.received) == 3


def test_a_server_that_is_slow(endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_OPENAI_TIMEOUT_SECONDS", "0.2")
    endpoint.meeting = threading.Barrier(2)
    assert "no answer within 0.2 seconds" in str(failure(OpenAIEmbedder("bge-m3")))
    endpoint.meeting.abort()


def test_a_server_that_is_not_there(
    endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://user:secret@127.0.0.1:9/v1"
    monkeypatch.setenv("RETRIEVAL_OPENAI_BASE_URL", url)
    message = str(failure(OpenAIEmbedder("bge-m3")))
    assert message == "model 'bge-m3' at 127.0.0.1:9 cannot be reached: Connection refused"


def test_a_refused_request_quotes_the_server(endpoint: EmbeddingServer) -> None:
    words = "Model bge-m3 does not support\nmatryoshka representation."
    endpoint.respond = lambda _: Answer(400, {"error": {"message": words}})
    error = failure(OpenAIEmbedder("bge-m3", dimensions=4))
    assert isinstance(error, InvalidInput)
    assert str(error).endswith(
        "(HTTP 400): Model bge-m3 does not support matryoshka representation"
    )


@pytest.mark.parametrize("quoted", [KEY, "a private text"])
def test_a_server_that_quotes_the_key_or_a_text_is_not_quoted(
    endpoint: EmbeddingServer, quoted: str
) -> None:
    endpoint.respond = lambda _: Answer(400, {"error": {"message": f"I do not like {quoted}"}})
    error = failure(OpenAIEmbedder("bge-m3", dimensions=4))
    assert str(error).endswith("refused the request (HTTP 400)")


def rows(*embeddings: Any) -> dict[str, Any]:
    data = [{"index": index, "embedding": each} for index, each in enumerate(embeddings)]
    return {"data": data}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (rows([float("nan"), 1]), "NaN or infinity"),
        (rows([None, 1]), "NaN or infinity"),
        ('{"data": [{"index": 0, "embedding": [1e999, 0]}]}', "NaN or infinity"),
        (rows([1e300, 1e300]), "NaN or infinity"),
        (rows([0, 0]), "a vector of zeros"),
        (rows([]), "a vector of zeros"),
        (rows([1, 0], [0, 1]), "2 vectors for 1 texts"),
        (rows(), "0 vectors for 1 texts"),
        ({"data": [{"index": 1, "embedding": [1, 0]}]}, "index is not 0 to 0"),
        (rows("AACAPwAAAAA="), "not lists of numbers"),
        (rows([[1, 2], [3]]), "not lists of numbers"),
        (rows([[1, 2], [3, 4]]), "not lists of numbers"),
        (rows(1), "not lists of numbers"),
        (rows([1, 0, 0]), "vectors of 3 dimensions instead of 2"),
        ({"data": [{"embedding": [1, 0]}]}, "no embeddings with their index"),
        ({"data": None}, "no embeddings with their index"),
        ([], "no embeddings with their index"),
        ("<html>a private text</html>", "not JSON"),
    ],
)
def test_an_answer_that_is_no_embedding(endpoint: EmbeddingServer, body: Any, words: str) -> None:
    endpoint.respond = lambda _: Answer(200, body)
    error = failure(OpenAIEmbedder("bge-m3", dimensions=2))
    assert isinstance(error, ModelUnavailable)
    assert words in str(error) and "private" not in str(error)


def test_an_index_given_twice(endpoint: EmbeddingServer) -> None:
    data = [{"index": 0, "embedding": [1, 0]}] * 2
    endpoint.respond = lambda _: Answer(200, {"data": data})
    error = failure(OpenAIEmbedder("bge-m3", dimensions=2), "one", "two")
    assert "index is not 0 to 1, each once" in str(error)


def test_a_failed_batch_ends_the_call(endpoint: EmbeddingServer) -> None:
    """The second call would have to wait for whatever the first one had left in the queue."""
    endpoint.respond = lambda _: Answer(401, {})
    embedder = OpenAIEmbedder("bge-m3", dimensions=8, batch_size=1, concurrency=2)
    failure(embedder, *(f"text {number}" for number in range(100)))
    failure(embedder, "one more")
    assert len(endpoint.received) < 100


# The key


def test_the_key_is_shown_nowhere(
    endpoint: EmbeddingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    embedder = OpenAIEmbedder("bge-m3")
    embedder.embed_query("query")
    endpoint.respond = lambda _: Answer(401, {"error": {"message": KEY}}, {"X-Echo": "none"})
    failure(embedder)
    shown = [repr(embedder), json.dumps(embedder.signature.to_json()), caplog.text]
    shown += [str(vars(record)) for record in caplog.records]
    assert caplog.records and all(KEY not in each for each in shown)


def test_a_server_of_ones_own_needs_no_key(
    endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    OpenAIEmbedder("bge-m3").embed_query("query")
    assert "authorization" not in endpoint.received[0].headers
    endpoint.respond = lambda _: Answer(401, {})
    assert "wants a key (HTTP 401): set OPENAI_API_KEY" in str(failure(OpenAIEmbedder("bge-m3")))


@pytest.mark.parametrize("key", [None, " "])
def test_openai_needs_a_key(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "RETRIEVAL_OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ModelUnavailable, match=r"api\.openai\.com needs a key in OPENAI_API_KEY"):
        OpenAIEmbedder("text-embedding-3-small").embed_query("query")


def test_blanks_around_the_key_are_not_part_of_it(
    endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    OpenAIEmbedder("bge-m3").embed_query("query")
    assert endpoint.received[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["sk-\u00e9", "sk-a\nb"])
def test_a_key_that_no_header_takes(
    endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY holds characters") as caught:
        OpenAIEmbedder("bge-m3").embed_query("query")
    assert key not in str(caught.value)


# Where it is and what it is called


def test_the_address_from_the_argument_or_the_environment(
    endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def address(base_url: str | None = None) -> str:
        return openai_client.OpenAIClient("m", base_url, None).name.split()[-1]

    monkeypatch.setenv("OPENAI_BASE_URL", "http://library/v1")
    monkeypatch.setenv("RETRIEVAL_OPENAI_BASE_URL", "http://setting/v1")
    assert address("https://argument:8443/v1") == "argument:8443"
    assert address() == "setting"
    monkeypatch.delenv("RETRIEVAL_OPENAI_BASE_URL")
    assert address() == "library"
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    assert address() == "api.openai.com"


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://h:port"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="http://localhost:8000/v1"):
        OpenAIEmbedder("bge-m3", base_url=url)


def test_a_model_needs_a_name() -> None:
    with pytest.raises(InvalidInput, match="openai:bge-m3"):
        OpenAIEmbedder(" ")


@pytest.mark.parametrize("name", ["dimensions", "max_tokens", "batch_size", "concurrency"])
def test_a_number_below_one_is_refused(name: str) -> None:
    given: dict[str, Any] = {name: 0}
    with pytest.raises(InvalidInput, match=f"{name} of model 'bge-m3' must be at least 1, not 0"):
        OpenAIEmbedder("bge-m3", **given)


def test_without_the_library(endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    assert "pip install 'retrieval[openai]'" in str(failure(OpenAIEmbedder("bge-m3")))
