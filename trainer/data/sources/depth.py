"""Grey values of more than eight bits: what a file says of their range, and how they become bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.data.sources.faults import Unreadable

# Pillow's modes of more than eight bits per pixel, all of them grey.
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
# TIFF's tags.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO = 0
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_INSTEAD = "scaling: {percentiles: [1, 99]} reads them"


@dataclass(frozen=True)
class SampleType:
    """What the grey values of a file are.

    name            in messages: "16-bit"
    top             what is white by the file's type; None where nobody knows: signed and 32-bit integers
    unsigned        whether Pillow's signed 32-bit integers stand for unsigned ones
    white_is_zero   whether the file counts from white to black
    """

    name: str
    top: float | None
    unsigned: bool = False
    white_is_zero: bool = False


class Limits(NamedTuple):
    """The values that become 0 and 255, of images of this depth ("16-bit")."""

    low: float
    high: float
    depth: str


def sample_type(image: Image.Image) -> SampleType:
    """The type of a deep image's values, as its file says, before it is loaded."""
    if image.format != "TIFF":
        # A PNG has 16 bits, and Pillow stretches a PGM's values to as many.
        return SampleType("float", 1.0) if image.mode == "F" else SampleType("16-bit", 65535.0)
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits = int(tags.get(_BITS_PER_SAMPLE, (1,))[0])
    sample_format = int(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0])
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if sample_format == _FLOAT or image.mode == "F":
        return SampleType("float", 1.0, white_is_zero=inverted)
    if sample_format == _SIGNED:
        return SampleType(f"signed {bits}-bit", None, white_is_zero=inverted)
    if bits > 16:
        return SampleType(f"{bits}-bit", None, unsigned=bits == 32, white_is_zero=inverted)
    return SampleType(f"{bits}-bit", 2.0**bits - 1, white_is_zero=inverted)


def to_bytes(
    resized: NDArray[np.float32], samples: SampleType, values: NDArray[np.float32], where: str
) -> NDArray[np.uint8]:
    """The bytes of resized values, by the full range of their type.

    `values` are those before resizing. Raises Unreadable, naming `where`, for a type without a known range,
    and for floating-point values beyond 0..1: that is the range in which programs write images; what other
    values mean only their maker knows.
    """
    if samples.top is None:
        raise Unreadable(where, f"of {samples.name} integers, whose range nobody knows ({_INSTEAD})")
    if values.min() < 0 or values.max() > samples.top:
        reason = f"of {samples.name} values beyond 0..{samples.top:g} ({_INSTEAD})"
        raise Unreadable(where, reason, f"{values.min():g}..{values.max():g}")
    return between(resized, 0.0, samples.top)


def between(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """Values as bytes: `low` and less become 0, `high` and more 255, and those between are rounded."""
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
