"""`kill -9` in the middle of an ingestion leaves whole documents; the next run completes it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = 60
# two documents a batch and a slow model, so that there is a middle, which it may not pass
PROGRAM = """
import itertools, os, time
from retrieval.cli import main
from retrieval.embedding import HashingEmbedder
from retrieval.ingestion import reading
reading.BATCH_DOCUMENTS = 2
embed = HashingEmbedder.embed_documents
pauses = itertools.chain([0.02] * 20, itertools.repeat(float(os.environ["LATER_PAUSES"])))
HashingEmbedder.embed_documents = lambda *a, **o: (time.sleep(next(pauses)), embed(*a, **o))[1]
main()
"""
STORED = "select count(*) from retrieval.documents"
BROKEN = """
select document_key from retrieval.documents d
where not exists (select from retrieval.chunks c
                  where c.document_id = d.document_id and c.end_offset = length(d.content))
   or exists (select from retrieval.chunks c
              where c.document_id = d.document_id
                and not exists (select from retrieval.embeddings e where e.chunk_id = c.chunk_id))
"""


def ingest(database_url: str, folder: Path, later_pauses: float) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "RETRIEVAL_DATABASE_URL": database_url,
        "RETRIEVAL_MODEL": "hashing",
        "LATER_PAUSES": str(later_pauses),
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "ingest", "handbook", str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_documents(session: psycopg.Connection, least: int) -> None:
    deadline = time.monotonic() + 60
    while stored(session) < least:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stored(session: psycopg.Connection) -> int:
    row = session.execute(STORED).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_ingest_leaves_whole_documents(
    database_url: str, tmp_path: Path, sent: signal.Signals
) -> None:
    for number in range(DOCUMENTS):
        paragraphs = (f"Paragraph {n} of document {number} speaks of walruses." for n in range(40))
        (tmp_path / f"{number:03}.txt").write_text("\n\n".join(paragraphs))
    with psycopg.connect(database_url, autocommit=True) as session:
        process = ingest(database_url, tmp_path, later_pauses=60)
        wait_for_documents(session, 10)
        process.send_signal(sent)
        _, err = process.communicate()
        assert process.returncode == (-signal.SIGKILL if sent == signal.SIGKILL else 130)
        assert "Traceback" not in err
        wait_until_alone(session)
        left = stored(session)
        assert 10 <= left < DOCUMENTS and left % 2 == 0
        assert session.execute(BROKEN).fetchall() == []

        process = ingest(database_url, tmp_path, later_pauses=0)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.startswith(f"{DOCUMENTS - left} added, 0 updated, {left} unchanged, 0 failed")
        assert session.execute(BROKEN).fetchall() == []
        drift = session.execute("select * from retrieval.statistics_drift('handbook')")
        assert drift.fetchall() == []


def wait_until_alone(session: psycopg.Connection) -> None:
    """Until the server has noticed that the client is gone."""
    others = (
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 30
    while session.execute(others).fetchone() != (0,):
        assert time.monotonic() < deadline
        time.sleep(0.02)
