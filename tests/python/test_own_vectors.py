"""Embeddings that exist already: out into files and back, from files of others, from tables."""

import itertools
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Result, Run
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sqlalchemy import text

from retrieval import (
    AsyncRetriever,
    Document,
    Embedder,
    HashingEmbedder,
    InvalidInput,
    MultiVectorHashingEmbedder,
    NotFound,
    Retriever,
    SpaceMismatch,
    SparseHashingEmbedder,
)
from retrieval.spaces import export_embeddings as exporting
from retrieval.spaces.import_embeddings import ImportedEmbeddings
from retrieval.vector_files import numpy_file
from retrieval.vector_files.packing import Packing, unpacked_dense

WORDS = ["amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty"]
EMBEDDERS: dict[str, Embedder] = {
    "dense": HashingEmbedder(16),
    "sparse": SparseHashingEmbedder(200),
    "multivector": MultiVectorHashingEmbedder(16),
}
LEGS = {"dense": "semantic", "sparse": "sparse", "multivector": "late_interaction"}
FORMATS = [("dense", "v.parquet"), ("dense", "v.npz")]
FORMATS += [("sparse", "v.parquet"), ("multivector", "v.parquet")]
names = (f"own {number}" for number in itertools.count())


def needs_arrow(path: str) -> None:
    """Skip where the package for Parquet is not there."""
    if path.endswith(".parquet"):
        pytest.importorskip("pyarrow")


def documents(count: int = 12) -> list[Document]:
    """Short texts in Markdown of one to three chunks, each under a heading."""
    chosen = random.Random(1)
    sections = [
        "\n".join(f"# {word}\n\n{' '.join(chosen.choices(WORDS, k=200))}\n" for word in group)
        for group in [chosen.sample(WORDS, k=1 + number % 3) for number in range(count)]
    ]
    return [
        Document(f"ö{number}.md", content, title=f"Title {number}" if number % 2 else None)
        for number, content in enumerate(sections)
    ]


@pytest.fixture(scope="module")
def opened(module_database_url: str) -> Iterator[Retriever]:
    """A retriever whose model is small."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder(16)) as retriever:
        yield retriever


@pytest.fixture
def collection(opened: Retriever) -> str:
    """A collection of its own of twelve documents, some of several chunks."""
    name = next(names)
    opened.create_collection(name)
    assert opened.ingest(name, documents()).chunks > 12
    return name


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read, written and sent at once is a few rows."""
    monkeypatch.setattr(exporting, "BATCH_ROWS", 5)
    monkeypatch.setattr(numpy_file, "SLICE_NUMBERS", 16 * 7)
    try:
        from retrieval.vector_files import parquet_file, parquet_writer
    except ImportError:
        return
    monkeypatch.setattr(parquet_writer, "GROUP_NUMBERS", 16 * 6)
    for module in (parquet_file, parquet_writer):
        monkeypatch.setattr(module, "BATCH_ROWS", dict.fromkeys(EMBEDDERS, 4))


def hits(retriever: Retriever, collection: str, kind: str, query: str) -> list[tuple[Any, ...]]:
    found = retriever.search(collection, query, legs=[LEGS[kind]], max_results=30)
    return [(hit.document_key, hit.position, hit.score) for hit in found]


def space(retriever: Retriever, collection: str, name: str) -> Any:
    return {each.name: each for each in retriever.spaces.summaries(collection)}[name]


def stored(retriever: Retriever, collection: str) -> dict[tuple[str, int], list[float]]:
    """The dense embeddings of a collection."""
    statement = text(
        "select document_key, position, embedding::text from "
        "retrieval.export_embeddings(:collection, 'hashing:16')"
    )
    with retriever.engine.begin() as connection:
        rows = connection.execute(statement, {"collection": collection}).all()
    return {(row[0], row[1]): json.loads(row[2]) for row in rows}


# out and back


