"""Language models behind any server that speaks OpenAI's chat interface."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from retrieval.embedding.openai_failures import TooLong
from retrieval.embedding.openai_server import NamedKey, OpenAIServer
from retrieval.embedding.openai_tokens import token_counter
from retrieval.errors import ConfigurationError, InvalidInput, RetrievalError
from retrieval.generation.prompt import Message
from retrieval.generation.tokens import TokenCounter, cautious_tokens
from retrieval.settings import Settings

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError

KEY_SETTING = "RETRIEVAL_CHAT_API_KEY"

# the finish reasons of a text that is not whole
STOPPED = ("length", "content_filter")


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote, and whether it came to an end by itself."""

    text: str
    is_complete: bool


class ChatModel:
    """Asks a server to go on with messages; nothing is asked, or imported, before the first need.

    `model` is the server's name for it. The server is `base_url`, else RETRIEVAL_CHAT_BASE_URL,
    else that of embedding models, RETRIEVAL_OPENAI_BASE_URL, else OpenAI's. The key is `api_key`,
    else RETRIEVAL_CHAT_API_KEY, else OPENAI_API_KEY; it is in no message. `temperature` is
    left to the server where it is not given, as some models take none.

    Errors are ModelUnavailable, or InvalidInput for a request that the server finds wrong.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        temperature: float | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        if not model.strip():
            raise InvalidInput("a chat model needs a name, as in ChatModel('gpt-4o-mini')")
        if timeout_seconds is not None and timeout_seconds <= 0:
            raise InvalidInput(f"timeout_seconds must be above 0, not {timeout_seconds}")
        settings = Settings()
        self.model = model
        self._temperature = temperature
        self._server = OpenAIServer(
            model,
            base_url or settings.chat_base_url or settings.openai_base_url,
            timeout=timeout_seconds or settings.chat_timeout_seconds,
            max_retries=settings.chat_max_retries,
            key=_given_key(api_key, settings),
            key_setting=KEY_SETTING,
            url_setting="RETRIEVAL_CHAT_BASE_URL",
        )

    def check(self) -> None:
        """Raise what is wrong with the set-up here: no package, no key, no usable address."""
        _ = self._server.client

    def complete(self, messages: Sequence[Message]) -> Completion:
        """Return what the model writes."""
        client = self._server.client
        from openai import APIConnectionError, APIStatusError

        try:
            response = client.chat.completions.with_raw_response.create(**self._request(messages))
            return self._completion(response.http_response.json())
        except (APIStatusError, APIConnectionError) as error:
            failure = self._failure(error, messages)
        except ValueError:
            failure = self._server.wrong("something that is not JSON")
        raise failure

    async def complete_async(self, messages: Sequence[Message]) -> Completion:
        """The same, awaited; to give up awaiting ends the request."""
        # the import and the certificates take a while
        client = await asyncio.to_thread(self._server.new_async_client)
        from openai import APIConnectionError, APIStatusError

        try:
            async with client:
                create = client.chat.completions.with_raw_response.create
                response = await create(**self._request(messages))
            return self._completion(response.http_response.json())
        except (APIStatusError, APIConnectionError) as error:
            failure = self._failure(error, messages)
        except ValueError:
            failure = self._server.wrong("something that is not JSON")
        raise failure

    def count_tokens(self, text: str) -> int:
        """Count by the model's vocabulary where it is on this machine, else estimate."""
        return self._count_tokens(text)

    @cached_property
    def _count_tokens(self) -> TokenCounter:
        return token_counter(self.model, cautious_tokens)

    def _request(self, messages: Sequence[Message]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [
                # JSON does not take the half of a surrogate pair
                {name: text.encode("utf-8", "replace").decode() for name, text in message.items()}
                for message in messages
            ],
            "extra_headers": self._server.headers,
        }
        if self._temperature is not None:
            request["temperature"] = self._temperature
        return request

    def _completion(self, answer: Any) -> Completion:
        try:
            choice = answer["choices"][0]
            text, reason = choice["message"]["content"], choice.get("finish_reason")
        except (AttributeError, IndexError, KeyError, TypeError):
            raise self._server.wrong("something that holds no message") from None
        is_stopped = reason in STOPPED
        if not isinstance(text, str) or not text.strip():
            why = f", stopped by {reason}" if is_stopped else ""
            raise self._server.wrong(f"a message without text{why}")
        return Completion(text, not is_stopped)

    def _failure(
        self, error: "APIStatusError | APIConnectionError", messages: Sequence[Message]
    ) -> RetrievalError:
        failure = self._server.failure(error, [message["content"] for message in messages])
        return TooLong(f"{failure}: lower max_tokens") if isinstance(failure, TooLong) else failure


def chat_model(chat: ChatModel | str | None = None) -> ChatModel:
    """Return a chat model as it is, by its name, or that of the settings."""
    if isinstance(chat, ChatModel):
        return chat
    name = chat if chat is not None else Settings().chat_model
    if name is None:
        raise ConfigurationError("no chat model is named: set RETRIEVAL_CHAT_MODEL or give `chat`")
    return ChatModel(name)


def _given_key(argument: str | None, settings: Settings) -> NamedKey | None:
    if argument and argument.strip():
        return NamedKey("the argument api_key", argument)
    setting = settings.chat_api_key.get_secret_value() if settings.chat_api_key else ""
    return NamedKey(KEY_SETTING, setting) if setting.strip() else None
