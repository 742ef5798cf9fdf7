"""Images go into a space of their own, and texts find them there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Run
from PIL import ExifTags, Image
from sqlalchemy import text

from retrieval import (
    Document,
    HashingEmbedder,
    InvalidInput,
    LoadError,
    NotFound,
    NotReady,
    Retriever,
    SentenceTransformerEmbedder,
)
from retrieval.loading.images import load_image, open_image

WORDS = "Cats sleep sixteen hours a day."


@pytest.fixture(scope="module")
def clip(tiny_clip: Path) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(str(tiny_clip))


def draw(path: Path, number: int, caption: str = "") -> None:
    """An image of noise, by whose number it differs from others."""
    pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    pixels[:, :, number % 3] //= 4
    exif = Image.Exif()
    if caption:
        exif[ExifTags.Base.ImageDescription] = caption
    Image.fromarray(pixels).save(path, exif=exif)


def write_files(here: Path) -> Path:
    """A text, nine images and two files that look like images."""
    (here / "cats.md").write_text(f"# Cats\n\n{WORDS}\n")
    for number in range(8):
        draw(here / f"{number}.png", number)
    draw(here / "captioned.png", 8, "a cat asleep on a roof")
    (here / "broken.png").write_bytes((here / "0.png").read_bytes()[:100])
    (here / "text.jpg").write_text("text")
    return here


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the files."""
    here = tmp_path.resolve()
    monkeypatch.chdir(here)
    return write_files(here)


