"""Which images show one picture: those with equal pixels."""

from __future__ import annotations

import hashlib

from trainer.data.sources.images import Images


def digests(images: Images) -> list[bytes]:
    """A hash of each image's pixels. All images of a data set have one shape."""
    return [hashlib.blake2b(pixels.tobytes(), digest_size=16).digest() for pixels in images.pixels]
