"""A tool: arguments that are checked, a result with a schema, and the same result as text."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mcp.types import CallToolResult, TextContent, ToolAnnotations
from mcp.types import Tool as Declaration
from pydantic import BaseModel, ConfigDict, ValidationError

from retrieval.errors import InvalidInput
from retrieval.mcp.access import Access


class Arguments(BaseModel):
    """What a tool is given; an argument that it does not have is an error."""

    model_config = ConfigDict(extra="forbid")


class Result(BaseModel):
    """What a tool returns."""

    model_config = ConfigDict(from_attributes=True)


Given = TypeVar("Given", bound=Arguments)
Returned = TypeVar("Returned", bound=Result)


@dataclass(frozen=True, slots=True)
class Tool(Generic[Given, Returned]):
    """One tool; none of them writes."""

    name: str
    title: str
    description: str
    arguments: type[Given]
    result: type[Returned]
    run: Callable[[Access, Given], Awaitable[Returned]]
    text: Callable[[Returned], str]

    def declaration(self) -> Declaration:
        """What a client is told about it."""
        return Declaration(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.arguments.model_json_schema(),
            output_schema=self.result.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
        )

    async def call(self, access: Access, arguments: Mapping[str, Any]) -> CallToolResult:
        """Run it; InvalidInput names the arguments that cannot be used."""
        try:
            given = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            raise InvalidInput(_described(error)) from error
        returned = await self.run(access, given)
        return CallToolResult(
            content=[TextContent(type="text", text=self.text(returned))],
            structured_content=returned.model_dump(mode="json"),
        )


def _described(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}"
        for each in error.errors(include_url=False, include_input=False)
    )
