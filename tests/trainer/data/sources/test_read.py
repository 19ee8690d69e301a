"""The door to the readers, and digits, which need no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from search_spaces.config import Cifar10, Cifar100, Digits, ImageFolder, MedMnist, Source
from search_spaces.errors import DataError
from trainer.data.sources.read import read_source


def test_digits_are_scaled_to_bytes() -> None:
    raw = read_source(Digits(), (8, 9), None, download=False)
    data = load_digits()
    ids = np.flatnonzero(np.isin(data.target, (8, 9)))
    assert raw.train.ids.tolist() == ids.tolist()
    assert raw.train.classes.tolist() == (data.target[ids] - 8).tolist()
    assert raw.train.pixels.shape == (len(ids), 1, 8, 8)
    assert raw.train.pixels.max() == 255
    assert np.abs(raw.train.pixels[:, 0] - data.images[ids] * 255 / 16).max() <= 0.5
    assert raw.validation is None
    assert raw.test is None


def test_an_unknown_digit_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"digits: unknown class label 'eight'; known: 0, 1, .*, 9"):
        read_source(Digits(), ("eight", 9), None, download=False)


@pytest.mark.parametrize(
    "source", [Cifar10(), Cifar100(), MedMnist(subset="some"), ImageFolder(folder="birds")]
)
def test_the_others_need_a_data_directory(source: Source, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{source.name}: expected a data directory"):
        read_source(source, (0, 1), None, download=False)
    with pytest.raises(DataError, match="found n"):
        read_source(source, (0, 1), tmp_path, download=False)
