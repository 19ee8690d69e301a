from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search_spaces.errors import DataError
from tests.trainer.image_files import encode, random_images
from trainer.data.sources.images import check_known, decode_image, select_images


def test_colour_and_grey_images_come_back_as_they_were() -> None:
    colour, grey = random_images(1, (3, 5, 7))[0], random_images(1, (1, 5, 7))[0]
    assert np.array_equal(decode_image(encode(colour), "a", 3), colour)
    assert np.array_equal(decode_image(encode(grey), "a", 1), grey)
    assert np.array_equal(decode_image(encode(grey), "a", 3), np.repeat(grey, 3, axis=0))


def test_an_image_is_resized_with_antialiasing() -> None:
    stripes = np.zeros((1, 64, 64), dtype=np.uint8)
    stripes[:, :, ::2] = 200
    small = decode_image(encode(stripes), "a", 1, size=8)
    assert small.shape == (1, 8, 8)
    assert np.abs(small.astype(int) - 100).max() < 15


def test_a_damaged_image_is_an_error_with_its_place(tmp_path: Path) -> None:
    whole = encode(random_images(1)[0])
    for damaged in (b"", b"no image", whole[: len(whole) // 2]):
        with pytest.raises(DataError, match="file 7: expected an image, could not decode it"):
            decode_image(damaged, "file 7", 3)


def test_deep_images_are_refused_rather_than_clipped() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), 30_000, dtype=np.uint16)).save(stream, "PNG")
    with pytest.raises(DataError, match="8 bits per channel, found mode I"):
        decode_image(stream.getvalue(), "scan.png", 1)


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
