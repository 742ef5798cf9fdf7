"""Image files become documents, or errors that name the file; their pixels are read as seen."""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading import find_files, load_file
from retrieval.loading.images import complete_image, load_image, open_image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    here = tmp_path.resolve()
    monkeypatch.chdir(here)
    return here


def picture(width: int = 40, height: int = 30) -> Image.Image:
    """Red, with a blue upper left quarter."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (0, 0, width // 2, height // 2))
    return image


def reason(path: Path, load: Callable[[Path], object] = load_image) -> str:
    with pytest.raises(LoadError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


def close(image: Image.Image, x: int, y: int, colour: tuple[int, ...], tolerance: int = 2) -> bool:
    found = np.array(image.getpixel((x, y)), dtype=int)
    return bool((abs(found - np.array(colour)) <= tolerance).all())


def test_an_image_file(folder: Path) -> None:
    (folder / "pictures").mkdir()
    picture().save(folder / "pictures" / "cat.png")
    data = (folder / "pictures" / "cat.png").read_bytes()
    loaded = load_file(Path("pictures/cat.png"))
    assert loaded == Document(
        key="pictures/cat.png",
        content="",
        title="cat.png",
        source=str(folder / "pictures" / "cat.png"),
        metadata={
            "path": "pictures/cat.png",
            "type": "image",
            "modified": loaded.metadata["modified"],
            "format": "PNG",
            "width": 40,
            "height": 30,
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        modality="image",
    )


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.jpeg", "a.webp", "a.gif", "a.bmp", "a.tiff"])
def test_every_format(folder: Path, name: str) -> None:
    picture().save(folder / name)
    assert load_file(folder / name).metadata["width"] == 40
    pixels = open_image(folder / name)
    assert pixels.mode == "RGB" and pixels.size == (40, 30)
    assert close(pixels, 5, 5, BLUE, 12) and close(pixels, 35, 25, RED, 12)


def test_what_a_camera_notes(folder: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "Katze auf dem Dach\0"
    exif[ExifTags.Base.Orientation] = 6  # turned to the right
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:01 12:30:05"
    picture(400, 300).save(folder / "cat.jpg", exif=exif)
    document = load_image(folder / "cat.jpg")
    assert document.content == "Katze auf dem Dach"
    noted = {name: document.metadata[name] for name in ("taken", "width", "height")}
    assert noted == {"taken": "2024-05-01T12:30:05", "width": 300, "height": 400}
    pixels = open_image(folder / "cat.jpg")
    assert pixels.size == (300, 400)
    assert close(pixels, 290, 10, BLUE, 12) and close(pixels, 10, 10, RED, 12)


@pytest.mark.parametrize("description", ["Größe: 5 µm", "plain"])
def test_a_description_in_utf8(folder: Path, description: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = description.encode()
    exif[ExifTags.Base.DateTime] = "0000:00:00 00:00:00"
    picture().save(folder / "a.jpg", exif=exif)
    document = load_image(folder / "a.jpg")
    assert document.content == description and "taken" not in document.metadata


def test_a_large_image_is_made_smaller_as_it_is_read(folder: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    picture(4000, 3000).save(folder / "large.jpg", exif=exif)
    assert load_image(folder / "large.jpg").metadata["width"] == 3000
    pixels = open_image(folder / "large.jpg")
    assert pixels.width / pixels.height == pytest.approx(3 / 4, rel=0.01)
    assert 1_500_000 < pixels.width * pixels.height <= 2_010_000
    assert close(pixels, 10, pixels.height - 10, BLUE, 12)


# Other kinds of pixels


def test_transparency_is_white(folder: Path) -> None:
    image = Image.new("RGBA", (4, 4), (*RED, 0))
    image.putpixel((0, 0), (*GREEN, 255))
    image.save(folder / "a.png")
    image.convert("P").save(folder / "b.png", transparency=image.convert("P").getpixel((3, 3)))
    image.convert("LA").save(folder / "c.png")
    for name in ("a.png", "b.png", "c.png"):
        assert open_image(folder / name).getpixel((3, 3)) == WHITE
    assert open_image(folder / "a.png").getpixel((0, 0)) == GREEN


def test_sixteen_bits(folder: Path) -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    for name in ("a.png", "a.tiff"):
        Image.fromarray(values).save(folder / name)
        grey = [open_image(folder / name).getpixel((x, 0)) for x in range(4)]
        assert grey == [(value,) * 3 for value in (0, 1, 128, 255)]


def test_numbers_of_any_range(folder: Path) -> None:
    values = np.array([[-1.0, 0.0, np.nan, 3.0]], dtype=np.float32)
    Image.fromarray(values).save(folder / "a.tiff")
    grey = [open_image(folder / "a.tiff").getpixel((x, 0)) for x in range(4)]
    assert grey == [(value,) * 3 for value in (0, 64, 64, 255)]


def test_cmyk_and_black_and_white(folder: Path) -> None:
    picture().convert("CMYK").save(folder / "a.jpg", quality=95)
    assert close(open_image(folder / "a.jpg"), 35, 25, RED, 12)
    picture().convert("1").save(folder / "b.png")
    assert open_image(folder / "b.png").mode == "RGB"


def test_the_first_frame_of_an_animation(folder: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (GREEN, RED)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    assert close(open_image(folder / "a.gif"), 4, 4, GREEN)


# What is no image


def test_broken_images(folder: Path) -> None:
    picture(400, 300).save(folder / "whole.jpg")
    picture(400, 300).save(folder / "whole.png")
    for suffix in ("jpg", "png"):
        data = (folder / f"whole.{suffix}").read_bytes()
        (folder / f"cut.{suffix}").write_bytes(data[: len(data) // 2])
        assert reason(folder / f"cut.{suffix}").startswith("a broken image (")
        assert reason(folder / f"cut.{suffix}", open_image).startswith("a broken image (")
    damaged = bytearray((folder / "whole.png").read_bytes())
    damaged[45:60] = b"\xff" * 15
    (folder / "damaged.png").write_bytes(damaged)
    assert "broken" in reason(folder / "damaged.png")


@pytest.mark.parametrize("content", [b"", b"some text\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_no_image(folder: Path, content: bytes) -> None:
    (folder / "a.png").write_bytes(content)
    assert reason(folder / "a.png").startswith("not an image (BMP, GIF,")


def test_a_decompression_bomb(folder: Path) -> None:
    """A small file that says that it is huge is refused before it is decoded."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    for side in (10_000, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
        (folder / "bomb.png").write_bytes(data + chunk(b"IEND", b""))
        assert reason(folder / "bomb.png") == "an image of more than 89,478,485 pixels"