@pytest.mark.parametrize(("kind", "file"), FORMATS)
def test_into_a_new_space_and_the_same_is_found(
    opened: Retriever, collection: str, tmp_path: Path, small: None, kind: str, file: str
) -> None:
    """Without the model: what a space must know is in the file."""
    needs_arrow(file)
    spaces = opened.spaces
    if kind != "dense":
        spaces.create(collection, EMBEDDERS[kind], space="old")
        spaces.fill(collection, "old")
        spaces.activate(collection, "old")
    name = "hashing:16" if kind == "dense" else "old"
    before = [hits(opened, collection, kind, word) for word in WORDS]
    made = space(opened, collection, name)
    seen: list[tuple[str, int, int]] = []
    count = spaces.export_embeddings(
        collection, tmp_path / file, kind=kind, on_progress=lambda *each: seen.append(each)
    )
    assert count == made.embeddings == seen[-1][1] and len(seen) > 3
    assert [each.name for each in tmp_path.iterdir()] == [file]
    spaces.drop(collection, name, force=True)
    seen.clear()
    imported = spaces.import_embeddings(
        collection, tmp_path / file, space="new", on_progress=lambda *each: seen.append(each)
    )
    assert imported == ImportedEmbeddings("new", True, count, 0, 0, 0, 0, ())
    assert seen[-1] == ("storing", 1, 1) and ("reading", count, count) in seen and len(seen) > 5
    assert space(opened, collection, "new").state == "building"
    spaces.build_index(collection, "new")
    spaces.activate(collection, "new")
    assert [hits(opened, collection, kind, word) for word in WORDS] == before
    assert any(len(found) > 5 for found in before)
    again = spaces.import_embeddings(collection, tmp_path / file)
    assert again == ImportedEmbeddings("new", False, count, 0, 0, 0, 0, ())
    described = space(opened, collection, "new")
    assert (described.model, described.dimensions, described.metric) == (
        *(made.model, made.dimensions, made.metric),
    )


@pytest.mark.parametrize("file", ["v.parquet", "v.npz"])
def test_the_same_awaited(
    opened: Retriever,
    collection: str,
    module_database_url: str,
    tmp_path: Path,
    file: str,
    small: None,
) -> None:
    import asyncio

    needs_arrow(file)
    before = stored(opened, collection)

    async def there_and_back() -> ImportedEmbeddings:
        retriever = await AsyncRetriever.open(module_database_url, embedder=HashingEmbedder(16))
        spaces = retriever.spaces
        assert await spaces.export_embeddings(collection, tmp_path / file) == len(before)
        await spaces.drop(collection, "hashing:16", force=True)
        with pytest.raises(InvalidInput, match=r"row 1 \(document 'a'\)"):
            np.savez(tmp_path / "w.npz", document_key=["a"], embedding=[[np.nan] * 16])
            await spaces.create(collection, HashingEmbedder(16))
            await spaces.import_embeddings(
                collection, tmp_path / "w.npz", trust=True, space="hashing:16"
            )
        await spaces.drop(collection, "hashing:16")
        imported = await spaces.import_embeddings(collection, tmp_path / file)
        await retriever.close()
        return imported

    imported = asyncio.run(there_and_back())
    assert imported == ImportedEmbeddings("hashing:16", True, len(before), 0, 0, 0, 0, ())
    assert stored(opened, collection) == before


def test_what_was_written_can_be_read_by_others(
    opened: Retriever, collection: str, tmp_path: Path
) -> None:
    opened.spaces.export_embeddings(collection, tmp_path / "v.npz")
    expected = stored(opened, collection)
    loaded = np.load(tmp_path / "v.npz")  # without pickle
    keys = list(zip(loaded["document_key"].tolist(), loaded["position"].tolist(), strict=True))
    read = dict(zip(keys, loaded["embedding"].tolist(), strict=True))
    assert read == {key: pytest.approx(each, abs=1e-6) for key, each in expected.items()}
    assert loaded["text_hash"].shape == (len(read), 32)
    signature = HashingEmbedder(16).signature.to_json()
    assert json.loads(str(loaded["signature"])) == signature
    parquet = pytest.importorskip("pyarrow.parquet")
    opened.spaces.export_embeddings(collection, tmp_path / "v.parquet")
    table = parquet.read_table(tmp_path / "v.parquet")
    rows = table.to_pylist()
    assert {(each["document_key"], each["position"]): each["embedding"] for each in rows} == read
    assert json.loads(table.schema.metadata[b"signature"]) == signature
    assert [each["text_hash"] for each in rows] == [each.tobytes() for each in loaded["text_hash"]]


