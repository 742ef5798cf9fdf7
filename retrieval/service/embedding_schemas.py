"""The bodies of /v1/embeddings, as OpenAI's API has them."""

from typing import Annotated, Literal

from pydantic import Field

from retrieval.service.schemas import RequestBody, ResponseBody

Text = Annotated[str, Field(min_length=1)]


class Embed(RequestBody):
    """Texts to be embedded by the model of a collection."""

    model: str = Field(
        min_length=1,
        description="A collection, whose active dense space is meant, or collection/space.",
        examples=["handbook", "handbook/all-MiniLM-L6-v2"],
    )
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=2048)] = Field(
        description="A text or several; tokens are not taken.",
        examples=[["How do I rotate a key?"]],
    )
    input_type: Literal["document", "query"] = Field(
        default="document",
        description="What they are; some models embed a query in another way.",
        examples=["query"],
    )
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="base64: the numbers as float32, the lowest byte first."
    )
    dimensions: int | None = Field(
        default=None,
        ge=1,
        le=4000,
        description="Those of the space, if they are given.",
        examples=[384],
    )
    user: str | None = Field(
        default=None, description="Taken as clients send it; not looked at.", examples=[None]
    )


class Embedded(ResponseBody):
    """The embedding of a text."""

    object: Literal["embedding"] = Field(default="embedding", description="What this is.")
    index: int = Field(description="Which of the texts it is of, from 0.", examples=[0])
    embedding: list[float] | str = Field(
        description="The numbers, or they in base64.", examples=[[0.0123, -0.0456]]
    )


class Usage(ResponseBody):
    """How much was embedded."""

    prompt_tokens: int = Field(description="Tokens of the texts.", examples=[7])
    total_tokens: int = Field(description="The same.", examples=[7])


class EmbeddingList(ResponseBody):
    """The embeddings, in the order of the texts."""

    object: Literal["list"] = Field(default="list", description="What this is.")
    data: list[Embedded] = Field(description="One for each text.")
    model: str = Field(
        description="The collection and the space.", examples=["handbook/all-MiniLM-L6-v2"]
    )
    usage: Usage = Field(description="How much was embedded.")
