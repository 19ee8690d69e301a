"""What files say of their images before these are decoded: sizes, modes, orientation, transparency."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from search_spaces.config import Frozen
from trainer.data.decoding.encoded import Contents, Encoded
from trainer.data.sources.decode import FORMATS, bits_per_channel, turn_of
from trainer.data.sources.depth import DEEP_MODES, sample_type

# Pillow's modes in words; what is not listed stands as Pillow calls it.
_MODES = {
    "1": "1 bit",
    "L": "grey",
    "LA": "grey with alpha",
    "P": "palette",
    "PA": "palette with alpha",
    "RGB": "colour",
    "RGBA": "colour with alpha",
    "CMYK": "CMYK",
}
_SHALLOW = "8-bit"


class Size(NamedTuple):
    """In pixels, as the file has them."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


class Headers(Frozen):
    """What the headers of a data set's images say, counted.

    images        how many there are
    unreadable    of these, without a header that can be read
    sizes         images of each size, the most frequent first
    kinds         images of each format, mode and depth: "JPEG, colour, 8-bit", the most frequent first
    turned        that their EXIF says lie on a side, or are mirrored
    transparent   with alpha, or a colour that stands for it
    """

    images: int
    unreadable: int
    sizes: tuple[tuple[Size, int], ...]
    kinds: tuple[tuple[str, int], ...]
    turned: int
    transparent: int


def look_at_headers(images: Sequence[Encoded]) -> Headers:
    """Read the header of each image; no pixel is decoded."""
    contents = Contents()
    sizes: Counter[Size] = Counter()
    kinds: Counter[str] = Counter()
    turned = transparent = unreadable = 0
    for encoded in images:
        try:
            data = contents.of(encoded)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # as where images are decoded
                with Image.open(
                    io.BytesIO(data) if isinstance(data, bytes) else data, formats=FORMATS
                ) as image:
                    kind, size = _kind(image), Size(*image.size)
                    is_turned, is_transparent = turn_of(image) is not None, image.has_transparency_data
        except Exception:  # a damaged file may raise nearly anything; decoding says what is wrong
            unreadable += 1
            continue
        kinds[kind] += 1
        sizes[size] += 1
        turned += is_turned
        transparent += is_transparent
    return Headers(
        images=len(images),
        unreadable=unreadable,
        sizes=tuple(sizes.most_common()),
        kinds=tuple(kinds.most_common()),
        turned=turned,
        transparent=transparent,
    )


def _kind(image: Image.Image) -> str:
    """Format, mode and depth: "PNG, palette", "TIFF, grey, 16-bit"."""
    words = [str(image.format)]
    if image.mode in DEEP_MODES:
        return ", ".join([*words, "grey", sample_type(image).name])
    words.append(_MODES.get(image.mode, image.mode))
    if image.mode not in ("1", "P", "PA"):
        bits = bits_per_channel(image)
        words.append(_SHALLOW if bits <= 8 else f"{bits}-bit")
    return ", ".join(words)
