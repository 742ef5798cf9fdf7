"""Every operation with data made from its own description: every answer is as described there.

FUZZ_EXAMPLES is how many requests an operation gets of each kind of data; more than a few of them
are chosen anew each time.
"""

import copy
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from retrieval.service import create_app

NDJSON = "application/x-ndjson"
FEW = 3
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", FEW))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
# not that valid data is accepted: no schema says what a filter or a space is
NEGATIVE_CHECKS = [*CHECKS, checks.negative_data_rejection]

DESCRIPTION = create_app().openapi()
# without authentication a missing key is nothing that could be refused
del DESCRIPTION["components"]["securitySchemes"]
for operations in DESCRIPTION["paths"].values():
    for described in operations.values():
        described.pop("security", None)
OPERATIONS = {
    operation["operationId"]: (path, method)
    for path, item in DESCRIPTION["paths"].items()
    for method, operation in item.items()
}
# any text is lines: there are none that the description forbids
JSON_ONLY = copy.deepcopy(DESCRIPTION)
for described in JSON_ONLY["paths"].values():
    described.get("post", {}).get("requestBody", {}).get("content", {}).pop(NDJSON, None)
REFUSALS = {
    "negative_data_rejection": {"expected-statuses": [400, 404, 405, 409, 412, 413, 415, 422]}
}
CONFIG = schemathesis.Config.from_dict({"checks": REFUSALS})
SCHEMAS = {
    GenerationMode.POSITIVE: schemathesis.openapi.from_dict(DESCRIPTION, config=CONFIG),
    GenerationMode.NEGATIVE: schemathesis.openapi.from_dict(JSON_ONLY, config=CONFIG),
}
HANDBOOK = "/v1/collections/handbook"


def cases() -> Iterator[Any]:
    """Operations with valid data, and with invalid where there is something that can be so."""
    for operation_id, (path, method) in OPERATIONS.items():
        yield pytest.param(operation_id, GenerationMode.POSITIVE, id=operation_id)
        operation = DESCRIPTION["paths"][path][method]
        typed = {each["in"] for each in operation.get("parameters", [])} & {"query"}
        if typed or "requestBody" in operation:
            yield pytest.param(operation_id, GenerationMode.NEGATIVE, id=f"{operation_id}-negative")


@schemathesis.serializer(NDJSON)
def as_lines(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """The lines as they were made."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def filled(shared_client: httpx.Client) -> Iterator[httpx.Client]:
    """A handbook with a document, and with a reranker that needs no model."""
    document = {"content": "To rotate a key, issue a new one.", "metadata": {"year": 2026}}
    assert shared_client.put(f"{HANDBOOK}/documents/keys", json=document).status_code == 201
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RETRIEVAL_RERANKER", "word-overlap")
        yield shared_client


def without_models(case: Case) -> Case:
    """Replace the names of models: any name is valid, and would be looked for."""
    body = case.body
    if isinstance(body, dict):
        if isinstance(body.get("model"), str) and body["model"]:
            body["model"] = "handbook" if case.path == "/v1/embeddings" else "hashing"
        if isinstance(body.get("rerank"), str) and body["rerank"]:
            body["rerank"] = "word-overlap"
        stored = body.get("rerank")  # of a collection's ranking
        if isinstance(stored, dict) and isinstance(stored.get("model"), str) and stored["model"]:
            stored["model"] = "word-overlap"
    return case


@pytest.mark.parametrize(("operation_id", "mode"), list(cases()))
def test_every_answer_is_described(
    filled: httpx.Client, operation_id: str, mode: GenerationMode
) -> None:
    path, method = OPERATIONS[operation_id]
    operation = SCHEMAS[mode][path][method]
    # what is dropped is not what the others ask
    collection = "other" if operation_id == "drop_collection" else "handbook"
    fixed = {"name": collection} if "{name}" in path else {}
    options: dict[str, Any] = {"generation_mode": mode, "path_parameters": fixed}
    asked = CHECKS if mode is GenerationMode.POSITIVE else NEGATIVE_CHECKS

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=EXAMPLES <= FEW,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(**options))
    def answered(case: Case) -> None:
        without_models(case).call_and_validate(base_url=str(filled.base_url), checks=asked)

    answered()
