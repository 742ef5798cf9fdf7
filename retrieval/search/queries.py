"""What the legs of a search are searched with, and the steps that find it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from retrieval.embedding.spaces import KnownSpace, KnownSpaces, check_found
from retrieval.errors import NotReady
from retrieval.observing import observer
from retrieval.search.request import DEFAULT_LEGS, QUERIES, SearchRequest, WantedSpace
from retrieval.search.statements import space_statement
from retrieval.steps import Compute, Read, Steps, Wait


@dataclass(frozen=True, slots=True)
class Queries:
    """Embeddings by leg, and of those that a model made here the signatures of their spaces."""

    embeddings: Mapping[str, Any] = field(default_factory=dict)
    signatures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def query_steps(request: SearchRequest, known_spaces: KnownSpaces) -> Steps[Queries]:
    """Embed the query for every leg that was not given its own.

    By default a collection without a dense space is searched by its words alone.
    """
    given = {leg: getattr(request, name) for leg, name in QUERIES.items()}
    embeddings = {leg: each for leg, each in given.items() if each is not None}
    spaces: dict[str, KnownSpace] = {}
    for wanted in request.wanted_spaces():
        optional = wanted.leg == "semantic" and set(request.legs) == set(DEFAULT_LEGS)
        try:
            spaces[wanted.leg] = yield from space_steps(request.collection, wanted, known_spaces)
        except NotReady:
            if not optional:
                raise
    waiting = {
        leg: embedding_step(request.query, each, known_spaces) for leg, each in spaces.items()
    }
    for leg, step in waiting.items():
        embeddings[leg] = yield step
    return Queries(embeddings, {leg: dict(each.signature) for leg, each in spaces.items()})


def space_steps(
    collection: str, wanted: WantedSpace, known_spaces: KnownSpaces
) -> Steps[KnownSpace]:
    """The space of a leg, NotReady where there is none."""
    known = known_spaces.get(collection, wanted.name, wanted.kind)
    if known is None:
        row = yield Read(partial(_space_row, collection=collection, wanted=wanted))
        # a signature needs the model, and that takes a while to load
        learn = partial(known_spaces.learn, collection, wanted.name, wanted.kind, row)
        known = yield Compute(learn)
    if known is None:
        raise _no_space(collection, wanted)
    return known


def _space_row(connection: Connection, collection: str, wanted: WantedSpace) -> Any:
    statement = space_statement(collection, wanted.name, wanted.kind)
    return connection.execute(statement).one_or_none()


def embedding_step(query: str, space: KnownSpace, known_spaces: KnownSpaces) -> Compute | Wait:
    """What embeds the query: with those of other searches, among which it is put here, or alone."""
    batches = known_spaces.batches(space.embedder)
    if batches is None:
        return Compute(partial(_embedded, query, space))
    return Wait(batches.submit(query))


def _embedded(query: str, space: KnownSpace) -> Any:
    with observer().stage("embed_queries", texts=1):
        return space.embedder.embed_query(query)


def _no_space(collection: str, wanted: WantedSpace) -> NotReady:
    kind = "" if wanted.kind == "dense" else f" {wanted.kind}"
    return NotReady(f"leg {wanted.leg}: collection {collection} has no active{kind} space")


def check_steps(request: SearchRequest) -> Steps[None]:
    """Raise NotFound where the collection or the space of a request is not there."""
    name = request.space
    wanted = WantedSpace("semantic", name, None if name else "dense")
    row = yield Read(partial(_space_row, collection=request.collection, wanted=wanted))
    check_found(request.collection, name, wanted.kind, row)
