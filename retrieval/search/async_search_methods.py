"""What a retriever can be asked, for asyncio."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from pgvector import SparseVector
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from retrieval import orm
from retrieval.loading.normalise import normalise_text
from retrieval.reranking import Reranker
from retrieval.search.by_image import QueryImage, image_hits
from retrieval.search.chunk_map import ChunkMap, MapRequest, map_steps
from retrieval.search.request import DEFAULT_LEGS, Boosts, SearchRequest
from retrieval.search.results import (
    DocumentHit,
    Facet,
    Hit,
    PassageHit,
    RankedChunk,
)
from retrieval.search.searches import (
    Searches,
    found_hits,
    found_passages,
    rows,
)
from retrieval.steps import Result, Steps

Caller = AsyncConnection | AsyncSession | None


class AsyncSearchMethods:
    """The searches of `AsyncRetriever`; what they do is in retrieval.search.searches."""

    _searches: Searches

    async def _drive(self, steps: Steps[Result], connection: Caller) -> Result:
        raise NotImplementedError

    async def search(
        self,
        collection: str,
        query: str,
        *,
        max_results: int = 10,
        metadata_filter: Mapping[str, Any] | None = None,
        legs: Collection[str] = DEFAULT_LEGS,
        fusion: str | None = None,
        weights: Mapping[str, float] | None = None,
        rrf_k: int | None = None,
        candidates: int | None = None,
        leg_candidates: Mapping[str, int] | None = None,
        boosts: Boosts | None = None,
        duplicate_similarity: float | None = None,
        per_document: int | None = None,
        mmr_lambda: float | None = None,
        result_offset: int | None = None,
        late_interaction: str | None = None,
        space: str | None = None,
        spaces: Collection[str] = (),
        keyword_operator: str | None = None,
        field_weights: Mapping[str, float] | None = None,
        k1: float | None = None,
        b: float | None = None,
        search_effort: int | None = None,
        query_embedding: Sequence[float] | Any | None = None,
        query_sparse: SparseVector | Any | None = None,
        query_tokens: Sequence[Any] | Any | None = None,
        rerank: bool | str | Reranker | None = None,
        rerank_candidates: int | None = None,
        connection: Caller = None,
    ) -> list[Hit]:
        """The best chunks, best first.

        `legs` are some of keyword, semantic, sparse and late_interaction; each of `spaces`, by
        name, is one more. The models of their spaces embed the query, except for a leg whose
        `query_embedding`, `query_sparse` or `query_tokens` is given. With the default legs a
        collection without an active dense space is searched by its words alone.

        `space` is the dense space of the semantic leg, without a name the active one, and what
        `duplicate_similarity` and `mmr_lambda` compare in; of a sparse or late-interaction search
        alone it is theirs. The other options are those of the SQL function hybrid_search. Without
        any of them a single leg is searched by its own function, and `score` is the leg's own;
        pages of it need `result_offset` from the first one on, which is 0.

        `rerank` is a reranker, its name, True for that of the settings, or False for none; without
        it what set_ranking says, which is remembered for 30 seconds. It reads the query as it is
        with title and content of `rerank_candidates` hits, without a number those of set_ranking,
        else 50, or `max_results` if that is more, and the best by its scores are returned. Pages
        are cut after that.
        """
        request = SearchRequest.of(locals())
        steps = self._searches.hits(request, rerank, rerank_candidates, retry=connection is None)
        return await self._drive(steps, connection)

    async def explain(
        self, collection: str, query: str, *, connection: Caller = None, **search: Any
    ) -> dict[str, Any]:
        """How hybrid search comes to its ranking: legs, and for each hit what made its score.

        `search` are the other arguments of the method of that name, except for reranking; what is
        returned is what the SQL function explain_search says.
        """
        request = SearchRequest(collection=collection, query=query, **search)
        steps = self._searches.explanation(request, retry=connection is None)
        return await self._drive(steps, connection)

    async def search_documents(
        self,
        collection: str,
        query: str,
        *,
        aggregation: str | None = None,
        connection: Caller = None,
        **search: Any,
    ) -> list[DocumentHit]:
        """The best documents by their chunks, best first.

        `aggregation` makes the score of a document of those of its chunks: max, which is the
        default, sum, or mean_of_best. `search` are the other arguments of the method of that name,
        except for those that choose among chunks: reranking, duplicates, diversity and pages.
        """
        request = SearchRequest(collection=collection, query=query, **search)
        steps = self._searches.documents(request, aggregation, retry=connection is None)
        return await self._drive(steps, connection)

    async def search_by_image(
        self,
        collection: str,
        image: QueryImage,
        *,
        metadata_filter: Mapping[str, Any] | None = None,
        max_results: int = 10,
        space: str | None = None,
        search_effort: int | None = None,
        connection: Caller = None,
    ) -> list[Hit]:
        """The chunks nearest to an image, which is a file or one of Pillow's.

        They are searched for in the active space of images, or in the one of that name.
        """
        steps = image_hits(
            collection,
            image,
            space,
            self._searches.spaces,
            metadata_filter=metadata_filter,
            max_results=max_results,
            search_effort=search_effort,
        )
        return await self._drive(steps, connection)

    async def recommend(
        self,
        collection: str,
        positive: Sequence[int],
        negative: Sequence[int] = (),
        *,
        metadata_filter: Mapping[str, Any] | None = None,
        max_results: int = 10,
        space: str | None = None,
        strategy: str | None = None,
        exclude_documents: bool | None = None,
        candidates: int | None = None,
        search_effort: int | None = None,
        connection: Caller = None,
    ) -> list[Hit]:
        """The chunks most like some chunks, and unlike others, by their ids."""
        found = orm.recommend(
            collection,
            list(positive),
            list(negative),
            metadata_filter=metadata_filter,
            max_results=max_results,
            space=space,
            strategy=strategy,
            exclude_documents=exclude_documents,
            candidates=candidates,
            search_effort=search_effort,
        )
        return await self._drive(found_hits(found), connection)

    async def recommend_documents(
        self,
        collection: str,
        positive_keys: Sequence[str],
        negative_keys: Sequence[str] = (),
        *,
        metadata_filter: Mapping[str, Any] | None = None,
        max_results: int = 10,
        space: str | None = None,
        strategy: str | None = None,
        candidates: int | None = None,
        search_effort: int | None = None,
        connection: Caller = None,
    ) -> list[Hit]:
        """The best chunk of each of the documents most like some, and unlike others."""
        found = orm.recommend_documents(
            collection,
            list(positive_keys),
            list(negative_keys),
            metadata_filter=metadata_filter,
            max_results=max_results,
            space=space,
            strategy=strategy,
            candidates=candidates,
            search_effort=search_effort,
        )
        return await self._drive(found_hits(found), connection)

    async def more_like_this(
        self,
        collection: str,
        example_document: str | None = None,
        *,
        metadata_filter: Mapping[str, Any] | None = None,
        max_results: int = 10,
        terms: int | None = None,
        example_chunk: int | None = None,
        field_weights: Mapping[str, float] | None = None,
        connection: Caller = None,
    ) -> list[Hit]:
        """The chunks most like a document, by its key, or like a chunk, by their words."""
        found = orm.more_like_this(
            collection,
            example_document,
            metadata_filter=metadata_filter,
            max_results=max_results,
            terms=terms,
            example_chunk=example_chunk,
            field_weights=field_weights,
        )
        return await self._drive(found_hits(found), connection)

    async def passages(
        self,
        collection: str,
        hits: Sequence[Hit | DocumentHit | RankedChunk],
        *,
        before: int = 0,
        after: int = 0,
        connection: Caller = None,
    ) -> list[PassageHit]:
        """The passages that hits are part of, each wider by some chunks, in the hits' order.

        Those that overlap or touch in their document are one, at the place of the first of them.
        """
        return await self._drive(found_passages(collection, hits, before, after), connection)

    async def facets(
        self,
        collection: str,
        keys: Sequence[str],
        query: str | None = None,
        *,
        metadata_filter: Mapping[str, Any] | None = None,
        keyword_operator: str | None = None,
        max_values: int | None = None,
        chunk_ids: Sequence[int] | None = None,
        connection: Caller = None,
    ) -> list[Facet]:
        """How many of the matches have which value under metadata keys, the commonest first.

        Matches are the chunks that the words and the filter let through, or those of `chunk_ids`
        that they do.
        """
        found = orm.facets(
            collection,
            list(keys),
            None if query is None else normalise_text(query),
            metadata_filter=metadata_filter,
            keyword_operator=keyword_operator,
            max_values=max_values,
            chunk_ids=None if chunk_ids is None else list(chunk_ids),
        )
        counted = await self._drive(rows(select(*found.c)), connection)
        return [Facet(**row._mapping) for row in counted]

    async def count_matches(
        self,
        collection: str,
        query: str,
        *,
        metadata_filter: Mapping[str, Any] | None = None,
        keyword_operator: str | None = None,
        exact: bool = False,
        connection: Caller = None,
    ) -> int:
        """How many chunks the words match, for a line such as "about 1,200 results".

        From 1,000 on it is an estimate, unless `exact`.
        """
        counted = orm.count_matches(
            collection,
            normalise_text(query),
            metadata_filter=metadata_filter,
            keyword_operator=keyword_operator,
            exact=exact,
        )
        ((matches,),) = await self._drive(rows(select(counted)), connection)
        return int(matches)

    async def map(
        self,
        collection: str,
        query: str | None = None,
        *,
        chunk_ids: Sequence[int] | None = None,
        color_by: str | None = None,
        max_points: int = 2000,
        max_results: int = 10,
        metadata_filter: Mapping[str, Any] | None = None,
        space: str | None = None,
        method: str = "pca",
        connection: Caller = None,
    ) -> ChunkMap:
        """Some chunks of a dense space in two dimensions, with the query and what it finds.

        At most `max_points` are drawn, the same ones each time, and what is found besides: the
        hits of a search for the query or, where they are given, `chunk_ids`. `color_by` is a
        metadata key whose values are told with the points. `method` is pca.
        """
        request = MapRequest(
            collection,
            query,
            chunk_ids,
            color_by,
            max_points,
            max_results,
            metadata_filter,
            space,
            method,
        )
        find = partial(self._searches.found, retry=connection is None)
        return await self._drive(map_steps(request, self._searches.spaces, find), connection)
