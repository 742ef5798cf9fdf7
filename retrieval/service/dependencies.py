"""What routes are given."""

from typing import Annotated

from fastapi import Depends, Path, Request

from retrieval.search import AsyncRetriever
from retrieval.service.consistency import MinimumLsn, seen_from, will_write


async def _retriever(request: Request) -> AsyncRetriever:
    retriever: AsyncRetriever = request.app.state.retriever
    return retriever


async def _reading(request: Request, minimum_lsn: MinimumLsn = None) -> AsyncRetriever:
    return seen_from(request.app.state.retriever, minimum_lsn)


async def _writing(request: Request) -> AsyncRetriever:
    will_write(request)
    return await _retriever(request)


# for health checks; every other route takes one of the three below, which say what it needs
OpenRetriever = Annotated[AsyncRetriever, Depends(_retriever)]
Reading = Annotated[AsyncRetriever, Depends(_reading)]
Writing = Annotated[AsyncRetriever, Depends(_writing)]
Administering = Annotated[AsyncRetriever, Depends(_writing)]
CollectionName = Annotated[str, Path(description="The collection's name.", examples=["handbook"])]
DocumentKey = Annotated[
    str,
    Path(
        description="The document's key: any text, slashes included.",
        examples=["guides/keys.md"],
    ),
]
