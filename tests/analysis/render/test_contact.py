"""A contact sheet shows every image where it belongs, and calls rows by names of any letters."""

from __future__ import annotations

import numpy as np

from analysis.render.contact import SheetRow, contact_sheet
from analysis.render.images import png


def images(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 200, (count, channels, 10, 20), dtype=np.uint8)


def test_images_stand_in_rows_on_white() -> None:
    rows = [SheetRow("cat", images(3, 3)), SheetRow("dog", images(5, 3))]
    figure = contact_sheet(rows, title="pets: training images")
    (axes,) = figure.axes
    shown = np.asarray(axes.images[0].get_array())
    assert shown.shape == (2 * 11, 5 * 21, 3)
    for place, row in enumerate(rows):
        for position, image in enumerate(row.images):
            cell = shown[place * 11 : place * 11 + 10, position * 21 : position * 21 + 20]
            assert np.array_equal(cell, image.transpose(1, 2, 0))
    assert (shown[:11, 3 * 21 :] == 255).all(), "a short row ends in white"
    assert (shown[10::11] == 255).all(), "rows are apart"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    assert list(axes.get_yticks()) == [5.5, 16.5]


def test_grey_images_and_names_of_any_letters_are_drawn() -> None:
    names = ["肺", "$x_1$ ^", "a name that is so long that it has to stand on several lines " * 3]
    figure = contact_sheet([SheetRow(name, images(2, 1)) for name in names], title="$" + "t" * 300)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert np.array_equal(shown[:10, :20, 0], shown[:10, :20, 2])
    assert png(figure).startswith(b"\x89PNG")
    width, _ = figure.get_size_inches()
    left = figure.axes[0].get_position().x0 * width
    assert left < 3, "long names leave room"
