from __future__ import annotations

import numpy as np
import pytest

from search_spaces.errors import DataError
from tests.trainer.image_files import random_images
from trainer.data.sources.images import check_known, select_images


def test_selection_keeps_the_listing_order_and_the_positions_of_the_asked_classes() -> None:
    pixels = random_images(6, (1, 2, 2))
    chosen = select_images(pixels, np.array([5, 3, 0, 3, 5, 1]), (3, 5))
    assert chosen.ids.tolist() == [0, 1, 3, 4]
    assert chosen.classes.tolist() == [1, 0, 0, 1]
    assert np.array_equal(chosen.pixels, pixels[[0, 1, 3, 4]])
    taken = chosen.take([2, 0])
    assert taken.ids.tolist() == [3, 0]
    assert np.array_equal(taken.pixels, pixels[[3, 0]])


def test_unknown_labels_are_listed_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="birds: unknown class label 'owl', 3; known: 'crow', 'jay'"):
        check_known(("crow", "owl", 3), ("crow", "jay"), "birds")
