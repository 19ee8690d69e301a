"""No patient on two sides: whole groups are drawn, and what stands on two sides is an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import Binary, Groups, ImageFolder, MultiClass, Task
from search_spaces.errors import DataError
from tests.trainer.data.sources.test_groups import write_slides
from tests.trainer.image_files import encode, random_images
from trainer.data import held_out
from trainer.data.groups import check_apart, draw_groups, hashed
from trainer.data.prepared import PreparedSplits
from trainer.data.sources.images import Images, RawData
from trainer.data.splits import Splits, divide_listing, make_splits
from trainer.data.survey import look_at_labels
from trainer.data.survey_pixels import look_at_pixels
from trainer.data.task import load_task, read_splits

SOURCE = ImageFolder(folder="scans", size=8, groups=Groups(level=1))


def binary(**fields: Any) -> Binary:
    """Class "well" against "ill", split 60 : 20 : 20 unless the fields say otherwise."""
    shares = {"validation_share": 0.2, "test_share": 0.2}
    return Binary(**{"source": SOURCE, "negative": ("well",), "positive": ("ill",), **shares, **fields})


def images(groups: list[str], classes: list[int], seed: int = 0) -> Images:
    pixels = random_images(len(classes), (1, 3, 3), seed)
    ids = np.array([f"{seed}/{position}" for position in range(len(classes))])
    return Images(pixels, np.array(classes), ids, np.array(groups))


def patients(count: int, seed: int = 0) -> Images:
    """Some images of each patient, about one in ten of them ill."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, count)
    groups = np.repeat([f"p{number}" for number in range(count)], sizes).tolist()
    return images(groups, (rng.random(len(groups)) < 0.1).astype(int).tolist(), seed)


def parts(splits: Splits) -> dict[str, Images]:
    return {"pool": splits.pool, "validation": splits.validation.images, "test": splits.test.images}


def groups_of(part: Images) -> set[str]:
    assert part.groups is not None
    return set(part.groups.tolist())


def test_whole_groups_are_drawn_near_their_shares() -> None:
    raw = RawData(patients(150), None, None)
    splits = make_splits(raw, binary())
    found = parts(splits)
    assert sum(map(len, map(groups_of, found.values()))) == 150
    assert set.union(*map(groups_of, found.values())) == groups_of(raw.train)
    of_all = np.bincount(raw.train.classes)
    for name in ("validation", "test"):
        shares = np.bincount(found[name].classes) / of_all
        assert np.abs(shares - 0.2).max() < 0.02
    assert make_splits(raw, binary(imbalance_ratio=20, train_share=0.5)).test.images.ids.tolist() == (
        splits.test.images.ids.tolist()
    )


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=20, max_size=80),
    st.floats(0.05, 0.6),
)
def test_no_single_group_more_or_less_would_come_nearer(rows: list[tuple[int, int]], share: float) -> None:
    groups = np.array([f"g{group}" for group, _ in rows])
    classes = np.array([label for _, label in rows])
    total = np.bincount(classes, minlength=3).astype(float)
    wanted = share * total
    out = draw_groups(groups, classes, wanted, seed=0, purpose="test")

    def distance(mask: np.ndarray) -> tuple[int, float]:
        held = np.bincount(classes[mask], minlength=3)
        there = total > 0
        missing = ((held == 0) & there).sum() + ((held == total) & there).sum()
        return int(missing), float((((held - wanted)[there] / total[there]) ** 2).sum())

    for name in np.unique(groups):
        assert len(set(out[groups == name])) == 1
        other = np.where(groups == name, ~out, out)
        missing, far = distance(other)
        assert (missing, far + 1e-9) >= distance(out)
    order = np.random.default_rng(0).permutation(len(rows))
    again = draw_groups(groups[order], classes[order], wanted, seed=0, purpose="test")
    assert again.tolist() == out[order].tolist()


def test_a_rare_class_of_a_few_patients_stands_on_all_sides() -> None:
    groups = [f"w{number}" for number in range(30) for _ in range(4)] + ["a"] * 9 + ["b"] * 9 + ["c"] * 9
    classes = [0] * 120 + [1] * 27
    found = parts(make_splits(RawData(images(groups, classes), None, None), binary()))
    assert [int((part.classes == 1).sum()) for part in found.values()] == [9, 9, 9]


def test_labels_alone_draw_the_same_groups() -> None:
    raw = RawData(patients(60), None, None)
    splits, told = make_splits(raw, binary()), divide_listing(raw.listing(), binary())
    assert told.groups == tuple(len(groups_of(part)) for part in parts(splits).values())
    assert np.array_equal(raw.train.ids[told.test.positions], splits.test.images.ids)
    assert np.array_equal(raw.train.ids[told.validation.positions], splits.validation.images.ids)


def test_a_group_in_two_of_a_data_sets_own_splits_is_an_error() -> None:
    train = images(["a", "b", "c"] * 4, [0, 1, 0] * 4)
    validation, test = images(["d", "e"], [0, 1], 1), images(["f", "b", "c"], [0, 1, 1], 2)
    own = binary(validation_share=None, test_share=None)
    message = (
        "scans: expected every group in one split, found 2 groups in both training and test, for example b"
    )
    for raw in (RawData(train, validation, test), RawData(train, test, validation)):
        expected = message if raw.test is test else message.replace("test", "validation")
        with pytest.raises(DataError, match=f"^{expected}$"):
            make_splits(raw, own)
        with pytest.raises(DataError, match=f"^{expected}$"):
            divide_listing(raw.listing(), own)
    apart = RawData(train, validation, images(["f", "g"], [0, 1], 2))
    assert groups_of(make_splits(apart, own).test.images) == {"f", "g"}
    with pytest.raises(DataError, match="1 group in both training and validation, for example e"):
        make_splits(replace(apart, train=images(["a", "e"] * 6, [0, 1] * 6)), own)