def test_chunks_that_are_others_by_now(opened: Retriever, collection: str, tmp_path: Path) -> None:
    opened.spaces.export_embeddings(collection, tmp_path / "v.npz")
    exported = [key for key, _ in stored(opened, collection)]
    opened.delete(collection, ["ö0.md"])
    opened.ingest(collection, [Document("ö3.md", "other words", title="Title 3")])
    opened.ingest(collection, [Document("later", "more")])
    imported = opened.spaces.import_embeddings(collection, tmp_path / "v.npz")
    gone = exported.count("ö0.md") + exported.count("ö3.md") - 1
    assert (imported.stale, imported.unknown_keys, imported.missing) == (1, gone, 0)
    assert imported.unknown_examples[:2] == ("ö0.md, position 0", "ö0.md, position 1")
    assert imported.imported == len(exported) - gone - 1


def test_nothing_is_stored_of_half_an_import(
    opened: Retriever, collection: str, tmp_path: Path, small: None
) -> None:
    opened.spaces.export_embeddings(collection, tmp_path / "v.npz")
    opened.spaces.drop(collection, "hashing:16", force=True)

    def interrupt(phase: str, done: int, total: int) -> None:
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened.spaces.import_embeddings(collection, tmp_path / "v.npz", on_progress=interrupt)
    assert opened.spaces.summaries(collection) == []
    with opened.engine.connect() as connection:
        for _ in range(2):  # also twice in a transaction of the caller's
            imported = opened.spaces.import_embeddings(
                collection, tmp_path / "v.npz", connection=connection
            )
            assert imported.missing == 0
        connection.rollback()
    assert opened.spaces.summaries(collection) == []
    before = (tmp_path / "v.npz").read_bytes()
    opened.spaces.import_embeddings(collection, tmp_path / "v.npz")
    with pytest.raises(KeyboardInterrupt):
        opened.spaces.export_embeddings(
            collection, tmp_path / "v.npz", space="hashing:16", on_progress=interrupt
        )
    assert [each.name for each in tmp_path.iterdir()] == ["v.npz"]
    assert (tmp_path / "v.npz").read_bytes() == before


# whose model?


def test_embeddings_of_another_model(opened: Retriever, collection: str, tmp_path: Path) -> None:
    opened.spaces.export_embeddings(collection, tmp_path / "v.npz")
    opened.spaces.create(collection, HashingEmbedder(8))
    for trust in (False, True):  # what the signatures say cannot be talked away
        with pytest.raises(SpaceMismatch, match="dimensions: 16 ≠ 8"):
            opened.spaces.import_embeddings(
                collection, tmp_path / "v.npz", space="hashing:8", trust=trust
            )


def test_embeddings_of_a_model_that_nobody_named(
    opened: Retriever, collection: str, tmp_path: Path
) -> None:
    vectors = {key: [0.0] * 15 + [1.0 + n] for n, key in enumerate(stored(opened, collection))}
    keys, positions = zip(*vectors, strict=True)
    arrays_ = {"document_key": keys, "position": positions, "embedding": [*vectors.values()]}
    np.savez_compressed(tmp_path / "v.npz", **arrays_)
    give = opened.spaces.import_embeddings
    with pytest.raises(SpaceMismatch, match=r"v.npz has no signature, .* one model, hashing:16"):
        give(collection, tmp_path / "v.npz")
    with pytest.raises(NotFound, match=r"space new does not exist .* has no signature to create"):
        give(collection, tmp_path / "v.npz", space="new", trust=True)
    assert give(collection, tmp_path / "v.npz", trust=True).imported == len(keys)
    assert stored(opened, collection) == vectors
    opened.spaces.export_embeddings(collection, tmp_path / "v.npz")
    with opened.engine.begin() as connection:
        create = "select retrieval.create_space(:collection, 'plain', 'm', 16)"
        connection.execute(text(create), {"collection": collection})
    with pytest.raises(SpaceMismatch, match="space plain has no signature"):
        give(collection, tmp_path / "v.npz", space="plain")
    assert give(collection, tmp_path / "v.npz", space="plain", trust=True).missing == 0


