"""The description that clients are generated from."""

from typing import Any

import pytest

import retrieval
from retrieval.service import create_app

OPERATIONS = {
    "list_collections": "GET /v1/collections",
    "create_collection": "POST /v1/collections",
    "get_collection": "GET /v1/collections/{name}",
    "drop_collection": "DELETE /v1/collections/{name}",
    "set_ranking": "PUT /v1/collections/{name}/ranking",
    "set_field_weights": "PUT /v1/collections/{name}/field-weights",
    "set_chunking": "PUT /v1/collections/{name}/chunking",
    "calibrate": "POST /v1/collections/{name}/calibrate",
    "put_documents": "POST /v1/collections/{name}/documents",
    "put_files": "POST /v1/collections/{name}/files",
    "list_documents": "GET /v1/collections/{name}/documents",
    "put_document": "PUT /v1/collections/{name}/documents/{key}",
    "get_document": "GET /v1/collections/{name}/documents/{key}",
    "delete_document": "DELETE /v1/collections/{name}/documents/{key}",
    "list_chunks": "GET /v1/collections/{name}/chunks",
    "get_chunk": "GET /v1/collections/{name}/chunks/{chunk_id}",
    "search": "POST /v1/collections/{name}/search",
    "count_matches": "POST /v1/collections/{name}/search/counts",
    "explain_search": "POST /v1/collections/{name}/search/explain",
    "search_documents": "POST /v1/collections/{name}/search/documents",
    "recommend": "POST /v1/collections/{name}/recommend",
    "map_chunks": "POST /v1/collections/{name}/map",
    "recommend_documents": "POST /v1/collections/{name}/recommend/documents",
    "more_like_this": "POST /v1/collections/{name}/more_like_this",
    "passages": "POST /v1/collections/{name}/passages",
    "answer": "POST /v1/collections/{name}/answer",
    "list_golden_sets": "GET /v1/collections/{name}/golden-sets",
    "create_golden_set": "POST /v1/collections/{name}/golden-sets",
    "get_golden_set": "GET /v1/collections/{name}/golden-sets/{golden_set}",
    "drop_golden_set": "DELETE /v1/collections/{name}/golden-sets/{golden_set}",
    "list_golden_queries": "GET /v1/collections/{name}/golden-sets/{golden_set}/queries",
    "put_golden_queries": "PUT /v1/collections/{name}/golden-sets/{golden_set}/queries",
    "delete_golden_query": (
        "DELETE /v1/collections/{name}/golden-sets/{golden_set}/queries/{query_key}"
    ),
    "list_judgements": "GET /v1/collections/{name}/golden-sets/{golden_set}/judgements",
    "put_judgements": "PUT /v1/collections/{name}/golden-sets/{golden_set}/judgements",
    "pool": "POST /v1/collections/{name}/golden-sets/{golden_set}/pool",
    "set_query_logging": "PUT /v1/collections/{name}/query-logging",
    "log_click": "POST /v1/collections/{name}/clicks",
    "query_report": "GET /v1/collections/{name}/query-report",
    "click_judgements": "GET /v1/collections/{name}/click-judgements",
    "forget_queries": "DELETE /v1/collections/{name}/logged-queries",
    "embed": "POST /v1/embeddings",
    "list_spaces": "GET /v1/collections/{name}/spaces",
    "create_space": "POST /v1/collections/{name}/spaces",
    "get_space": "GET /v1/collections/{name}/spaces/{space}",
    "drop_space": "DELETE /v1/collections/{name}/spaces/{space}",
    "activate_space": "POST /v1/collections/{name}/spaces/{space}/activate",
    "retire_space": "POST /v1/collections/{name}/spaces/{space}/retire",
    "resume_space": "POST /v1/collections/{name}/spaces/{space}/resume",
    "rollback_space": "POST /v1/collections/{name}/spaces/rollback",
    "list_jobs": "GET /v1/collections/{name}/jobs",
    "list_failed_jobs": "GET /v1/collections/{name}/jobs/failed",
    "retry_jobs": "POST /v1/collections/{name}/jobs/retry",
    "health": "GET /healthz",
    "readiness": "GET /readyz",
    "metrics": "GET /metrics",
}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return create_app().openapi()


def operations(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in description["paths"].items()
        for method, operation in item.items()
    }


def test_operation_ids_are_stable(description: dict[str, Any]) -> None:
    found = {each["operationId"]: route for route, each in operations(description).items()}
    assert found == OPERATIONS


def test_version(description: dict[str, Any]) -> None:
    assert description["info"]["version"] == retrieval.__version__


def test_every_route_is_described(description: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in description["tags"]}
    for operation in operations(description).values():
        assert operation["summary"] and operation["description"]
        assert set(operation["tags"]) <= tags


def test_every_error_is_a_problem(description: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for route, operation in operations(description).items():
        failures = {
            status: response
            for status, response in operation["responses"].items()
            if int(status) >= 400
        }
        assert failures or route in ("GET /healthz", "GET /metrics")
        for response in failures.values():
            assert response["content"] == {"application/problem+json": problem}
    assert "HTTPValidationError" not in description["components"]["schemas"]


def test_every_field_is_described(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    described = {"CollectionList", "SearchResult", "SearchAnswer", "DocumentResult", "Health"}
    for name in set(schemas) - described:
        for field, schema in schemas[name]["properties"].items():
            assert schema.get("description") or "$ref" in schema, f"{name}.{field}"


def test_fields_have_their_public_names(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    assert "metadata" in schemas["Document"]["properties"]
    assert schemas["Search"]["additionalProperties"] is False


def test_every_operation_of_the_api_says_which_key_it_needs(description: dict[str, Any]) -> None:
    assert description["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    for route, operation in operations(description).items():
        if "/v1/" not in route:
            continue
        ((_, (scope,)),) = operation["security"][0].items()
        assert scope in ("read", "write", "admin")
        assert f"Needs an API key with the scope `{scope}`." in operation["description"]
        assert {"401", "403", "429"} <= set(operation["responses"])
