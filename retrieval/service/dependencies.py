"""What routes are given: a retriever that may do what the request's API key may, and no more."""

from typing import Annotated

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPBearer, SecurityScopes
from starlette.exceptions import HTTPException

from retrieval.api_keys import ApiKey
from retrieval.errors import NotFound
from retrieval.search import AsyncRetriever
from retrieval.service.abandonment import READS_ONLY
from retrieval.service.authentication import unauthenticated
from retrieval.service.consistency import MinimumLsn, seen_from, will_write
from retrieval.service.database_roles import DatabaseRoles
from retrieval.service.described_security import SCHEME
from retrieval.service.query_log import QueryLog

# describes the header; RequireKey has read it long before
_bearer = HTTPBearer(
    scheme_name=SCHEME,
    bearerFormat="retrieval_<id>_<secret>",
    description="A key from `retrieval keys create`, with the scopes that an operation needs.",
    auto_error=False,
)


class Grants:
    """Which collections a request may use: those of its key, all of them without authentication."""

    def __init__(self, key: ApiKey | None) -> None:
        self._key = key

    def allows(self, collection: str) -> bool:
        """Whether the request may know of this collection."""
        return self._key is None or self._key.allows(collection)

    def check(self, collection: str) -> None:
        """NotFound, in the same words, for one that is not granted and one that is not there."""
        if not self.allows(collection):
            raise NotFound(f"collection {collection} does not exist")


async def _retriever(request: Request) -> AsyncRetriever:
    retriever: AsyncRetriever = request.app.state.retriever
    return retriever


def _key(request: Request) -> ApiKey | None:
    """The verified key; None without authentication."""
    if request.app.state.authentication is None:
        return None
    key: ApiKey | None = getattr(request.state, "api_key", None)
    if key is None:  # a path that asks for none has a route that needs one
        raise unauthenticated("an API key is needed")
    return key


def _grants(key: Annotated[ApiKey | None, Depends(_key)]) -> Grants:
    return Grants(key)


async def _bound_retriever(
    request: Request,
    needed: SecurityScopes,
    retriever: Annotated[AsyncRetriever, Depends(_retriever)],
    key: Annotated[ApiKey | None, Depends(_key)],
    _: Annotated[object, Security(_bearer)],
) -> AsyncRetriever:
    """The retriever in the tenant of the key, once its scope and the collection are granted."""
    (scope,) = needed.scopes
    if key is None:
        return retriever
    if scope not in key.scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        detail = f"the API key does not have the scope {scope}"
        raise HTTPException(403, detail, {"WWW-Authenticate": challenge})
    if "name" in request.path_params:
        Grants(key).check(request.path_params["name"])
    roles: DatabaseRoles = request.app.state.database_roles
    return retriever.for_tenant(key.tenant, role=await roles.of_scope(retriever, scope))


async def _reading(
    request: Request,
    retriever: Annotated[AsyncRetriever, Security(_bound_retriever, scopes=["read"])],
    minimum_lsn: MinimumLsn = None,
) -> AsyncRetriever:
    """What only reads may be given up when its client goes, and has so much time."""
    setattr(request.state, READS_ONLY, True)
    bound = retriever.with_statement_timeout(request.app.state.statement_timeout)
    return seen_from(bound, minimum_lsn)


async def _reporting(
    request: Request,
    retriever: Annotated[AsyncRetriever, Security(_bound_retriever, scopes=["write"])],
    minimum_lsn: MinimumLsn = None,
) -> AsyncRetriever:
    """As what reads is given, to who may write: what people asked is not for all who search."""
    return await _reading(request, retriever, minimum_lsn)


async def _signalling(
    retriever: Annotated[AsyncRetriever, Security(_bound_retriever, scopes=["read"])],
) -> AsyncRetriever:
    """For what who searches may write: that is done although the client has gone on."""
    return retriever


async def _query_log(request: Request) -> QueryLog:
    log: QueryLog = request.app.state.operations.query_log
    return log


async def _writing(
    request: Request,
    retriever: Annotated[AsyncRetriever, Security(_bound_retriever, scopes=["write"])],
) -> AsyncRetriever:
    will_write(request)
    return retriever


async def _administering(
    request: Request,
    retriever: Annotated[AsyncRetriever, Security(_bound_retriever, scopes=["admin"])],
) -> AsyncRetriever:
    will_write(request)
    return retriever


# for health checks; every other route takes one of the five below, which say what it needs
OpenRetriever = Annotated[AsyncRetriever, Depends(_retriever)]
Reading = Annotated[AsyncRetriever, Depends(_reading)]
Reporting = Annotated[AsyncRetriever, Depends(_reporting)]
Signalling = Annotated[AsyncRetriever, Depends(_signalling)]
Writing = Annotated[AsyncRetriever, Depends(_writing)]
Administering = Annotated[AsyncRetriever, Depends(_administering)]
# for what is kept with the name of its key
AskingKey = Annotated[ApiKey | None, Depends(_key)]
Log = Annotated[QueryLog, Depends(_query_log)]
# for routes that name collections elsewhere than in their path, or list them
Granted = Annotated[Grants, Depends(_grants)]
CollectionName = Annotated[str, Path(description="The collection's name.", examples=["handbook"])]
DocumentKey = Annotated[
    str,
    Path(
        description="The document's key: any text, slashes included.",
        examples=["guides/keys.md"],
    ),
]
