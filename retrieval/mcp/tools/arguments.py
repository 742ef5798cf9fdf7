"""Arguments that several tools share."""

from typing import Annotated, Any

from pydantic import Field

from retrieval.mcp.found import MAXIMUM_RESULTS

CollectionName = Annotated[
    str | None,
    Field(
        min_length=1,
        description="The collection, by its name from list_collections; may be left out where "
        "there is one only.",
    ),
]
Query = Annotated[str, Field(min_length=1, max_length=4000)]
MaxResults = Annotated[int, Field(ge=1, le=MAXIMUM_RESULTS, description="How many hits at most.")]
ChunkId = Annotated[int, Field(ge=1, le=2**63 - 1)]
MetadataFilter = Annotated[
    dict[str, Any] | None,
    Field(
        description="Conditions on the metadata, all of which must hold. "
        '{"team": "infra"} is equality, {"year": {"$gte": 2024}} a comparison, '
        '{"$or": [{"tags": {"$contains": "security"}}, {"path": {"$prefix": "docs/"}}]} '
        "alternatives. Operators: $eq $ne $gt $gte $lt $lte $in $nin $exists $contains $prefix "
        "$and $or $not. The tool facets shows which values there are.",
    ),
]
