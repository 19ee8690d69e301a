"""Splits of images with label sets: every label has its share, nothing stands on two sides."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import DigitMosaic, Groups, MedMnist, MultiLabel
from search_spaces.errors import DataError
from tests.trainer.data.test_prepared import assert_equal
from tests.trainer.image_files import random_images, write_npz
from trainer.data.sources.images import Images, RawData
from trainer.data.sources.read import list_source, read_source
from trainer.data.splits import Splits, divide_listing, make_splits
from trainer.data.survey import look_at_labels
from trainer.data.survey_pixels import look_at_pixels
from trainer.data.task import load_task, read_splits
from trainer.tasks.label_sets import label_counts

SOURCE = MedMnist(subset="some")
CLASSES = (0, 1, 2, 3)


def task(**fields: Any) -> MultiLabel:
    shares = {"validation_share": 0.2, "test_share": 0.2}
    return MultiLabel(**{"source": SOURCE, "classes": CLASSES, "critical": (0,), **shares, **fields})


def images(examples: int, seed: int = 0, groups: int | None = None, copies: int = 0) -> Images:
    """Four labels, from 4 to 47 % of the images; the last `copies` have the pixels of the first."""
    rng = np.random.default_rng(seed)
    sets = (rng.random((examples, 4)) < np.array([0.04, 0.085, 0.29, 0.469])).astype(np.uint8)
    pixels = random_images(examples, (1, 4, 4), seed)
    if copies:
        pixels[-copies:] = pixels[:copies]
    names = None if groups is None else rng.integers(0, groups, examples).astype(str)
    return Images(pixels, sets, np.arange(examples), names)


def parts(splits: Splits) -> dict[str, Images]:
    return {"pool": splits.pool, "validation": splits.validation.images, "test": splits.test.images}


def shares(part: Images) -> list[float]:
    return [count / len(part.classes) for count in label_counts(part.classes, 4)]


@settings(max_examples=15)
@given(st.integers(0, 99), st.integers(300, 700))
def test_every_label_has_its_share_in_every_split(seed: int, examples: int) -> None:
    raw = RawData(images(examples, seed, copies=5), None, None)
    splits = make_splits(raw, task())
    for name in ("validation", "test"):
        held_out = parts(splits)[name]
        assert abs(len(held_out.classes) - 0.2 * examples) <= 5
        wanted = 0.2 * np.array(label_counts(raw.train.classes, 4))
        assert np.all(np.abs(np.array(label_counts(held_out.classes, 4)) - wanted) <= 2)
    for one, other in combinations(parts(splits).values(), 2):
        assert not set(one.ids.tolist()) & set(other.ids.tolist())
        assert not {p.tobytes() for p in one.pixels} & {p.tobytes() for p in other.pixels}


def test_groups_are_whole_and_labels_have_nearly_their_shares() -> None:
    source = MedMnist(subset="some", groups=Groups(column="patient"))
    raw = RawData(images(1200, groups=240), None, None)
    splits = make_splits(raw, task(source=source))
    names = [set(part.groups.tolist()) for part in parts(splits).values() if part.groups is not None]
    assert len(names) == 3
    assert not any(one & other for one, other in combinations(names, 2))
    for part in parts(splits).values():
        assert np.allclose(shares(part), shares(raw.train), atol=0.02)


def test_a_label_of_two_patients_stands_on_both_sides() -> None:
    source = MedMnist(subset="some", groups=Groups(column="patient"))
    found = images(600, groups=120)
    found.classes[:, 0] = np.isin(found.groups, ["7", "8", "9"])
    splits = make_splits(RawData(found, None, None), task(source=source))
    assert all(label_counts(part.classes, 4)[0] for part in parts(splits).values())


@pytest.mark.parametrize("own", [True, False])
def test_labels_have_their_shares_in_every_split_by_leaving_out_few(own: bool) -> None:
    asked = (None, 0.03, None, 0.2)
    raw = RawData(images(3000), None, None)
    fields: dict[str, Any] = {"prevalences": asked}
    if own:
        raw = RawData(images(3000), images(900, 1), images(900, 2))
        fields.update(validation_share=None, test_share=None)
    splits = make_splits(raw, task(**fields))
    for name, part in parts(splits).items():
        for label, share in enumerate(asked):
            if share is not None:
                assert abs(label_counts(part.classes, 4)[label] - share * len(part.classes)) <= 3, name
    sizes = [len(part.classes) for part in parts(splits).values()]
    kept = sum(sizes)
    if not own:  # of label 3 thinned to 20 %, at most these can be kept
        without = 3000 - label_counts(raw.train.classes, 4)[3]
        assert 0.9 * without / 0.8 < kept <= without / 0.8 + 3
    division = divide_listing(raw.listing(), task(**fields))
    counts = [len(part) for part in (division.pool, division.validation.positions, division.test.positions)]
    assert counts == sizes


def test_labels_have_their_shares_in_training_alone(tmp_path: Path) -> None:
    write_npz(
        tmp_path / "some.npz",
        {
            n: (images(500, s).pixels[:, 0], images(500, s).classes)
            for s, n in enumerate(("train", "val", "test"))
        },
    )
    plain = task(validation_share=None, test_share=None)
    thinned = task(
        validation_share=None, test_share=None, prevalences=(None, None, 0.1, None), prevalences_in="training"
    )
    ratio = task(validation_share=None, test_share=None, critical=(1,), imbalance_ratio=49.0)
    sets = [load_task(one, tmp_path) for one in (plain, thinned, ratio)]
    assert len({data.sha256 for data in sets}) == 1
    assert sets[1].splits is sets[0].splits
    for data, label, share in ((sets[1], 2, 0.1), (sets[2], 1, 0.02)):
        assert abs(data.label_counts[label] - share * sum(data.counts)) <= 1
        first, second = data.train_indices(1), data.train_indices(2)
        assert not first.equal(second)
        for drawn in (first, second):
            assert len(drawn) == sum(data.counts)
            assert tuple(data.pool.targets[drawn].sum(dim=0).tolist()) == data.label_counts


def test_labels_alone_tell_what_pixels_tell(tmp_path: Path) -> None:
    write_npz(
        tmp_path / "some.npz",
        {
            n: (images(400, s).pixels[:, 0], images(400, s).classes)
            for s, n in enumerate(("train", "val", "test"))
        },
    )
    one = task(test_share=None, train_share=0.5)
    told = look_at_labels([one], tmp_path)
    seen = look_at_pixels(told, tmp_path)[one].survey
    survey = told[one].survey
    assert survey is not None
    assert seen is not None
    assert (survey.train, survey.sizes) == (seen.train, seen.sizes)
    assert survey.validation == seen.validation
    again = load_task(one, tmp_path)
    read_splits.cache_clear()
    assert_equal(load_task(one, tmp_path), again)
    assert again.pool.targets.shape[1] == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda sets: sets[:, 0] * 0, "the test split has no example with label 0"),
        (lambda sets: sets[:, 0] * 0 + 1, "the test split has no example without label 0"),
    ],
)
def test_a_label_that_none_has_is_refused(change: Any, message: str) -> None:
    found = images(300)
    sets = found.classes.copy()
    sets[:, 0] = change(sets)
    with pytest.raises(DataError, match=message):
        make_splits(RawData(replace(found, classes=sets), None, None), task())


def test_what_cannot_be_drawn_is_one_line() -> None:
    with pytest.raises(
        DataError, match="expected validation_share, the share of the training images to hold"
    ):
        make_splits(RawData(images(300), None, images(100, 1)), task(validation_share=None, test_share=None))


def test_mosaics_show_their_labels_and_share_no_tile() -> None:
    source = DigitMosaic(classes=(8, 9, 1), prevalences=(0.1, 0.4, 0.6), train=900, validation=300, test=300)
    raw = read_source(source, (9, 8), None, download=False)
    assert raw.validation is not None
    assert raw.test is not None
    digits = read_source(source.tiles_of, tuple(range(10)), None, download=False).train
    # One picture may be that of several digits' images, but of no two classes.
    known = {
        pixels.tobytes(): int(label) for pixels, label in zip(digits.pixels, digits.classes, strict=True)
    }
    tiles = []
    for part in (raw.train, raw.validation, raw.test):
        assert part.pixels.shape[1:] == (1, 16, 16)
        cut = part.pixels.reshape(-1, 1, 2, 8, 2, 8).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 4, 1, 8, 8)
        tiles.append({tile.tobytes() for tile in cut.reshape(-1, 1, 8, 8)})
        shown = np.array([[known[tile.tobytes()] for tile in mosaic] for mosaic in cut])
        for column, digit in enumerate((9, 8)):
            assert np.array_equal((shown == digit).sum(axis=1), part.classes[:, column])
            assert abs(part.classes[:, column].mean() - {9: 0.4, 8: 0.1}[digit]) < 0.08
    assert not any(one & other for one, other in combinations(tiles, 2))
    listing = list_source(source, (9, 8), None, download=False)
    assert np.array_equal(listing.train, raw.train.classes)