def test_a_draw_that_cuts_a_group_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = RawData(patients(40), None, None)

    def every_other(groups: np.ndarray, *_: object, **__: object) -> np.ndarray:
        return np.arange(len(groups)) % 2 == 0

    monkeypatch.setattr(held_out, "draw_groups", every_other)
    with pytest.raises(
        DataError, match=r"expected every group in one split, found \d+ groups in both training"
    ):
        make_splits(raw, binary())


def test_a_reader_that_tells_no_groups_is_an_error() -> None:
    grouped = patients(40)
    silent = replace(grouped, groups=None)
    for raw in (RawData(silent, None, None), RawData(grouped, silent, None)):
        with pytest.raises(DataError, match=r"expected the groups of source\.groups, its reader tells none"):
            make_splits(raw, binary())


def test_what_stands_apart_is_no_error() -> None:
    nobody = np.empty(0, np.str_)
    check_apart({"training": np.array(["a", "a"]), "validation": nobody, "test": np.array(["b"])}, "scans")
    with pytest.raises(DataError, match="found 1 group in both validation and test, for example b"):
        check_apart({"training": nobody, "validation": np.array(["b"]), "test": np.array(["b"])}, "scans")


def test_copies_leave_as_ever_and_their_groups_stay_apart() -> None:
    train = patients(80)
    splits = make_splits(RawData(train, None, None), binary())
    test = int(np.flatnonzero(train.ids == splits.test.images.ids[0])[0])
    pool = int(np.flatnonzero(train.ids == splits.pool.ids[0])[0])
    validation = int(np.flatnonzero(train.ids == splits.validation.images.ids[0])[0])
    train.pixels[[pool, validation]] = train.pixels[test]
    again = make_splits(RawData(train, None, None), binary())
    assert again.test.images.ids.tolist() == splits.test.images.ids.tolist()
    assert again.copies.tolist() == [train.ids[pool]]
    assert again.validation.copies.tolist() == [train.ids[validation]]
    assert again.class_sizes == splits.class_sizes


def test_shares_without_groups_are_of_each_class() -> None:
    classes = [0] * 61 + [1] * 24
    raw = RawData(replace(images(["a"] * 85, classes), groups=None), None, None)
    task = binary(source=ImageFolder(folder="scans", size=8))
    found = parts(make_splits(raw, task))
    counts = {name: np.bincount(part.classes).tolist() for name, part in found.items()}
    assert counts == {"pool": [37, 14], "validation": [12, 5], "test": [12, 5]}
    few = RawData(raw.train.take([0, 1, *range(61, 85)]), None, None)
    with pytest.raises(DataError, match="scans: the test split has no negative example"):
        make_splits(few, task)


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    """Forty patients, PATIENT/well|ill/*.png, every other one of whom has something ill."""
    for number in range(40):
        for position in range(6):
            label = "ill" if position == 0 and number % 2 else "well"
            path = tmp_path / "scans" / f"p{number}" / label / f"{position}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(random_images(1, (3, 8, 8), 10 * number + position)[0]))
    return tmp_path


def loaded(task: Task, data_dir: Path) -> PreparedSplits:
    read_splits.cache_clear()
    return load_task(task, data_dir).splits


MULTICLASS = MultiClass(
    source=SOURCE, classes=("well", "ill"), critical=("ill",), validation_share=0.25, test_share=0.2
)


@pytest.mark.parametrize("task", [binary(), MULTICLASS], ids=["binary", "multiclass"])
def test_a_tree_of_patients_as_both_kinds_of_task(
    task: Task, slides: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path / "cache"))
    decoded, cached = loaded(task, slides), loaded(task, slides)
    assert decoded.sha256 == cached.sha256
    for splits in (decoded, cached):
        for split in (splits.pool, splits.validation, splits.test):
            assert split.groups is not None
            expected = hashed(np.array([image_id.split("/")[0] for image_id in split.ids.tolist()]))
            assert split.groups.tolist() == expected.tolist()
    survey = look_at_pixels(look_at_labels([task], slides), slides)[task].survey
    assert survey is not None
    assert survey.groups == tuple(
        len(set(split.groups)) for split in (decoded.pool, decoded.validation, decoded.test)
    )  # type: ignore[arg-type]
    assert sum(survey.groups) == 40


def test_a_tree_in_the_layout_of_the_histopathology_images(tmp_path: Path) -> None:
    write_slides(tmp_path / "scans")
    task = binary(negative=("0",), positive=("1",), validation_share=0.3, test_share=0.3)
    splits = loaded(task, tmp_path)
    assert sorted(map(len, (splits.pool, splits.validation, splits.test))) == [6, 6, 9]
    for split in (splits.pool, splits.validation, splits.test):
        for image_id, target in zip(split.ids.tolist(), split.targets.tolist(), strict=True):
            assert image_id.endswith(f"_class{target}.png")


def test_groups_are_part_of_the_datas_hash(slides: Path) -> None:
    by_name = binary(source=ImageFolder(folder="scans", size=8, groups=Groups(level=1)))
    found = loaded(by_name, slides)
    (slides / "scans" / "p0").rename(slides / "scans" / "p00")
    assert loaded(by_name, slides).sha256 != found.sha256


def test_hashes_are_equal_for_one_group_everywhere() -> None:
    names = hashed(np.array(["8863", "9022", "8863"]))
    assert names[0] == names[2] != names[1]
    assert names.tolist()[:1] == hashed(np.array(["8863"])).tolist()
    assert {len(name) for name in names.tolist()} == {16}
    assert hashed(np.empty(0, np.str_)).tolist() == []
