"""Settings, read from the environment once, at the edges of the program."""

import sys
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_data_directory() -> Path:
    if sys.platform == "darwin":
        # the platform's own folder has a blank in its name, which the embedded server does not take
        return Path.home() / ".local" / "share" / "retrieval"
    return Path(platformdirs.user_data_dir("retrieval", appauthor=False))


class Settings(BaseSettings):
    """What the environment says: every name with the prefix RETRIEVAL_."""

    model_config = SettingsConfigDict(env_prefix="RETRIEVAL_", frozen=True)

    database_url: str | None = Field(
        default=None, description="PostgreSQL to use; without it the embedded server."
    )
    replica_url: str | None = Field(
        default=None, description="A replica of that database, for what only reads."
    )
    replica_wait_seconds: float = Field(
        default=1,
        ge=0,
        description="How long a read that asks for a position in the log waits for the replica "
        "before it goes to the primary.",
    )
    pool_size: int = Field(
        default=10, gt=0, description="Connections to the database that a process keeps."
    )
    pool_overflow: int = Field(
        default=5, ge=0, description="Connections beyond those, closed when they are not needed."
    )
    pool_timeout_seconds: float = Field(
        default=5, gt=0, description="How long to wait for a connection that is free."
    )
    data_directory: Path = Field(
        default_factory=_default_data_directory,
        description="Where the embedded server keeps its data.",
    )
    model: str | None = Field(
        default=None, description="Embedding model of new collections; without it the default one."
    )
    backend: str = Field(
        default="torch",
        description="What computes the vectors of models on this machine: torch, torch-bfloat16, "
        "onnx, onnx-int8, openvino or openvino-bfloat16.",
    )
    reranker: str | None = Field(
        default=None,
        description="Reranker of searches that ask for one unnamed; without it the default one.",
    )
    authentication: Literal["keys", "off"] = Field(
        default="keys",
        description="Whether the service asks for API keys; off only where it listens on loopback.",
    )
    maximum_body_bytes: int = Field(
        default=64 * 1024 * 1024,
        gt=0,
        description="The largest body of a request that the service takes.",
    )
    maximum_requests: int | None = Field(
        default=None,
        gt=0,
        description="Requests that the service works at at once; without it twice the pool's size.",
    )
    maximum_loads: int | None = Field(
        default=None,
        gt=0,
        description="Requests that write documents, at once and beside those; without it a quarter "
        "of the pool's size.",
    )
    maximum_waiting: int = Field(
        default=100, ge=0, description="Requests of either kind that wait for their turn."
    )
    maximum_wait_seconds: float = Field(
        default=2,
        gt=0,
        description="How long a request waits for its turn, one that writes documents 15 times "
        "as long; then, or where too many wait, it is answered with status 503.",
    )
    maximum_document_bytes: int = Field(
        default=32 * 1024 * 1024,
        gt=0,
        description="The most bytes of text that a document from a file may have.",
    )
    openai_base_url: str | None = Field(
        default=None,
        description="OpenAI-compatible server of models named openai:NAME, up to its /v1.",
    )
    openai_max_tokens: int = Field(
        default=8191,
        gt=0,
        description="Tokens of a text that such a model reads; a longer one is embedded in pieces.",
    )
    openai_batch_size: int = Field(
        default=128, gt=0, description="The most texts that one request to such a server holds."
    )
    openai_batch_tokens: int = Field(
        default=100_000,
        gt=0,
        description="The most tokens that one request to such a server holds.",
    )
    openai_concurrency: int = Field(
        default=4, gt=0, description="How many requests for documents are under way at once."
    )
    openai_timeout_seconds: float = Field(
        default=60, gt=0, description="How long to wait for the answer to one request."
    )
    openai_max_retries: int = Field(
        default=4, ge=0, description="How often a request that may yet succeed is sent again."
    )
    chat_model: str | None = Field(
        default=None, description="Language model that answers questions; there is no default one."
    )
    chat_base_url: str | None = Field(
        default=None,
        description="OpenAI-compatible server of that model; without it RETRIEVAL_OPENAI_BASE_URL.",
    )
    chat_api_key: SecretStr | None = Field(
        default=None, description="Key of that server; without it OPENAI_API_KEY."
    )
    chat_timeout_seconds: float = Field(
        default=120, gt=0, description="How long to wait for the answer to one question."
    )
    chat_max_retries: int = Field(
        default=2, ge=0, description="How often a question that may yet succeed is sent again."
    )
    chat_concurrency: int = Field(
        default=4,
        gt=0,
        description="How many requests for the contexts of chunks are under way at once.",
    )
    chat_document_tokens: int = Field(
        default=8_000,
        ge=100,
        description="The most tokens of a document that a request for a chunk's context holds.",
    )
    embedding_cache_bytes: int = Field(
        default=1024 * 1024 * 1024,
        ge=0,
        description="The most that the embedding cache in the database holds; 0 switches it off.",
    )
    calibrate: bool = Field(
        default=True,
        description="Whether ingestion finds out what a space should count beside the words, "
        "once there are 100 chunks and whenever they have doubled since.",
    )
