"""What is said of copies: those that were left out of splits, and those that stand in two classes."""

from __future__ import annotations

import numpy as np

from trainer.data.pictures import digests
from trainer.data.sources.images import Images, LeftOut, Passed
from trainer.data.splits import Splits


def copies_in(splits: Splits) -> tuple[LeftOut, ...]:
    """What was left out of splits as copies; and, though it was not, what stands in two classes."""
    passed = Passed()
    for name in splits.copies.tolist():
        passed.add("training images that are copies of validation or test images", name)
    for name in splits.validation.copies.tolist():
        passed.add("validation images that are copies of test images", name)
    parts = {"training": splits.pool, "validation": splits.validation.images, "test": splits.test.images}
    for part, images in parts.items():
        for position, earlier in _in_two_classes(images):
            names = f"{images.ids[position]} and {images.ids[earlier]}"
            passed.add(f"{part} images with a copy in another class (kept)", names)
    return passed.left_out()


def _in_two_classes(images: Images) -> list[tuple[int, int]]:
    """Images of which an earlier one of another class is a copy: their position, and that of the earlier."""
    first: dict[bytes, int] = {}
    found = []
    for position, picture in enumerate(digests(images)):
        known = first.setdefault(picture, position)
        if not np.array_equal(images.classes[known], images.classes[position]):
            found.append((position, known))
    return found
