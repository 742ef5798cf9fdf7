"""What routes are given."""

from typing import Annotated

from fastapi import Depends, Path, Request

from retrieval.search import AsyncRetriever
from retrieval.service.abandonment import READS_ONLY


def _retriever(request: Request) -> AsyncRetriever:
    retriever: AsyncRetriever = request.app.state.retriever
    return retriever


def _reading(request: Request) -> AsyncRetriever:
    setattr(request.state, READS_ONLY, True)
    return _retriever(request).with_statement_timeout(request.app.state.statement_timeout)


# for health checks; every other route takes one of the three below, which say what it needs
OpenRetriever = Annotated[AsyncRetriever, Depends(_retriever)]
Reading = Annotated[AsyncRetriever, Depends(_reading)]
Writing = Annotated[AsyncRetriever, Depends(_retriever)]
Administering = Annotated[AsyncRetriever, Depends(_retriever)]
CollectionName = Annotated[str, Path(description="The collection's name.", examples=["handbook"])]
DocumentKey = Annotated[
    str,
    Path(
        description="The document's key: any text, slashes included.",
        examples=["guides/keys.md"],
    ),
]
