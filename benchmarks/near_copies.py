"""How many test images have a near copy in the training pool: splits are disjoint by equal pixels only.

    python -m benchmarks.near_copies --data data                    # CIFAR-100's sharks and their negatives
    python -m benchmarks.near_copies --data data --task cifar10

The rule: two images are near copies when their pixels, each channel about its own mean, correlate by at
least 0.9 where they overlap, after a shift of up to 4 pixels either way, mirrored or not. It is a floor:
pairs that differ more in colour or in what is cut off are missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import AlmsweepError
from search_spaces.presets import TASKS
from search_spaces.words import count
from trainer.data.task import load_task

LEAST_CORRELATION = 0.9
SHIFT = 4
Pixels = NDArray[np.uint8]


def nearest(images: Pixels, pool: Pixels, shift: int = SHIFT) -> NDArray[np.float32]:
    """The highest correlation [N] of each image [N, C, H, W] with any of the pool [M, C, H, W]."""
    best = np.full(len(images), -1, dtype=np.float32)
    height, width = images.shape[2:]
    for down in range(-shift, shift + 1):
        for right in range(-shift, shift + 1):
            seen = _normalised(pool[:, :, _overlap(-down, height), _overlap(-right, width)])
            for turned in (images, images[..., ::-1]):
                part = turned[:, :, _overlap(down, height), _overlap(right, width)]
                np.maximum(best, (_normalised(part) @ seen.T).max(axis=1), out=best)
    return best


def _overlap(shift: int, size: int) -> slice:
    return slice(max(0, shift), size + min(0, shift))


def _normalised(images: Pixels) -> NDArray[np.float32]:
    """Images as rows of length 1, each channel about its own mean; an image of one colour gives zeros."""
    values = images.astype(np.float32)
    values -= values.mean(axis=(2, 3), keepdims=True)
    rows = values.reshape(len(values), -1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    normalised: NDArray[np.float32] = rows / np.maximum(lengths, 1e-6)
    return normalised


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, and print a line for each class role; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.near_copies", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="where data sets lie")
    parser.add_argument("--task", choices=list(TASKS), default="cifar100")
    options = parser.parse_args(arguments)
    try:
        task = load_task(TASKS[options.task], options.data)
    except AlmsweepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = nearest(np.asarray(task.test.pixels), np.asarray(task.pool.pixels)) >= LEAST_CORRELATION
    positive = np.asarray(task.test.targets) == 1
    for role, members in (("positive", positive), ("negative", ~positive)):
        print(
            f"{options.task}: {int(found[members].sum())} of {int(members.sum())} {role} test images have a "
            f"near copy among the {count(len(task.pool.pixels), 'image')} of the training pool"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
