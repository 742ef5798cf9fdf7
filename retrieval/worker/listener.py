"""Waits until there may be work."""

import time

import psycopg
from sqlalchemy import Connection, Engine

CHANNEL = "retrieval_jobs"


class Listener:
    """A connection that hears of new jobs. Where a pooler swallows notifications, time passes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def open(self) -> None:
        """Listen from now on; what was written before is to be looked for afterwards."""
        if self._connection is None:
            opened = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            opened.exec_driver_sql(f"listen {CHANNEL}")
            self._connection = opened

    def wait(self, seconds: float) -> None:
        """Return when something was heard, the time has passed, or the connection is gone."""
        if self._connection is None:
            time.sleep(seconds)
            return
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        try:
            for _ in driver.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.Error:
            self.close()  # whoever uses the database next finds out what is wrong

    def close(self) -> None:
        """Let the connection go; nobody is to get it from the pool while it listens."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
