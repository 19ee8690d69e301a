"""scikit-learn's digits: embedded, needs no file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from search_spaces.config import ClassLabel, Digits
from trainer.data.sources.images import RawData, check_known, select_images
from trainer.data.sources.reader import Reader

LABELS = tuple(range(10))


class DigitsReader(Reader[Digits]):
    """1,797 grey images of 8 x 8, without own validation and test splits.

    Intensities 0..16 are scaled to 0..255 (16 -> 255, rounded).
    """

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked digits. Raises DataError for an unknown class label."""
        check_known(asked, LABELS, "digits")
        from sklearn.datasets import load_digits  # a second of import that other data sets need not pay

        data = load_digits()
        pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)[:, None]
        return RawData(select_images(pixels, data.target.astype(np.int64), asked), None, None)
