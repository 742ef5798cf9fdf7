"""Settings, read from the environment once, at the edges of the program."""

import sys
from pathlib import Path

import platformdirs
from pydantic import Field
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
    data_directory: Path = Field(
        default_factory=_default_data_directory,
        description="Where the embedded server keeps its data.",
    )
    model: str | None = Field(
        default=None, description="Embedding model of new collections; without it the default one."
    )
    maximum_body_bytes: int = Field(
        default=64 * 1024 * 1024,
        gt=0,
        description="The largest body of a request that the service takes.",
    )