def test_files_that_are_not_there(folder: Path) -> None:
    assert reason(folder / "gone.png") == "does not exist"
    (folder / "a.png").mkdir()
    assert reason(folder / "a.png") == "a folder"
    os.mkfifo(folder / "pipe.png")
    assert reason(folder / "pipe.png") == "not a regular file"


def test_a_file_that_changed(folder: Path) -> None:
    picture().save(folder / "a.png")
    sha256 = bytes.fromhex(load_image(folder / "a.png").metadata["sha256"])
    assert open_image(folder / "a.png", sha256).size == (40, 30)
    picture(50, 50).save(folder / "a.png")
    with pytest.raises(LoadError, match=r"a\.png: changed while it was read"):
        open_image(folder / "a.png", sha256)


def test_the_source_is_the_name_on_disk(folder: Path) -> None:
    """Keys and titles are brought into one form of Unicode; the file is not found by that."""
    decomposed = folder / "cafe\u0301.png"
    picture().save(decomposed)
    document = load_image(decomposed)
    assert document.key == "caf\u00e9.png" and document.source == str(decomposed)
    unnamed = os.fsdecode(os.fsencode(folder) + b"/\xff.png")
    picture().save(unnamed)
    with pytest.raises(LoadError, match="an image needs a name in UTF-8"):
        load_image(Path(unnamed))


# Found, and given


def test_folders_give_their_images_if_asked(folder: Path) -> None:
    picture().save(folder / "a.png")
    (folder / "b.txt").write_text("text")
    assert find_files([folder]).files == (folder / "b.txt",)
    assert find_files([folder]).skipped == 1
    assert find_files([folder], images=True).files == (folder / "a.png", folder / "b.txt")


def test_a_given_image_is_completed_from_its_file(folder: Path) -> None:
    picture().save(folder / "a.png")
    given = Document(
        "cat", "a cat", source="a.png", modality="image", metadata={"type": "photo", "id": 7}
    )
    completed = complete_image(given)
    assert (completed.key, completed.content, completed.title) == ("cat", "a cat", "a.png")
    assert completed.source == str(folder / "a.png")
    assert (completed.metadata["type"], completed.metadata["id"]) == ("photo", 7)
    assert completed.metadata["width"] == 40
    with pytest.raises(LoadError, match="cat: an image needs the path of its file as source"):
        complete_image(Document("cat", "", modality="image"))
