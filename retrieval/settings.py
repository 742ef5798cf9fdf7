"""Settings, read from the environment once, at the edges of the program."""

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError


def _default_data_directory() -> Path:
    if sys.platform == "darwin":
        # the platform's own folder has a blank in its name, which the embedded server does not take
        return Path.home() / ".local" / "share" / "retrieval"
    return Path(platformdirs.user_data_dir("retrieval", appauthor=False))


def _check_origin(origin: str) -> str:
    """An origin as browsers write it: "*" is none, and would open the service to every page."""
    if not re.fullmatch(r"https?://[^/\s?#@*]+", origin):
        raise ValueError("an origin looks like https://app.example, without a path and without *")
    return origin.lower()


class Settings(BaseSettings):
    """What the environment says: every name with the prefix RETRIEVAL_."""

    model_config = SettingsConfigDict(env_prefix="RETRIEVAL_", frozen=True)

    database_url: str | None = Field(
        default=None, description="PostgreSQL to use; without it the embedded server."
    )
    database_password_file: Path | None = Field(
        default=None,
        description="File with the password for that URL where it has none, such as a secret of "
        "Docker or Kubernetes.",
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
    prepared_statements: bool = Field(
        default=True,
        description="Whether what is asked often is prepared on its connection; off behind a "
        "pooler in transaction mode that does not follow prepared statements.",
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
    cors_origins: tuple[Annotated[str, AfterValidator(_check_origin)], ...] = Field(
        default=(),
        description="Web pages of other origins that may call the service, as a JSON list such as "
        '["https://app.example"]; without it, none.',
    )
    maximum_body_bytes: int = Field(
        default=64 * 1024 * 1024,
        gt=0,
        description="The largest body of a request that the service takes.",
    )
    warm_up: bool = Field(
        default=True,
        description="Whether the service loads the models of active spaces when it starts, and is "
        "ready only then.",
    )
    statement_timeout_seconds: float = Field(
        default=30,
        ge=0,
        description="How long the database may work on a statement of a request that only reads; "
        "0 is without end.",
    )
    connect_timeout_seconds: int = Field(
        default=10, ge=1, description="How long to wait for a connection to the database."
    )
    drain_seconds: float = Field(
        default=0,
        ge=0,
        description="How long the service still takes requests after SIGTERM, while /readyz says "
        "that it will not.",
    )
    shutdown_seconds: int = Field(
        default=20,
        gt=0,
        description="How long requests under way may then still take.",
    )
    measured_searches: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="The share of hybrid searches of which the time of each leg is read for "
        "/metrics.",
    )
    opentelemetry: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether the service sends traces; auto: where OTEL_EXPORTER_OTLP_ENDPOINT or "
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set.",
    )
    log_format: Literal["text", "json"] | None = Field(
        default=None,
        description="Form of the log of service and worker; without it text on a terminal, else "
        "json.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least important lines that the log holds."
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
        description="How long a request waits for its turn, one that writes documents fifteen "
        "times as long; then, or where too many wait, it is answered with status 503.",
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


def invalid_settings(error: SettingsError | ValidationError) -> str:
    """Which variables cannot be used, and why, in one line without their values.

    Other models than the settings raise the second error too; it is raised again for these.
    """
    if isinstance(error, SettingsError):
        return " ".join(str(error).split())
    if error.title != Settings.__name__:
        raise error
    found = error.errors(include_input=False, include_url=False)
    return "; ".join(f"RETRIEVAL_{str(each['loc'][0]).upper()}: {each['msg']}" for each in found)
