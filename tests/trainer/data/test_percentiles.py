"""Percentiles in two passes are those of NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.percentiles import percentiles_of
from trainer.data.pixels import Pixels

VALUES = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**40), max_value=2.0**40)
PERCENTILE = st.floats(0, 100)


@given(st.lists(VALUES | st.integers(-3, 3), min_size=1, max_size=40), PERCENTILE, PERCENTILE)
def test_they_are_numpys(values: list[float], one: float, other: float) -> None:
    images = np.array(values, dtype=np.float32).reshape(-1, 1, 1, 1)
    expected = [float(value) for value in np.percentile(images, (one, other))]
    assert list(percentiles_of(Pixels(images), (one, other))) == expected


def test_they_are_those_of_all_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.data.pixels.CHUNK_BYTES", 100)
    images = np.random.default_rng(0).normal(size=(50, 1, 3, 4)).astype(np.float32)
    rows = np.arange(40, 5, -3)
    expected = np.percentile(images[rows], (1, 99))
    assert percentiles_of(Pixels(images, rows), (1, 99)) == pytest.approx(tuple(expected), rel=0)
