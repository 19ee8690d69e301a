"""Examples to look at: training images of each class or label, as they are and as they are augmented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.config import AugmentationConfig
from trainer.data.augmentation import Augmenter
from trainer.data.prepared import PreparedSplits

# Examples of a class or label on a sheet, and so many of these at most.
EXAMPLES, ROWS = 8, 30


@dataclass(frozen=True, eq=False)
class Row:
    """Examples of one class or label: uint8 [n, C, H, W], with the place of the label; None for no label."""

    place: int | None
    pixels: NDArray[np.uint8]


def example_rows(splits: PreparedSplits) -> list[Row]:
    """Training images of each class or label, from all over the pool, the same ones every time.

    Where images have label sets, a last row has those with none of the labels.
    """
    sets, members = splits.strata
    rows = []
    for place in range(min(sets.shape[1], ROWS)):
        rows.append(_row(splits, place, [its for its, own in zip(members, sets, strict=True) if own[place]]))
    rows.append(_row(splits, None, [its for its, own in zip(members, sets, strict=True) if not own.any()]))
    return [row for row in rows if len(row.pixels)]


def augmented(rows: Sequence[Row], augmentation: AugmentationConfig) -> list[Row]:
    """The same examples as a trial's training may see them, before they are normalised; a fixed draw.

    A step that mixes images mixes each with the one before it.
    """
    pixels = torch.from_numpy(np.concatenate([row.pixels for row in rows]))
    channels = pixels.shape[1]
    augmenter = Augmenter(pixels, augmentation, [0.0] * channels, [1.0] * channels)
    draws = augmenter.draw(len(pixels), torch.Generator().manual_seed(0))
    values = augmenter.train_batch(torch.arange(len(pixels)), draws)
    seen = (values * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    ends = np.cumsum([len(row.pixels) for row in rows])[:-1]
    parts = np.split(seen, ends)
    return [Row(row.place, part) for row, part in zip(rows, parts, strict=True)]


def _row(splits: PreparedSplits, place: int | None, members: Sequence[NDArray[np.int64]]) -> Row:
    """Up to EXAMPLES of the examples at these positions of the pool, evenly spaced."""
    every = np.sort(np.concatenate([np.empty(0, np.int64), *members]))
    spaced = np.linspace(0, len(every) - 1, min(EXAMPLES, len(every))).astype(np.int64)
    return Row(place, splits.pool.pixels.take(every[spaced]).numpy())
