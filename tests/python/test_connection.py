"""From settings to connections."""

from pathlib import Path

import pytest

from retrieval import ConfigurationError
from retrieval.database import open_async_engine, open_engine
from retrieval.database.connection import database_url as used_url


@pytest.mark.parametrize(("setting", "threshold"), [("on", 5), ("off", None)])
def test_prepared_statements_can_be_left_out(
    database_url: str, setting: str, threshold: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_PREPARED_STATEMENTS", setting)
    engine = open_engine(database_url)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None and driver.prepare_threshold == threshold
    engine.dispose()
    assert open_async_engine(database_url).url.drivername == "postgresql+psycopg"


def test_a_password_comes_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/wörd \n", "utf-8")
    monkeypatch.setenv("RETRIEVAL_DATABASE_PASSWORD_FILE", str(file))
    assert used_url("postgresql://someone@host/base").password == "p@ss/wörd "
    assert used_url("postgresql://someone:else@host/base").password == "else"
    file.unlink()
    with pytest.raises(ConfigurationError, match=r"the password cannot be read from .*password"):
        used_url("postgresql://someone@host/base")