# from a table


def test_from_a_table(opened: Retriever, collection: str) -> None:
    vectors = stored(opened, collection)
    with opened.engine.begin() as connection:
        connection.execute(
            text('create schema "shop"; create table shop.vectors (id text, n int, v real[])')
        )
        connection.execute(
            text("insert into shop.vectors values (:id, :n, :v)"),
            [
                {"id": key, "n": n, "v": [*map(float, each[::-1])]}
                for (key, n), each in vectors.items()
            ],
        )
    give = opened.spaces.import_embeddings
    options: dict[str, Any] = {"table": "shop.vectors", "key": "id", "embedding": "v"}
    with pytest.raises(SpaceMismatch, match=r"table shop\.vectors has no signature"):
        give(collection, **options)
    imported = give(collection, **options, chunk_position="n", trust=True)
    assert (imported.imported, imported.missing) == (len(vectors), 0)
    assert stored(opened, collection) == {key: each[::-1] for key, each in vectors.items()}
    with pytest.raises(NotFound, match=r"there is no table or view shop\.none"):
        give(collection, table="shop.none", trust=True)
    with pytest.raises(InvalidInput, match=r"document 'ö\d\.md' has several chunks"):
        give(collection, **options, trust=True)
    for source in ({}, {"source": "v.npz", "table": "v"}):
        with pytest.raises(InvalidInput, match="a file or a table"):
            give(collection, **source)


# files that other programs wrote


