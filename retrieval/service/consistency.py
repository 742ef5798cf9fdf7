"""Reading one's own writes, over HTTP: a write says where it is in the log, a search names that."""

from contextlib import suppress
from typing import Annotated

from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse

from retrieval.errors import RetrievalError
from retrieval.search import AsyncRetriever

LSN_HEADER = "Retrieval-LSN"

MinimumLsn = Annotated[
    str | None,
    Header(
        alias="Retrieval-Minimum-LSN",
        description=f"What the answer of a write had as {LSN_HEADER}: that write is seen.",
        pattern="^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$",
        examples=["0/16B3748"],
    ),
]


def seen_from(retriever: AsyncRetriever, minimum_lsn: str | None) -> AsyncRetriever:
    """The retriever, or one that sees what was written up to a position in the log."""
    return retriever if minimum_lsn is None else retriever.at_least(minimum_lsn)


def will_write(request: Request) -> None:
    """Note that the request writes, whose answer then says how far."""
    request.state.writes = True


async def say_how_far(request: Request, response: Response) -> None:
    """Give the answer of a write its header; one that is still being made has none."""
    if not getattr(request.state, "writes", False) or response.status_code >= 400:
        return
    if not isinstance(response, StreamingResponse):
        retriever: AsyncRetriever = request.app.state.retriever
        # what is written is written, whatever becomes of this question
        with suppress(RetrievalError):
            response.headers[LSN_HEADER] = await retriever.lsn()
