"""The text configurations that languages are given exist on every server."""

import psycopg

from retrieval.loading.language import TEXT_CONFIGS, WITHOUT_STEMMING


def test_they_exist(sql: psycopg.Cursor) -> None:
    found = sql.execute("select cfgname from pg_catalog.pg_ts_config").fetchall()
    assert {*TEXT_CONFIGS.values(), WITHOUT_STEMMING} <= {row.cfgname for row in found}