def rows_of(path: Path, **columns: Any) -> dict[str, Any]:
    """Write columns as the file's format has them."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table(columns), path)
    else:
        np.savez(path, **columns)
    return columns


@pytest.fixture(scope="module")
def keyed(opened: Retriever) -> str:
    """A collection whose documents are called by two numbers and a UUID."""
    name = next(names)
    opened.create_collection(name)
    keys = ["7", "8", "00000000-0000-0000-0000-000000000009"]
    opened.ingest(name, [Document(key, "amber") for key in keys])
    return name


def columns_of_parquet() -> Iterator[tuple[str, Any, Any]]:
    try:
        import pyarrow as pa
    except ImportError:
        return
    vectors = [[1.0] + [0.0] * 15, None, [0.5] * 16]
    numbers = ["7", "8", None]
    identifiers = [bytes([0] * 15 + [9]), None, None]
    for name, kind in {
        "list<double>": pa.list_(pa.float64()),
        "list<float>[16]": pa.list_(pa.float32(), 16),
        "large_list<half>": pa.large_list(pa.float16()),
    }.items():
        yield name, pa.array(numbers, pa.string()), pa.array(vectors, kind)
    whole = pa.array([[1] + [0] * 15, None, [1] * 16], pa.list_(pa.int32()))
    yield "list<int>", pa.array([7, 8, None], pa.int64()), whole
    floats = pa.array(vectors, pa.list_(pa.float32()))
    yield "large_string", pa.array(numbers, pa.large_string()), floats
    yield "dictionary", pa.array(numbers).dictionary_encode(), floats
    yield "uuid", pa.array(identifiers, pa.uuid()), floats


@pytest.mark.parametrize(
    ("keys", "vectors"),
    [each[1:] for each in columns_of_parquet()],
    ids=[each[0] for each in columns_of_parquet()],
)
def test_parquet_of_any_types(
    opened: Retriever, keyed: str, tmp_path: Path, keys: Any, vectors: Any
) -> None:
    path = tmp_path / "v.parquet"
    rows_of(path, id=keys, vector=vectors, other=vectors)
    opened.spaces.drop(keyed, "hashing:16", force=True)
    opened.spaces.create(keyed, HashingEmbedder(16))
    imported = opened.spaces.import_embeddings(
        keyed, path, space="hashing:16", key="id", embedding="vector", trust=True
    )
    assert (imported.imported, imported.nulls, imported.unknown_examples) == (1, 1, ("null",))
    ((key, _), vector) = next(iter(stored(opened, keyed).items()))
    assert key[-1] in "79" and vector == [1] + [0] * 15


@pytest.mark.parametrize(
    ("kind", "numbers"), [("U", "float64"), ("S", "float16"), ("int64", ">f4"), ("U", "int8")]
)
def test_numpy_of_any_types(
    opened: Retriever, keyed: str, tmp_path: Path, kind: str, numbers: str
) -> None:
    vectors = np.arange(32, dtype=numbers).reshape(2, 16)
    np.savez(tmp_path / "v.npz", k=np.array([8, 7]).astype(kind), v=vectors)
    imported = opened.spaces.import_embeddings(
        keyed, tmp_path / "v.npz", space="hashing:16", key="k", embedding="v", trust=True
    )
    assert (imported.imported, imported.unknown_keys) == (2, 0)
    assert stored(opened, keyed)["7", 0] == list(range(16, 32))


def test_a_matrix_beside_a_list_of_keys(opened: Retriever, keyed: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(32, dtype=np.float32).reshape(2, 16))
    (tmp_path / "v.txt").write_text("\ufeff7\r\n8", encoding="utf-8")
    imported = opened.spaces.import_embeddings(
        keyed, str(tmp_path / "v.npy"), space="hashing:16", trust=True
    )
    assert (imported.imported, imported.unknown_keys) == (2, 0)
    assert stored(opened, keyed)["8", 0] == list(range(16, 32))


FINITE = st.floats(-65500, 65500, width=32)


@given(arrays(np.float32, st.tuples(st.integers(0, 4), st.just(5)), elements=FINITE))
@settings(deadline=None)
def test_packed_vectors_are_rounded_to_halves(vectors: Any) -> None:
    packed = Packing("s", 5).dense(vectors, str)
    assert len(packed) == len(vectors) and all(len(each) == 14 for each in packed)
    if packed:
        np.testing.assert_array_equal(unpacked_dense(packed), vectors.astype(np.float16))


# what is wrong with a file


def npz(**changed: Any) -> Callable[[Path], Path]:
    """Writes an archive of two rows that differs in this."""

    def write(folder: Path) -> Path:
        arrays_ = {"document_key": ["7", "8"], "embedding": np.eye(2, 16)} | changed
        np.savez(folder / "v.npz", **{k: v for k, v in arrays_.items() if v is not None})
        return folder / "v.npz"

    return write


def changed_file(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    """Writes a good file and then changes its bytes."""

    def write(folder: Path) -> Path:
        if name.endswith(".npy"):
            np.save(folder / name, np.eye(2, 16))
            (folder / name).with_suffix(".txt").write_text("7\n8\n")
        elif name.endswith(".npz"):
            npz()(folder)
        else:
            parquet()(folder)
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        return folder / name

    return write


def parquet(**changed: Any) -> Callable[[Path], Path]:
    """Writes a Parquet file of two rows that differs in this."""

    def write(folder: Path) -> Path:
        columns = {"document_key": ["7", "8"], "embedding": np.eye(2, 16).tolist()} | changed
        rows_of(folder / "v.parquet", **{k: v for k, v in columns.items() if v is not None})
        return folder / "v.parquet"

    return write


def npy(array: Any, keys: str | bytes | None) -> Callable[[Path], Path]:
    """Writes a matrix and its keys."""

    def write(folder: Path) -> Path:
        np.save(folder / "v.npy", array)
        if keys is not None:
            content = keys if isinstance(keys, bytes) else keys.encode()
            (folder / "v.txt").write_bytes(content)
        return folder / "v.npy"

    return write


def named(name: str) -> Callable[[Path], Path]:
    """Writes nothing of use under a name."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(b"nothing")
        return folder / name

    return write


