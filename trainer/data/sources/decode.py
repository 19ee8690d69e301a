"""How an encoded image becomes pixels: upright, whole, of one depth, or refused with its reason.

Pillow opens a colour image of 16 bits and cuts it to 8, takes the first page of many, and leaves a
photograph lying on its side. Here each of these is either put right or refused.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainer.data.sources.depth import DEEP_MODES, SampleType, sample_type, to_bytes
from trainer.data.sources.faults import Unreadable

# What a file may hold, whatever its ending; Pillow knows more, some of which run other programs.
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP", "GIF", "PPM")
# How a file's ending tells that it is one of them.
_ENDINGS = "png apng jpg jpeg jpe jfif bmp dib tif tiff webp gif ppm pgm pbm pnm pfm"
EXTENSIONS = frozenset(f".{ending}" for ending in _ENDINGS.split())

_LFS_POINTER = b"version https://git-lfs.github.com/"
_NOT_DECODED = "that could not be decoded"
_DEEP_COLOUR = "of more than 8 bits per colour channel"
_SEVERAL = "of several pages or frames"
_DEEP_TRANSPARENT = "of more than 8 bits with transparency"

# EXIF's tag 274 (Orientation), and what turns a picture back.
_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# TIFF's tags, and the bits of NewSubfileType that mark a thumbnail or a mask of another page.
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE = 254, 258
_OF_ANOTHER_PAGE = 0b101


def decode_image(data: bytes | Path, where: str, channels: int, size: int | None = None) -> NDArray[np.uint8]:
    """Decode an encoded image (bytes or a file) to uint8 [C, H, W]: grey for one channel, RGB for three.

    It is turned as its EXIF orientation says, and what is transparent lies on white. CMYK becomes RGB by
    Pillow's formula; colour profiles are not applied. Grey values of 16 bits become 0..255 by their full
    range, 0..65535, and floating-point ones by 0..1. With `size` it is resized to size x size, with an
    antialiased bilinear filter.

    Raises Unreadable, naming `where`, if the image is damaged, has more than eight bits per colour channel,
    several pages or frames, or grey values without a known full range.
    """
    with _opened(data, where) as (image, samples):
        if samples is not None:
            values = _deep_values(image, samples, where)
            return _channels(to_bytes(_resized_values(values, size), samples, values, where), channels)
        return _bytes(image, channels, size)


def decode_values(
    data: bytes | Path, where: str, channels: int, size: int | None = None
) -> tuple[NDArray[np.float32], str]:
    """The values of an image as they are stored, float32 [C, H, W], and the name of their type: "16-bit".

    For a scaling that is not known before all images are. Otherwise as `decode_image`; grey values of any
    type are taken, as long as they are finite.
    """
    with _opened(data, where) as (image, samples):
        if samples is None:
            return _bytes(image, channels, size).astype(np.float32), "8-bit"
        values = _resized_values(_deep_values(image, samples, where), size)
        return _channels(values, channels), samples.name


@contextmanager
def _opened(data: bytes | Path, where: str) -> Iterator[tuple[Image.Image, SampleType | None]]:
    """The image, loaded and upright, and the type of its grey values where they have more than 8 bits."""
    try:
        with warnings.catch_warnings():
            # About metadata nobody reads, and large pictures; still larger ones are an error.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=FORMATS) as image:
                _check_whole(image, where)
                samples = sample_type(image) if image.mode in DEEP_MODES else None
                image.load()
                if samples is not None and image.has_transparency_data:
                    raise Unreadable(where, _DEEP_TRANSPARENT)
                yield _upright(image), samples
    except Unreadable:
        raise
    except Exception as error:  # a damaged file may raise nearly anything
        raise Unreadable(where, _NOT_DECODED, _in_words(error, data)) from error


def _in_words(error: Exception, data: bytes | Path) -> str:
    if isinstance(error, UnidentifiedImageError):
        return _what_it_is_instead(data)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _what_it_is_instead(data: bytes | Path) -> str:
    """What a file is that Pillow does not know for an image."""
    if isinstance(data, Path):
        try:
            with data.open("rb") as stream:
                data = stream.read(len(_LFS_POINTER))
        except OSError as error:
            return error.strerror or str(error)
    if not data:
        return "it is empty"
    if data.startswith(_LFS_POINTER):
        return "it stands for an image that `git lfs pull` fetches"
    return f"it is none of {', '.join(FORMATS)}"


def _check_whole(image: Image.Image, where: str) -> None:
    """Raise Unreadable for what Pillow would read in part: some of the bits, the first of several pages."""
    if image.mode not in DEEP_MODES and bits_per_channel(image) > 8:
        raise Unreadable(where, _DEEP_COLOUR)
    if _has_further_pages(image):
        raise Unreadable(where, _SEVERAL)


def bits_per_channel(image: Image.Image) -> int:
    """Bits per channel as the file has them; 8 where they are no more."""
    if image.format == "TIFF":
        return int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))))  # type: ignore[attr-defined]
    arguments = image.tile[0][3] if image.tile else None  # type: ignore[attr-defined]
    if image.format == "PNG":  # the way in which its samples are stored: "RGB", "RGB;16B"
        return 16 if ";16" in str(arguments) else 8
    if image.format == "PPM" and isinstance(arguments, tuple):  # (mode, greatest value)
        greatest = arguments[1]
        return 16 if isinstance(greatest, int) and greatest > 255 else 8
    return 8


def _has_further_pages(image: Image.Image) -> bool:
    """Whether a picture follows the first one; not a thumbnail of it, nor what a camera hides in a JPEG."""
    if image.format in ("JPEG", "MPO") or not getattr(image, "is_animated", False):
        return False
    if image.format != "TIFF":
        return True
    found = False
    for page in range(1, image.n_frames):  # type: ignore[attr-defined]
        image.seek(page)
        if not int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)) & _OF_ANOTHER_PAGE:  # type: ignore[attr-defined]
            found = True
            break
    image.seek(0)
    return found


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says. Pillow has turned a TIFF by itself, and forgotten its tag."""
    turn = turn_of(image)
    return image if turn is None else image.transpose(turn)


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What puts a picture upright that its EXIF says lies on a side; None where nothing is to be done."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF that cannot be read says nothing
        return None


def _bytes(image: Image.Image, channels: int, size: int | None) -> NDArray[np.uint8]:
    """An image of 8 bits as uint8 [C, H, W]."""
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    image = image.convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels: NDArray[np.uint8] = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _deep_values(image: Image.Image, samples: SampleType, where: str) -> NDArray[np.float32]:
    """The grey values [H, W] of a deep image, light ones the greater."""
    values = np.asarray(image)
    if samples.unsigned:
        values = values.view(np.uint32)
    floats = values.astype(np.float32)
    if not np.isfinite(floats).all():
        raise Unreadable(where, "of values that are no finite numbers")
    if samples.white_is_zero:
        if samples.top is None:
            raise Unreadable(where, "in which 0 is white, of values without a known greatest one")
        floats = np.float32(samples.top) - floats
    return floats


def _resized_values(values: NDArray[np.float32], size: int | None) -> NDArray[np.float32]:
    if size is None or values.shape == (size, size):
        return values
    resized = Image.fromarray(values).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def _channels(grey: NDArray[np.generic], channels: int) -> NDArray[Any]:
    return np.repeat(grey[None], channels, axis=0)
