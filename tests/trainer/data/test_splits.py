from __future__ import annotations

import numpy as np
import pytest

from search_spaces.config import Binary, MedMnist
from search_spaces.errors import DataError
from tests.trainer.image_files import random_images
from trainer.data.copies import copies_in
from trainer.data.sources.images import Images, LeftOut, RawData
from trainer.data.splits import Splits, divide_listing, make_splits, train_counts
from trainer.tasks.label_sets import strata


def _images(classes: list[int], seed: int = 0) -> Images:
    pixels = random_images(len(classes), (1, 3, 3), seed)
    return Images(pixels, np.array(classes), np.arange(len(classes)) * 10)


def _config(validation: int | None = None, test: int | None = None) -> Binary:
    """Classes 0 and 1 of the images are negative, class 2 is positive."""
    return Binary(
        source=MedMnist(subset="some"),
        negative=(5, 6),
        positive=(7,),
        validation_per_class=validation,
        test_per_class=test,
    )


def _pictures(images: Images) -> set[bytes]:
    return {pixels.tobytes() for pixels in images.pixels}


def _check_disjoint(splits: Splits) -> None:
    parts = (splits.pool, splits.validation.images, splits.test.images)
    for i, one in enumerate(parts):
        for other in parts[i + 1 :]:
            assert not _pictures(one) & _pictures(other)