WITH_NAN = np.eye(2, 16)
WITH_NAN[1, 3] = np.nan
SECOND = "row 2 (document '8'): the embedding "
WRONG: list[tuple[Callable[[Path], Path], str]] = [
    (named("v.csv"), "v.csv must end in .parquet, .npz or .npy"),
    (lambda folder: folder / "none.npz", "none.npz does not exist"),
    (named("v.npz"), "v.npz cannot be read (File is not a zip file)"),
    (changed_file("v.npz", lambda data: data[:400]), "v.npz cannot be read (File is not a zip"),
    (changed_file("v.npz", lambda data: data.replace(b"\xf0\x3f", b"\xf1\x3f")), "Bad CRC-32"),
    (named("v.npy"), "the keys of its rows must be in"),
    (npy(np.eye(2, 16), "7\n"), "v.npy has 2 rows"),
    (npy(np.eye(2, 16), b"\xff\n8\n"), "v.txt cannot be read"),
    (npy(np.eye(2), "7\n8\n"), "the embedding has 2 dimensions, space hashing:16 has 16"),
    (npy(np.zeros(2), "7\n8\n"), "v.npy must be a matrix of numbers"),
    (npy(WITH_NAN, "7\n8\n"), SECOND + "holds NaN"),
    (npy(np.asfortranarray(np.eye(16)), "7\n" * 16), "is stored by columns"),
    (changed_file("v.npy", lambda data: data[:300]), "array v.npy ends early"),
    (changed_file("v.npy", lambda data: data[:30]), "v.npy cannot be read"),
    (npz(embedding=None, vectors=np.eye(2)), "v.npz has no column embedding; it has document_key,"),
    (npz(embedding=np.eye(2, 3)), "the embedding has 3 dimensions, space hashing:16 has 16"),
    (npz(embedding=np.eye(3, 16)), "array document_key must hold strings or whole numbers for"),
    (npz(embedding=WITH_NAN), SECOND + "holds NaN or null"),
    (npz(embedding=np.eye(2, 16) * 1e6), "row 1 (document '7'): the embedding holds a number"),
    (npz(embedding=np.zeros((2, 16))), "document '7': the embedding is all zeros"),
    (npz(document_key=np.array(["7", None], object)), "array document_key holds Python objects"),
    (npz(embedding=np.array([[1], [2, 3]], object)), "array embedding holds Python objects"),
    (npz(document_key=["7", "7"]), "document '7' is given twice"),
    (npz(document_key=[0.5, 1]), "array document_key must hold strings"),
    (npz(position=["0", "0"]), "array position must hold whole numbers"),
    (npz(position=[-1, 0]), "array position holds what is no position"),
    (npz(position=[2**40, 0]), "array position holds what is no position"),
    (npz(document_key=["7", "a\0b"]), "invalid byte sequence"),
    (npz(document_key=["7", "\ud800"]), "cannot be written as UTF-8"),
    (npz(document_key=np.array([b"7", b"\xff"])), "v.npz cannot be read"),
    (npz(text_hash=np.zeros((2, 31), np.uint8)), "array text_hash must hold 32 bytes"),
    (npz(signature=np.array("{")), "v.npz: its signature cannot be read"),
    (npz(signature=np.array('{"model": "m"}')), "has missing or unknown entries"),
]
WRONG_PARQUET: list[tuple[Callable[[Path], Path], str]] = [
    (named("v.parquet"), "v.parquet cannot be read"),
    (changed_file("v.parquet", lambda data: data[: len(data) // 2]), "v.parquet cannot be read"),
    (changed_file("v.parquet", lambda data: data[:4] + b"?" * 60 + data[64:]), "cannot be read ("),
    (parquet(document_key=None), "v.parquet has no column document_key; it has embedding"),
    (parquet(document_key=[0.5, 1.5]), "column document_key is of type double"),
    (parquet(embedding=["a", "b"]), "column embedding is of type string; an embedding is"),
    (parquet(embedding=[[1.0] * 16, [1.0]]), SECOND + "has 1 dimensions, space hashing:16 has 16"),
    (parquet(embedding=[[1.0] * 16, [None] * 16]), SECOND + "holds NaN or null"),
    (parquet(embedding=[None, [7e4] * 16]), SECOND + "holds a number beyond 65504"),
    (parquet(embedding=[[[1.0] * 16]] * 2), "holds multivector embeddings, space hashing:16 dense"),
    (parquet(text_hash=["a" * 64, "b" * 64]), "column text_hash has not 32 bytes a row"),
    (parquet(position=["first", "0"]), "column position is not of int32"),
    (parquet(position=[-1, 2**40]), "column position is not of int32"),
]


def check_refused(opened: Retriever, keyed: str, path: Path, message: str) -> None:
    before = stored(opened, keyed)
    with pytest.raises((InvalidInput, NotFound)) as caught:
        opened.spaces.import_embeddings(keyed, path, space="hashing:16", trust=True)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert stored(opened, keyed) == before


@pytest.fixture(scope="module")
def of_numbers(opened: Retriever) -> str:
    """A collection that nothing is stored in, whose documents are 7 and 8."""
    name = next(names)
    opened.create_collection(name)
    opened.ingest(name, [Document(key, "amber") for key in "78"])
    return name


@pytest.mark.parametrize(("write", "message"), WRONG, ids=[each[1][:40] for each in WRONG])
def test_a_file_that_is_wrong(
    opened: Retriever, of_numbers: str, tmp_path: Path, write: Any, message: str
) -> None:
    check_refused(opened, of_numbers, write(tmp_path), message)


@pytest.mark.parametrize(
    ("write", "message"), WRONG_PARQUET, ids=[each[1][:40] for each in WRONG_PARQUET]
)
def test_a_parquet_file_that_is_wrong(
    opened: Retriever, of_numbers: str, tmp_path: Path, write: Any, message: str
) -> None:
    pytest.importorskip("pyarrow")
    check_refused(opened, of_numbers, write(tmp_path), message)


def test_nothing_is_unpickled(opened: Retriever, of_numbers: str, tmp_path: Path) -> None:
    """Also where a header does not say that it would have to be."""

    class Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("unpickled",))

    np.save(tmp_path / "k.npy", np.array([Trap(), Trap()], object), allow_pickle=True)
    np.save(tmp_path / "e.npy", np.eye(2, 16))
    with zipfile.ZipFile(tmp_path / "v.npz", "w") as archive:
        archive.write(tmp_path / "k.npy", "document_key.npy")
        archive.write(tmp_path / "e.npy", "embedding.npy")
    check_refused(opened, of_numbers, tmp_path / "v.npz", "holds Python objects")


@pytest.mark.parametrize(
    ("kind", "embedding", "message"),
    [
        ("sparse", {"indices": [1, 1], "values": [1.0, 2.0]}, "has an index twice"),
        ("sparse", {"indices": [200], "values": [1.0]}, "has an index outside of the 200"),
        ("sparse", {"indices": [-1], "values": [1.0]}, "has an index outside of the 200"),
        ("sparse", {"indices": [1], "values": [float("nan")]}, "holds a value that is no number"),
        ("sparse", {"indices": [1], "values": []}, "has 1 indices and 0 values"),
        ("multivector", [[1.0] * 16, [1.0]], "has 1 dimensions, space other has 16"),
        ("multivector", [[1.0] * 16, None], "holds a vector that is null"),
        ("multivector", [[1.0] * 16, [float("inf")] * 16], "holds a number beyond 65504"),
        ("multivector", [[1.0] * 16, [0.0] * 16], "is not a list of vectors of space other"),
        ("multivector", [], "has no vectors"),
    ],
)
def test_another_kind_that_is_wrong(
    opened: Retriever, of_numbers: str, tmp_path: Path, kind: str, embedding: Any, message: str
) -> None:
    pytest.importorskip("pyarrow")
    good = {"sparse": {"indices": [1], "values": [1.0]}, "multivector": [[1.0] * 16]}[kind]
    rows_of(tmp_path / "v.parquet", document_key=["7", "8"], embedding=[good, embedding])
    with opened.engine.connect() as connection:
        opened.spaces.create(of_numbers, EMBEDDERS[kind], space="other", connection=connection)
        with pytest.raises(InvalidInput) as caught:
            opened.spaces.import_embeddings(
                of_numbers, tmp_path / "v.parquet", space="other", trust=True, connection=connection
            )
        connection.rollback()
    assert message in str(caught.value) and "document '8'" in str(caught.value)


def test_without_the_package_for_parquet(
    opened: Retriever, of_numbers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    path = named("v.parquet")(tmp_path)
    for act in (opened.spaces.import_embeddings, opened.spaces.export_embeddings):
        with pytest.raises(Exception, match=r"needs a package: pip install 'retrieval\[parquet\]'"):
            act(of_numbers, path)


# the command line


def test_the_commands(
    cli: Run,
    opened: Retriever,
    module_database_url: str,
    collection: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", module_database_url)
    path = str(tmp_path / "v.npz")

    def run(*arguments: str) -> Result:
        return cli("spaces", *arguments)

    count = len(stored(opened, collection))
    exported = run("export", collection, path)
    assert exported.out == f"{count} embeddings written to {path}\n" and "writing" in exported.err
    assert run("export", collection, path, "--json").json == {"file": path, "embeddings": count}
    imported = run("import", collection, path, "--space", "new")
    assert imported.out.splitlines() == [
        f"{count} embeddings imported into space new, which was created",
        f"to build its index: retrieval spaces build {collection} new",
        f"to search it: retrieval spaces activate {collection} new",
    ]
    assert "reading" in imported.err and "storing" in imported.err
    opened.delete(collection, [f"ö{n}.md" for n in range(1, 8)])
    opened.ingest(collection, [Document("ö0.md", "other"), Document("later", "more")])
    opened.spaces.drop(collection, "new")
    opened.spaces.drop(collection, "hashing:16", force=True)
    said = run("import", collection, path)
    assert said.out.splitlines()[1].endswith(f"retrieval spaces fill {collection} hashing:16")
    assert said.out.splitlines()[1].startswith("2 chunks have no embedding yet")
    passed = [line for line in said.err.splitlines() if "passed over" in line]
    assert len(passed) == 2 and passed[0].endswith("ö1.md, position 1, ö1.md, position 2, …")
    again = run("import", collection, path, "--json").json
    assert (again["space"], again["created"], again["stale"]) == ("hashing:16", False, 1)
    assert "no dense space is active" not in again
    (tmp_path / "folder.npz").mkdir()
    for arguments, message in {
        ("import", collection): "give a file or a table to import from, and not both",
        ("import", "nowhere", path): "collection nowhere does not exist",
        ("import", collection, "--table", "nowhere", "--space", "hashing:16"): "no table or view",
        ("import", collection, path, "--key", "id"): "has no column id; it has document_key,",
        ("export", collection, "v.csv", "--space", "hashing:16"): "must end in .parquet or .npz",
        (
            "export",
            collection,
            str(tmp_path / "folder.npz"),
            "--space",
            "hashing:16",
        ): "written (Is",
        ("export", collection, "/none/v.npz", "--space", "hashing:16"): "/none does not exist",
        ("export", collection, "v.npz", "--kind", "thin"): "kind must be one of dense",
    }.items():
        failed = run(*arguments)
        assert failed.code == 1 and message in failed.err.splitlines()[-1]
