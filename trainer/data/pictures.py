"""Which images show one picture: those with equal pixels."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.data.pixels import pixels_of
from trainer.data.sources.images import Images


def digests(images: Images) -> list[bytes]:
    """A hash of each image's pixels. All images of a data set have one shape."""
    return pixels_of(images.pixels).hashes()


def without(
    positions: NDArray[np.int64], pictures: Sequence[Hashable], taken: Collection[Hashable]
) -> NDArray[np.int64]:
    """The positions, out of these, of pictures that are not taken; `pictures` are those of all positions."""
    kept = [position for position in positions.tolist() if pictures[position] not in taken]
    return np.array(kept, dtype=np.int64)
