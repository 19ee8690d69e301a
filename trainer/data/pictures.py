"""Which images show one picture: those with equal pixels."""

from __future__ import annotations

import hashlib

from trainer.data.sources.images import Images


def digests(images: Images) -> list[bytes]:
    """A hash of each image's pixels. All images of a data set have one shape."""
    return [hashlib.blake2b(pixels.tobytes(), digest_size=16).digest() for pixels in images.pixels]


def in_two_classes(images: Images) -> list[tuple[int, int]]:
    """Images of which an earlier one of another class is a copy: their position, and that of the earlier."""
    first: dict[bytes, int] = {}
    found = []
    for position, picture in enumerate(digests(images)):
        known = first.setdefault(picture, position)
        if images.classes[known] != images.classes[position]:
            found.append((position, known))
    return found
