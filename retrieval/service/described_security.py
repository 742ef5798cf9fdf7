"""The part of the service's description about keys: each operation's scope and refusals."""

from typing import Any

from retrieval.service.problems import problem_responses

SCHEME = "api_key"
_PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}


def describe_security(description: dict[str, Any]) -> None:
    """Say of every operation that needs a key which scope that is, and how it is refused."""
    for operations in description["paths"].values():
        for operation in operations.values():
            if "security" in operation:
                _describe(operation)


def _describe(operation: dict[str, Any]) -> None:
    (scope,) = operation["security"][0][SCHEME]
    needed = f"Needs an API key with the scope `{scope}`."
    operation["description"] = f"{operation.get('description', '')}\n\n{needed}".strip()
    refusals = {
        str(status): {"description": each["description"], "content": {"application/json": _PROBLEM}}
        for status, each in problem_responses(401, 403, 429).items()
    }
    operation["responses"] = dict(sorted({**refusals, **operation["responses"]}.items()))
