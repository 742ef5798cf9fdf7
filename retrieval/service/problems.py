"""Problem details (RFC 9457): what every error looks like to a client."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from retrieval import errors

EMBEDDINGS_PATH = "/v1/embeddings"
PROBLEM_MEDIA_TYPE = "application/problem+json"
DETAIL_LENGTH = 500

logger = logging.getLogger("retrieval.service")


class Kind(NamedTuple):
    """One row of the table of problems."""

    slug: str
    status: int
    title: str


INTERNAL_ERROR = Kind("internal-error", 500, "The service failed")
INVALID_INPUT = Kind("invalid-input", 422, "The request cannot be used as it is")

_ERRORS: dict[type[errors.RetrievalError], Kind] = {
    errors.NotFound: Kind("not-found", 404, "No such collection, space or document"),
    errors.AlreadyExists: Kind("already-exists", 409, "The name is taken"),
    errors.InvalidInput: INVALID_INPUT,
    errors.NotReady: Kind("not-ready", 409, "Not in the state that the request needs"),
    errors.ConditionFailed: Kind(
        "condition-failed", 412, "What is stored is not what the request expects"
    ),
    errors.SpaceMismatch: Kind("space-mismatch", 409, "The model does not fit the space"),
    errors.SchemaMismatch: Kind("schema-mismatch", 503, "The database's schema does not fit"),
    errors.DatabaseUnavailable: Kind("database-unavailable", 503, "The database is unavailable"),
    errors.ModelUnavailable: Kind("model-unavailable", 503, "The model is unavailable"),
    errors.RetrievalError: INTERNAL_ERROR,
}
_STATUSES: dict[int, Kind] = {
    400: Kind("malformed-request", 400, "The request cannot be read"),
    404: Kind("unknown-path", 404, "Nothing is served at this path"),
    405: Kind("method-not-allowed", 405, "The path does not take this method"),
    413: Kind("content-too-large", 413, "The body is too large"),
    415: Kind("unsupported-media-type", 415, "The body is of another type than is taken here"),
    422: INVALID_INPUT,
}
# Their own messages name hosts, users or tables; those belong into the log.
_CLOSED = {
    "internal-error": "the reason is in the log of the service",
    "database-unavailable": "the database cannot be reached; try again later",
}


class OpenAIError(BaseModel):
    """The same problem in the words of OpenAI's API."""

    message: str = Field(description="What is wrong with this request, in one line.")
    type: str = Field(description="Whose fault it is: invalid_request_error or server_error.")
    param: str | None = Field(description="Always null.")
    code: str = Field(description="Which problem it is; stable, to be compared by programs.")


class Problem(BaseModel):
    """Why a request failed, as in RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/not-found",
                    "title": "No such collection, space or document",
                    "status": 404,
                    "detail": "collection handbook does not exist",
                    "instance": "/v1/collections/handbook/search",
                }
            ]
        }
    )

    type: str = Field(description="Which problem it is; stable, to be compared by programs.")
    title: str = Field(description="The problem in a few words, the same for each of its type.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, in one line.")
    instance: str = Field(description="The path of the request.")
    error: OpenAIError | None = Field(
        default=None,
        description="For clients of OpenAI's API; there at /v1/embeddings alone.",
    )


class ProblemResponse(JSONResponse):
    """A problem; written in ASCII, as a detail may quote any text."""

    media_type = PROBLEM_MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode("ascii")


def problem_response(
    kind: Kind, detail: str, scope: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    """The response for a problem of this kind."""
    problem = Problem(
        type=f"/problems/{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=_one_line(_CLOSED.get(kind.slug, detail)),
        instance=_instance(scope),
    )
    if scope["path"] == EMBEDDINGS_PATH:
        fault = "invalid_request_error" if kind.status < 500 else "server_error"
        problem.error = OpenAIError(
            message=problem.detail, type=fault, param=None, code=kind.slug.replace("-", "_")
        )
    content = problem.model_dump(exclude=None if problem.error else {"error"})
    return ProblemResponse(content, kind.status, headers=headers)


def status_kind(status: int) -> Kind:
    """The kind of a problem of which no more is known than its status."""
    return _STATUSES.get(status, Kind(f"http-{status}", status, "The request failed"))


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error with a problem."""
    app.exception_handler(errors.RetrievalError)(_retrieval_error)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_validation_error)
    app.exception_handler(Exception)(_unexpected_error)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can fail in these ways, and in those of every route.

    Of every route a path, or a parameter that nobody knows, may be what cannot be used.
    """
    described = {
        404: "No such collection, space or document",
        409: "Taken, not ready, or of another model",
        413: "The body is too large",
        412: "What is stored is not what the request expects",
        415: "The body is of another type than is taken here",
        422: "The request cannot be used as it is; the detail names the field",
        500: "The service failed",
        503: "The database or the model is unavailable",
    }
    return {
        status: {"model": Problem, "description": described.get(status, status_kind(status).title)}
        for status in sorted({*statuses, 400, 422, 500, 503})
    }


def error_kind(error: errors.RetrievalError) -> Kind:
    """The kind of the problem that an error is."""
    return next(_ERRORS[each] for each in type(error).__mro__ if each in _ERRORS)


def shown_detail(error: errors.RetrievalError) -> str:
    """What a client may be told of an error, in one line."""
    return _one_line(_CLOSED.get(error_kind(error).slug, str(error)))


async def _retrieval_error(request: Request, error: errors.RetrievalError) -> ProblemResponse:
    kind = error_kind(error)
    if kind.status >= 500:
        cause = error if kind is INTERNAL_ERROR else None
        logger.error("%s %s: %s", request.method, _instance(request.scope), error, exc_info=cause)
    return problem_response(kind, str(error), request.scope)


async def _http_error(request: Request, error: HTTPException) -> ProblemResponse:
    detail, headers = error.detail, error.headers
    if error.status_code == 404:
        detail = f"nothing is served at {_instance(request.scope)}"
    elif error.status_code == 405:
        allowed = _allowed_methods(request)
        detail = f"{request.method} is not allowed here; allowed: {allowed}"
        headers = {"Allow": allowed}
    return problem_response(status_kind(error.status_code), detail, request.scope, headers)


async def _validation_error(request: Request, error: RequestValidationError) -> ProblemResponse:
    return problem_response(INVALID_INPUT, described(error.errors(), 1), request.scope)


async def _unexpected_error(request: Request, error: Exception) -> ProblemResponse:
    # Starlette raises the error once more after this response, and the server logs it
    return problem_response(INTERNAL_ERROR, "", request.scope)


def described(found: Sequence[Any], start: int = 0, whole: str = "body") -> str:
    """Each field, from this part of its path on, with what is wrong with it."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'][start:])) or (each['loc'] or [whole])[0]}: {each['msg']}"
        for each in found
    )


def _allowed_methods(request: Request) -> str:
    """What the path takes: a route by itself knows one method only."""
    path = getattr(request.scope.get("route"), "path_format", "")
    operations = request.app.openapi()["paths"].get(path) or {"get": None}
    return ", ".join(sorted(method.upper() for method in operations))


def _instance(scope: Mapping[str, Any]) -> str:
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("ascii", "replace") if raw else quote(scope["path"], errors="replace")


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_LENGTH else f"{line[: DETAIL_LENGTH - 1]}…"