@contextmanager
def fill(database_url: str, clip: SentenceTransformerEmbedder, folder: Path) -> Iterator[Retriever]:
    """The collection c with an active space of texts and one of images, filled from the folder."""
    with Retriever.open(database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("c")
        opened.spaces.create("c", clip, space="images", modality="image")
        opened.spaces.activate("c", "images")
        report = opened.ingest("c", folder)
        assert (report.added, report.skipped) == (10, 0)
        assert {(failure.source, failure.reason[:12]) for failure in report.failures} == {
            (str(folder / "broken.png"), "a broken ima"),
            (str(folder / "text.jpg"), "not an image"),
        }
        yield opened


@pytest.fixture
def retriever(
    database_url: str, clip: SentenceTransformerEmbedder, folder: Path
) -> Iterator[Retriever]:
    with fill(database_url, clip, folder) as filled:
        yield filled


@pytest.fixture(scope="module")
def filled(
    module_database_url: str,
    clip: SentenceTransformerEmbedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Retriever]:
    """What `retriever` is, for tests that only read."""
    folder = write_files(tmp_path_factory.mktemp("files").resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with fill(module_database_url, clip, folder) as filled:
            yield filled


def stored(retriever: Retriever, space: str) -> dict[str, Any]:
    """The embeddings of a space by the last part of their document's key."""
    statement = text(
        "select d.document_key, e.embedding::text from retrieval.embeddings e "
        "join retrieval.spaces s using (space_id) join retrieval.chunks c using (chunk_id) "
        "join retrieval.documents d using (document_id) where s.name = :space"
    )
    with retriever.engine.connect() as connection:
        rows = connection.execute(statement, {"space": space}).all()
    return {row[0]: np.array(row[1].strip("[]").split(","), dtype=np.float32) for row in rows}


def missing(retriever: Retriever) -> dict[str, int]:
    return {each.name: each.missing for each in retriever.spaces.summaries("c")}


def test_each_space_has_what_belongs_into_it(
    filled: Retriever, clip: SentenceTransformerEmbedder
) -> None:
    images = stored(filled, "images")
    assert images.keys() == {*(f"{number}.png" for number in range(8)), "captioned.png"}
    for name, embedding in images.items():
        (expected,) = clip.embed_images([open_image(Path(name))])
        assert np.allclose(embedding, expected, atol=1e-3)
    assert stored(filled, "hashing").keys() == {"cats.md", "captioned.png"}
    assert missing(filled) == {"hashing": 0, "images": 0}


def test_a_text_finds_the_images_that_are_nearest(
    filled: Retriever, clip: SentenceTransformerEmbedder
) -> None:
    images = stored(filled, "images")
    for query in ("two dogs", "0.png", "a cat asleep"):
        embedding = clip.embed_query(query)
        scores = {name: float(vector @ embedding) for name, vector in images.items()}
        hits = filled.search("c", query, legs=["semantic"], space="images", max_results=3)
        best = sorted(scores.values(), reverse=True)[:3]
        assert [scores[hit.document_key] for hit in hits] == pytest.approx(best, abs=2e-3)
        assert [hit.score for hit in hits] == pytest.approx(best, abs=2e-3)
        assert len({hit.document_key for hit in hits}) == 3
    filtered = filled.search(
        "c", "dogs", legs=["semantic"], space="images", metadata_filter={"path": "3.png"}
    )
    assert [hit.document_key for hit in filtered] == ["3.png"]
    assert filtered[0].metadata["width"] == 48


def test_texts_and_images_in_one_ranking(filled: Retriever) -> None:
    hits = filled.search("c", "cats asleep", spaces=["images"], max_results=20)
    assert len(hits) == 10
    found = {hit.document_key: set(hit.contributions) for hit in hits}
    assert found["cats.md"] == {"keyword", "semantic"}
    assert found["captioned.png"] == {"keyword", "semantic", "images"}
    assert found["3.png"] == {"images"}
    alone = filled.search("c", "cats asleep")
    assert {hit.document_key for hit in alone} == {"cats.md", "captioned.png"}


def test_names_and_captions_are_words(filled: Retriever) -> None:
    (hit,) = filled.search("c", "roof", legs=["keyword"])
    assert (hit.document_key, hit.content) == ("captioned.png", "a cat asleep on a roof")


def test_an_image_finds_images(filled: Retriever, clip: SentenceTransformerEmbedder) -> None:
    for name in ("3.png", "captioned.png"):
        hits = filled.search_by_image("c", name, max_results=3)
        assert hits[0].document_key == name and hits[0].score == pytest.approx(1, abs=2e-3)
        with Image.open(name) as image:
            assert filled.search_by_image("c", image, space="images", max_results=3) == hits
    narrow = filled.search_by_image("c", "3.png", metadata_filter={"path": {"$ne": "3.png"}})
    assert len(narrow) == 8 and narrow[0].document_key != "3.png"
    with pytest.raises(LoadError, match=r"gone\.png: does not exist"):
        filled.search_by_image("c", "gone.png")
    with pytest.raises(InvalidInput, match="space hashing: its model hashing reads no images"):
        filled.search_by_image("c", "3.png", space="hashing")
    filled.create_collection("none")
    with pytest.raises(NotReady, match="collection none has no active space of images"):
        filled.search_by_image("none", "3.png")
    with pytest.raises(NotFound):
        filled.search_by_image("unknown", "3.png")


def test_ingesting_again(retriever: Retriever, folder: Path) -> None:
    before = stored(retriever, "images")
    assert retriever.ingest("c", folder).unchanged == 10
    draw(folder / "0.png", 100)
    report = retriever.ingest("c", folder)
    assert (report.updated, report.unchanged) == (1, 9)
    after = stored(retriever, "images")
    changed = {name for name in after if not np.array_equal(before[name], after[name])}
    assert changed == {"0.png"}


def test_equal_files_are_embedded_once(
    retriever: Retriever,
    clip: SentenceTransformerEmbedder,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    monkeypatch.setattr(type(clip), "embed_images", None)  # calling it would be an error
    assert retriever.ingest("c", folder / "copy.png").added == 1
    images = stored(retriever, "images")
    assert np.array_equal(images["copy.png"], images["0.png"])


def test_a_deleted_image_is_not_found(retriever: Retriever) -> None:
    assert retriever.delete("c", ["0.png"]) == 1
    assert "0.png" not in stored(retriever, "images")
    hits = retriever.search("c", "x", legs=["semantic"], space="images", max_results=20)
    assert len(hits) == 8 and "0.png" not in {hit.document_key for hit in hits}


def test_files_that_moved_are_named(
    retriever: Retriever, clip: SentenceTransformerEmbedder, folder: Path
) -> None:
    (folder / "0.png").rename(folder / "moved.png")
    (folder / "1.png").write_bytes(b"")
    other = replace_model(clip)
    retriever.spaces.create("c", other, space="other", modality="image")
    with pytest.raises(LoadError, match=r"0\.png: does not exist \(and 1 more"):
        retriever.spaces.fill("c", "other")
    assert missing(retriever)["other"] == 2  # all others are embedded
    report = retriever.ingest("c", [])
    assert {(failure.source, failure.reason[:14]) for failure in report.failures} == {
        (str(folder / "0.png"), "does not exist"),
        (str(folder / "1.png"), "not an image ("),
    }
    with pytest.raises(NotReady, match="2 of the chunks"):
        retriever.spaces.activate("c", "other")
    retriever.delete("c", ["0.png", "1.png"])
    migration = retriever.spaces.migrate("c", other, space="other")
    assert (migration.former, migration.activated) == ("images", True)
    assert retriever.spaces.rollback("c", modality="image") == "images"


def replace_model(clip: SentenceTransformerEmbedder) -> SentenceTransformerEmbedder:
    """The same model with fewer dimensions, which the cache does not know."""
    return SentenceTransformerEmbedder(clip.model, dimensions=8)


def test_a_given_image(
    retriever: Retriever, clip: SentenceTransformerEmbedder, folder: Path
) -> None:
    given = Document("cat", "", source="0.png", modality="image", metadata={"id": 7})
    gone = Document("gone", "", source="gone.png", modality="image")
    report = retriever.ingest("c", [given, gone, replace(load_image(Path("1.png")), key="one")])
    assert report.added == 2
    assert [failure.source for failure in report.failures] == ["gone.png"]
    images = stored(retriever, "images")
    assert np.array_equal(images["cat"], images["0.png"])
    assert retriever.ingest("c", [given]).unchanged == 1
    hits = retriever.search("c", "x", legs=["semantic"], space="images", metadata_filter={"id": 7})
    assert [(hit.document_key, hit.metadata["height"]) for hit in hits] == [("cat", 40)]


def test_a_collection_without_a_space_for_images(retriever: Retriever, folder: Path) -> None:
    retriever.create_collection("texts")
    report = retriever.ingest("texts", folder)
    assert (report.added, report.skipped, report.failures) == (1, 11, [])
    report = retriever.ingest("texts", folder / "0.png")
    (failure,) = report.failures
    assert failure.source == "0.png"
    assert failure.reason.startswith("an image, and collection texts has no space for images; ")
    with pytest.raises(InvalidInput, match="model hashing reads no images"):
        retriever.spaces.create("texts", HashingEmbedder(), space="images", modality="image")


def test_a_collection_of_images_alone(
    database_url: str, clip: SentenceTransformerEmbedder, folder: Path
) -> None:
    with Retriever.open(database_url) as retriever:
        retriever.create_collection("photos", embedder=clip, modality="image")
        assert retriever.ingest("photos", folder).added == 10
        hits = retriever.search("photos", "two dogs", max_results=20)
        assert len(hits) == 9 and all(hit.semantic_rank for hit in hits)
        (summary,) = retriever.collections()
        assert (summary.space, summary.dimensions) == ("model", 16)
        assert retriever.search("photos", "sixteen hours")[0].keyword_rank == 1


def test_a_migrated_space_keeps_its_modality(
    retriever: Retriever, clip: SentenceTransformerEmbedder
) -> None:
    migration = retriever.spaces.migrate("c", replace_model(clip), space="new", modality="image")
    assert (migration.embedded, migration.former) == (9, "images")
    states = {each.name: (each.modality, each.state) for each in retriever.spaces.summaries("c")}
    assert states == {
        "hashing": ("text", "active"),
        "new": ("image", "active"),
        "images": ("image", "shadow"),
    }
    with pytest.raises(InvalidInput, match="with modality image, not text"):
        retriever.spaces.migrate("c", clip, space="images", modality="text")
    with pytest.raises(InvalidInput, match="only those of texts can be aligned"):
        retriever.spaces.align("c", HashingEmbedder(), source="new")


def test_from_the_command_line(
    command: Run, clip: SentenceTransformerEmbedder, folder: Path
) -> None:
    ingested = command(
        "ingest", "photos", "0.png", "1.png", "--model", clip.model, "--modality", "image"
    )
    assert ingested.code == 0, ingested.err
    found = json.loads(command("search", "photos", "two dogs", "--leg", "semantic", "--json").out)
    assert {hit["document_key"] for hit in found} == {"0.png", "1.png"}
    assert "dense, image" in command("spaces", "list", "photos").out
    migrated = command("spaces", "migrate", "photos", "--model", "hashing", "--modality", "image")
    assert migrated.code == 1 and "model hashing reads no images" in migrated.err
    refused = command("spaces", "create", "photos", "--model", "hashing", "--modality", "sound")
    assert refused.code == 1 and "--modality must be one of text, image" in refused.err
    made = command(
        "spaces",
        "migrate",
        "photos",
        "--model",
        clip.model,
        "--dimensions",
        "8",
        "--space",
        "short",
        "--modality",
        "image",
    )
    assert made.code == 0 and "rollback photos --modality image" in made.out
    assert command("spaces", "rollback", "photos", "--modality", "image").code == 0
