"""Image files: the document that each is, and its pixels in the form that models read.

The pixels are not stored. Whoever embeds an image reads its file again, by the document's source.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading.normalise import normalise_text
from retrieval.loading.paths import document_key, load_error, printable, reading_failed
from retrieval.loading.source_file import SourceFile

# of what Pillow can read, some formats run other programs
PILLOW_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

# More than models look at: a larger image is made smaller as it is read, which bounds the memory
# of a batch.
MOST_PIXELS = 2_000_000

_WHITE = (255, 255, 255, 255)
_UNSIGNED = ("I;16", "I;16B", "I;16L", "I;16N")


def load_image(path: Path) -> Document:
    """Read one image file; its content is the description in its EXIF data, if there is one.

    Its metadata are its size in pixels as it is seen, its format, the SHA-256 of the file and,
    where the camera noted it, when it was taken. Raises LoadError, which names the path, for
    what is no image, is broken, or has more pixels than Pillow's MAX_IMAGE_PIXELS.
    """
    absolute = Path(os.path.abspath(path))
    key = document_key(absolute)
    with _opened(path) as (file, image):
        _, (width, height) = _decode(image)
        noted = _noted(image)
        metadata = {
            "path": key,
            "type": "image",
            "format": image.format,
            "width": width,
            "height": height,
            "sha256": _sha256(file),
        }
    return Document(
        key=key,
        content=noted.pop("description", ""),
        title=printable(absolute.name),
        source=_source(absolute),
        metadata=metadata | noted,
        modality="image",
    )


def load_image_file(file: SourceFile) -> Iterator[Document]:
    """The document of an image that was found as a file."""
    image = load_image(file.path)
    yield replace(image, metadata={**file.metadata(), **image.metadata})


def complete_image(document: Document) -> Document:
    """A document that was given as an image, with what its file says beside what it says itself."""
    if not document.source:
        raise LoadError(document.key, "an image needs the path of its file as source")
    loaded = load_image(Path(document.source))
    return replace(
        document,
        content=document.content or loaded.content,
        title=loaded.title if document.title is None else document.title,
        source=loaded.source,
        metadata={
            **loaded.metadata,
            **document.metadata,
            "sha256": loaded.metadata["sha256"],
        },
    )


def open_image(path: Path, sha256: bytes | None = None) -> Image.Image:
    """The pixels of an image file: upright, RGB, on white where it is transparent.

    Of an animation it is the first frame. Raises LoadError as `load_image` does, and where the
    file is not the one of that hash any more.
    """
    with _opened(path) as (file, image):
        pixels, _ = _decode(image)
        if sha256 is not None and bytes.fromhex(_sha256(file)) != sha256:
            raise load_error(path, "changed while it was read")
        return pixels


def image_sha256(path: Path) -> bytes:
    """The hash of a file's bytes, under which the embedding of an image is cached."""
    with _reasons(path), _open(path) as file:
        return bytes.fromhex(_sha256(file))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedReader, Image.Image]]:
    with _reasons(path), _open(path) as file, Image.open(file, formats=PILLOW_FORMATS) as image:
        limit = Image.MAX_IMAGE_PIXELS
        if limit and image.width * image.height > limit:  # of which Pillow only warns
            raise _too_large(path)
        yield file, image


def _open(path: Path) -> BufferedReader:
    """Open a regular file; opening anything else could wait for ever."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise load_error(path, "a folder" if stat.S_ISDIR(mode) else "not a regular file")
    return path.open("rb")


@contextmanager
def _reasons(path: Path) -> Iterator[None]:
    try:
        yield
    except LoadError:
        raise
    except UnidentifiedImageError as error:
        raise load_error(path, f"not an image ({', '.join(PILLOW_FORMATS)})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except FileNotFoundError as error:
        raise load_error(path, "does not exist") from error
    except Exception as error:  # whatever Pillow meets in a broken file
        if isinstance(error, OSError) and error.errno is not None:
            raise load_error(path, reading_failed(error)) from error
        said = " ".join(str(error).replace(":", " ").split()) or type(error).__name__
        raise load_error(path, f"a broken image ({said})") from error


def _too_large(path: Path) -> LoadError:
    return load_error(path, f"an image of more than {Image.MAX_IMAGE_PIXELS:,} pixels")


def _sha256(file: BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _source(absolute: Path) -> str:
    """The path as it is, unlike in keys and titles: the file is to be found by it again."""
    source = str(absolute)
    try:
        source.encode()
    except UnicodeEncodeError as error:
        raise load_error(absolute, "an image needs a name in UTF-8, to be read again") from error
    return source


def _decode(image: Image.Image) -> tuple[Image.Image, tuple[int, int]]:
    """The pixels of an image that was opened, and its width and height as it is seen."""
    width, height = image.size
    share = (MOST_PIXELS / (width * height)) ** 0.5
    wanted = (max(1, round(width * share)), max(1, round(height * share)))
    if share < 1:
        image.draft("RGB", wanted)  # a JPEG can be decoded at a half, a quarter or an eighth
    image.load()
    upright = ImageOps.exif_transpose(image)
    turned = upright.size != image.size
    pixels = _rgb(upright)
    if share < 1:
        pixels.thumbnail(wanted[::-1] if turned else wanted)
    return pixels, (height, width) if turned else (width, height)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _UNSIGNED:
        return _grey(np.asarray(image, dtype=np.float32) / 257)
    if image.mode in ("I", "F"):  # of any range
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0, neginf=0)
        return _grey((values - values.min()) * (255 / (np.ptp(values) or 1)))
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, _WHITE)
        image = Image.alpha_composite(background, image.convert("RGBA"))
    return image.convert("RGB")


def _grey(values: Any) -> Image.Image:
    return Image.fromarray(values.round().astype(np.uint8)).convert("RGB")


def _noted(image: Image.Image) -> dict[str, str]:
    """The description and the time that a camera or a person wrote into the EXIF data."""
    noted: dict[str, str] = {}
    with suppress(Exception):  # no image is refused for what is written beside it
        exif = image.getexif()
        description = exif.get(ExifTags.Base.ImageDescription)
        if isinstance(description, str) and description.strip("\0 \n"):
            noted["description"] = normalise_text(_utf8(description)).strip()
        camera = exif.get_ifd(ExifTags.IFD.Exif)
        taken = camera.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
        time = datetime.strptime(str(taken).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        noted["taken"] = time.isoformat()  # of the place where it was; few cameras know the zone
    return noted


def _utf8(text: str) -> str:
    """Pillow reads EXIF texts as Latin-1, and most programs write UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
