"""A model that embeds images and texts side by side."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval import HashingEmbedder, InvalidInput, SentenceTransformerEmbedder
from retrieval.embedding import modalities_of


@pytest.fixture(scope="module")
def clip(tiny_clip: Path) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(str(tiny_clip))


def picture(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 48 + number, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_what_a_model_embeds(clip: SentenceTransformerEmbedder, tiny_dense_model: Path) -> None:
    assert list(modalities_of(clip)) == ["text", "image"]
    text_model = SentenceTransformerEmbedder(str(tiny_dense_model))
    assert list(modalities_of(text_model)) == ["text"]
    assert list(modalities_of(HashingEmbedder())) == ["text"]
    with pytest.raises(InvalidInput, match="reads no images"):
        text_model.embed_images([picture(0)])


def test_images_are_embedded_as_the_library_does(
    clip: SentenceTransformerEmbedder, tiny_clip: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    images = [picture(number) for number in range(20)]
    steps: list[int] = []
    made = clip.embed_images(images, on_progress=steps.append)
    encoder = SentenceTransformer(str(tiny_clip), device="cpu")
    assert np.allclose(made, encoder.encode(images, normalize_embeddings=True), atol=1e-5)  # type: ignore[call-overload]
    assert steps == [16, 4]
    query = encoder.encode(["two dogs"], normalize_embeddings=True)[0]
    assert np.allclose(clip.embed_query("two dogs"), query, atol=1e-5)
    assert clip.dimensions == 16 and clip.max_tokens == 75


def test_fewer_dimensions(clip: SentenceTransformerEmbedder, tiny_clip: Path) -> None:
    short = SentenceTransformerEmbedder(str(tiny_clip), dimensions=8)
    whole = clip.embed_images([picture(1)])[0][:8]
    assert np.allclose(short.embed_images([picture(1)])[0], whole / np.linalg.norm(whole))


@pytest.mark.parametrize("name", ["photo.png", "https://127.0.0.1:1/photo.png", "data:image/x"])
def test_a_text_is_never_taken_for_an_image(
    clip: SentenceTransformerEmbedder, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would open the file or fetch the address: a query could read what it wants."""
    monkeypatch.chdir(tmp_path)
    picture(2).save("photo.png")
    as_image = clip.embed_images([picture(2)])[0]
    query, (document,) = clip.embed_query(name), clip.embed_documents([name])
    assert np.allclose(query, document, atol=1e-5)
    assert not np.allclose(query, as_image, atol=1e-2)
    assert not np.allclose(query, clip.embed_query("another text"), atol=1e-2)


def test_a_long_text_is_cut(clip: SentenceTransformerEmbedder) -> None:
    long = "a " * 200
    assert clip.count_tokens(long) == 200
    assert np.allclose(clip.embed_query(long), clip.embed_query("a " * 150), atol=1e-5)