def test_both_splits_are_drawn_when_asked_for() -> None:
    raw = RawData(_images([0, 1, 2] * 20), _images([0, 1, 2], 8), _images([0, 1, 2], 9))
    splits = make_splits(raw, _config(validation=4, test=5))
    _check_disjoint(splits)
    ids = [set(part.ids.tolist()) for part in (splits.pool, splits.validation.images, splits.test.images)]
    assert set.union(*ids) == set(raw.train.ids.tolist())
    assert sum(map(len, ids)) == 60
    assert np.bincount(splits.validation.images.classes).tolist() == [4, 4, 4]
    assert np.bincount(splits.test.images.classes).tolist() == [5, 5, 5]
    assert splits.class_sizes == (11, 11, 11)
    assert (splits.validation.origin, splits.test.origin) == ("train", "train")
    for part in (splits.pool, splits.validation.images, splits.test.images):
        assert part.ids.tolist() == sorted(part.ids.tolist())
        assert np.array_equal(part.pixels, raw.train.pixels[part.ids // 10])
        assert np.array_equal(part.classes, raw.train.classes[part.ids // 10])


def test_own_splits_are_taken_as_they_are() -> None:
    raw = RawData(_images([0, 1, 2] * 4), _images([0, 1, 2], 8), _images([2, 1], 9))
    splits = make_splits(raw, _config())
    assert splits.pool.ids.tolist() == raw.train.ids.tolist()
    assert np.array_equal(splits.validation.images.pixels, raw.validation.pixels)  # type: ignore[union-attr]
    assert np.array_equal(splits.test.images.pixels, raw.test.pixels)  # type: ignore[union-attr]
    assert (splits.validation.origin, splits.test.origin) == ("validation", "test")
    assert (len(splits.copies), len(splits.validation.copies)) == (0, 0)


def test_copies_leave_the_pool_and_the_own_validation_split() -> None:
    train, validation, test = _images([0, 1, 2] * 4), _images([0, 1, 2, 2], 8), _images([0, 1, 2], 9)
    train.pixels[3] = test.pixels[2]  # whatever its class
    train.pixels[4] = validation.pixels[0]
    train.pixels[6] = train.pixels[7]  # copies within a split stay
    validation.pixels[3] = test.pixels[2]
    train.pixels[5] = test.pixels[2]
    splits = make_splits(RawData(train, validation, test), _config())
    _check_disjoint(splits)
    assert (len(splits.copies), len(splits.validation.copies)) == (3, 1)
    assert splits.pool.ids.tolist() == [0, 10, 20, 60, 70, 80, 90, 100, 110]
    assert splits.validation.images.ids.tolist() == [0, 10, 20]
    assert splits.class_sizes == (4, 4, 4)


def test_a_copy_of_a_test_image_is_not_drawn_for_validation() -> None:
    train, test = _images([0, 1, 2] * 3), _images([0, 1, 2], 9)
    train.pixels[[0, 3]] = test.pixels[0]
    splits = make_splits(RawData(train, None, test), _config(validation=1))
    _check_disjoint(splits)
    assert [i for i in splits.validation.images.ids if i % 30 == 0] == [60]
    assert splits.class_sizes == (2, 2, 2)
    assert len(splits.copies) == 2
    with pytest.raises(DataError, match="validation_per_class asks for 2 examples of class 5, there are 1"):
        make_splits(RawData(train, None, test), _config(validation=2))


def test_a_copy_of_a_drawn_image_leaves_the_pool() -> None:
    train = _images([0, 1, 2] * 10)
    train.pixels[::3] = train.pixels[0]  # class 0 is one picture, ten times
    splits = make_splits(RawData(train, None, _images([0, 2], 9)), _config(validation=3))
    _check_disjoint(splits)
    assert splits.class_sizes == (7, 7, 7)
    assert len(splits.copies) == 7
    assert not (splits.pool.classes == 0).any()


def test_a_draw_does_not_depend_on_the_other_classes() -> None:
    raw = RawData(_images([0, 1, 2] * 20), None, _images([0, 2], 9))
    fewer = raw.train.take(np.flatnonzero(raw.train.classes != 1))
    swapped = Images(fewer.pixels, fewer.classes // 2, fewer.ids)
    config = Binary(source=MedMnist(subset="some"), negative=(5,), positive=(7,), validation_per_class=4)
    alone = make_splits(RawData(swapped, None, _images([0, 1], 9)), config)
    whole = make_splits(raw, _config(validation=4))
    assert set(alone.validation.images.ids.tolist()) <= set(whole.validation.images.ids.tolist())


@pytest.mark.parametrize(
    ("validation", "test", "name"), [(None, 3, "validation"), (3, None, "test"), (None, None, "test")]
)
def test_a_missing_split_must_be_drawn(validation: int | None, test: int | None, name: str) -> None:
    raw = RawData(_images([0, 1, 2] * 5), None, None)
    with pytest.raises(DataError, match=f"some has no {name} split of its own: expected {name}_per_class"):
        make_splits(raw, _config(validation, test))


@pytest.mark.parametrize(
    ("classes", "side", "labels"), [([0, 1], "positive", "7"), ([2], "negative", "5, 6")]
)
def test_a_split_without_a_side_is_an_error(classes: list[int], side: str, labels: str) -> None:
    whole = _images([0, 1, 2] * 5)
    text = rf"some: the {{}} split has no {side} example \(class {labels}\)"
    with pytest.raises(DataError, match=text.format("test")):
        make_splits(RawData(whole, None, _images(classes, 9)), _config(validation=1))
    with pytest.raises(DataError, match=text.format("validation")):
        make_splits(RawData(whole, _images(classes, 8), _images([0, 2], 9)), _config())


def test_an_empty_split_is_an_error() -> None:
    raw = RawData(_images([0, 1, 2] * 5), None, _images([], 9))
    with pytest.raises(DataError, match="the test split has no positive example"):
        make_splits(raw, _config(validation=1))


def test_a_split_that_copies_leave_without_a_side_says_so() -> None:
    test = _images([0, 1, 2] * 4, 9)
    message = r"the validation split has no positive example \(class 7\): all 12 validation images are copies"
    with pytest.raises(DataError, match=message):
        make_splits(RawData(_images([0, 1, 2] * 5), test, test), _config())
    train = _images([0, 1, 2] * 5)
    train.pixels[2::3] = test.pixels[2]
    with pytest.raises(DataError, match="of class 7, there are 0 besides 5 copies of test images"):
        make_splits(RawData(train, None, test), _config(validation=1))
    splits = make_splits(RawData(train, _images([0, 1, 2], 8), test), _config())
    sizes = splits.class_sizes
    with pytest.raises(DataError, match=r"of class 7, .*; 5 more are copies of validation or test images"):
        train_counts(sizes, strata(splits.pool.classes, 3), _config())


def test_a_picture_in_two_classes_is_told_and_kept() -> None:
    train = _images([0, 1, 2] * 4)
    train.pixels[3] = train.pixels[0]  # the same class
    train.pixels[5] = train.pixels[4]
    splits = make_splits(RawData(train, _images([0, 1, 2], 8), _images([0, 1, 2], 9)), _config())
    assert len(splits.pool.ids) == 12
    assert copies_in(splits) == (
        LeftOut("training images with a copy in another class (kept)", 1, "50 and 40"),
    )


def test_labels_alone_divide_as_many_of_each_class() -> None:
    raw = RawData(_images([0, 1, 2] * 20), _images([0, 1, 2], 8), _images([0, 2], 9))
    for config in (_config(), _config(validation=4), _config(validation=4, test=5)):
        splits, told = make_splits(raw, config), divide_listing(raw.listing(), config)
        assert told.class_sizes == splits.class_sizes
        for name in ("validation", "test"):
            taken, held_out = getattr(told, name), getattr(splits, name)
            assert taken.origin == held_out.origin
            assert sorted(taken.classes) == sorted(held_out.images.classes)
    with pytest.raises(DataError, match="validation_per_class asks for 21 examples of class 5, there are 20"):
        divide_listing(raw.listing(), _config(validation=21))
