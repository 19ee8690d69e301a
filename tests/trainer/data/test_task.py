from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from search_spaces.config import Binary, Cifar10, Cifar100, Digits, ImageFolder, MedMnist
from search_spaces.errors import DataError
from tests.trainer.image_files import (
    random_images,
    write_cifar10_batches,
    write_class_folders,
    write_npz,
    write_parquet,
)
from trainer.data import task as data
from trainer.data.prepared import Split
from trainer.data.sources.read import read_source
from trainer.data.task import TaskData, channel_statistics, load_task

DIGITS = Binary(
    source=Digits(),
    negative=(8,),
    positive=(9, 3),
    imbalance_ratio=10.0,
    validation_per_class=30,
    test_per_class=40,
)
CIFAR10 = Binary(
    source=Cifar10(), negative=(1,), positive=(9,), imbalance_ratio=100.0, validation_per_class=100
)
CIFAR100 = Binary(
    source=Cifar100(),
    negative=(72, 4, 95, 30, 55),
    positive=(73,),
    imbalance_ratio=100.0,
    validation_per_class=50,
)
BREAST = Binary(source=MedMnist(subset="breastmnist"), negative=(1,), positive=(0,), imbalance_ratio=10.0)


def _with(config: Binary, **fields: object) -> Binary:
    return config.model_copy(update=fields)


def _ids(split: Split) -> set[tuple[str, object]]:
    return {(split.origin, name) for name in split.ids.tolist()}


def _copies(task: TaskData) -> dict[str, int]:
    """How many images of which split were left out as copies."""
    found = {}
    for part in task.splits.copies:
        name, separator, _ = part.reason.partition(" images that are copies of ")
        if separator:
            found[name] = part.count
    return found


def _check_task(task: TaskData) -> None:
    """What holds for every task: disjoint by id and by content, targets and subsets that fit."""
    splits = (task.pool, task.validation, task.test)
    for one, other in combinations(splits, 2):
        assert not _ids(one) & _ids(other)
        pictures = ({image.tobytes() for image in split.pixels} for split in (one, other))
        assert not set.intersection(*pictures)
    for split in splits:
        assert len(_ids(split)) == len(split) == len(split.pixels)
        assert split.pixels.dtype == np.uint8
        assert split.pixels.shape[1] == task.image_shape[0] == len(task.splits.mean) == len(task.splits.std)
        assert set(split.targets.tolist()) == {0, 1}
    subsets = [task.train_indices(seed) for seed in (1, 2, 3)]
    for subset in subsets:
        assert subset.dtype == torch.int64
        assert subset.equal(torch.unique(subset))
        assert len(subset) == sum(task.counts)
        for members, count in zip(task.splits.strata.members, task.counts, strict=True):
            assert np.isin(subset.numpy(), members).sum() == count
    assert not any(one.equal(other) for one, other in combinations(subsets, 2))
    assert task.train_indices(1).equal(subsets[0])


def _check_fixed_splits(config: Binary, data_dir: Path | None, ratios: tuple[float | None, ...]) -> None:
    tasks = []
    for ratio in ratios:
        data.read_splits.cache_clear()
        tasks.append(load_task(_with(config, imbalance_ratio=ratio), data_dir))
    for task in tasks[1:]:
        assert task.sha256 == tasks[0].sha256
        assert np.array_equal(task.validation.ids, tasks[0].validation.ids)
        assert np.array_equal(task.test.ids, tasks[0].test.ids)
    positives = [int(task.pool.targets[task.train_indices(1)].sum()) for task in tasks]
    assert len(set(positives)) == len(ratios)


def test_digits() -> None:
    task = load_task(DIGITS, None)
    _check_task(task)
    _check_fixed_splits(DIGITS, None, (5.0, 10.0, None))
    assert (len(task.validation), len(task.test)) == (90, 120)
    assert task.counts == (93, 4, 5)
    digits = load_task(_with(DIGITS, imbalance_ratio=None, train_share=1.0), None)
    assert sum(digits.counts) == len(digits.pool)


def test_the_fixed_draws_stay_what_they_are() -> None:
    """Golden: other splits would make stored results incomparable without a word."""
    task = load_task(DIGITS, None)
    assert task.sha256 == "e2c81ba2ab5ce9059996154b439bad06f8af9a5636d29116c2b3f09c09351301"
    assert task.validation.ids[:8].tolist() == [13, 19, 38, 59, 69, 73, 89, 91]
    assert task.train_indices(1)[:8].tolist() == [1, 4, 7, 10, 13, 15, 18, 21]


def test_nothing_depends_on_the_global_random_state() -> None:
    data.read_splits.cache_clear()
    first = load_task(DIGITS, None)
    data.read_splits.cache_clear()
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    again = load_task(DIGITS, None)
    assert again.sha256 == first.sha256
    assert again.train_indices(1).equal(first.train_indices(1))
    assert torch.get_rng_state().equal(before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_trials_of_a_block_share_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data.read_splits.cache_clear()
    calls = []
    monkeypatch.setattr(data, "read_source", lambda *a, **k: calls.append(a) or read_source(*a, **k))
    tasks = [
        load_task(_with(DIGITS, imbalance_ratio=r, train_share=s), None) for r, s in ((5.0, 0.5), (10.0, 1.0))
    ]
    assert len(calls) == 1
    assert tasks[0].pool.pixels is tasks[1].pool.pixels
    assert tasks[0].counts != tasks[1].counts
    load_task(_with(DIGITS, validation_per_class=31), None)
    assert len(calls) == 2


def _small_cifar(**fields: object) -> Binary:
    values = {"imbalance_ratio": 3.0, "validation_per_class": 2, **fields}
    return _with(CIFAR10, **values)


def test_the_same_images_in_two_formats_are_the_same_task(tmp_path: Path) -> None:
    pixels, labels = random_images(200), np.arange(200) % 10
    pixels[101] = pixels[161]  # a training image that is in test
    train, test = (pixels[:150], labels[:150]), (pixels[150:], labels[150:])
    write_cifar10_batches(tmp_path / "a" / "cifar-10-batches-py", train, test)
    for name, (images, classes) in (("train", train), ("test", test)):
        write_parquet(tmp_path / "b" / "cifar10" / f"{name}.parquet", images, classes)
    tasks = [load_task(_small_cifar(), tmp_path / folder) for folder in ("a", "b")]
    assert tasks[0].sha256 == tasks[1].sha256
    assert _copies(tasks[0]) == {"training": 1}
    for task in tasks:
        _check_task(task)
        assert (task.splits.mean, task.splits.std) == ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
        assert task.train_indices(4).equal(tasks[0].train_indices(4))


@pytest.mark.parametrize("changed", ["a pixel", "a target", "an order"])
def test_the_hash_sees_every_change(changed: str, tmp_path: Path) -> None:
    pixels, labels = random_images(60, (6, 6)), np.arange(60) % 2
    hashes = []
    for folder in ("before", "after"):
        splits = {name: (pixels.copy(), labels.copy()) for name in ("train",)}
        splits |= {
            name: (random_images(9, (6, 6), seed), labels[:9]) for seed, name in ((7, "val"), (8, "test"))
        }
        if folder == "after" and changed == "a pixel":
            splits["test"][0][3, 2, 2] ^= 1
        elif folder == "after" and changed == "a target":
            splits["train"][1][5] = 0
        elif folder == "after":
            splits["train"][0][[0, 2]] = splits["train"][0][[2, 0]]
        write_npz(tmp_path / folder / "some.npz", splits)
        task = load_task(_with(BREAST, source=MedMnist(subset="some")), tmp_path / folder)
        hashes.append(task.sha256)
    assert hashes[0] != hashes[1]


def test_folders_end_to_end(tmp_path: Path) -> None:
    images = {"benign": random_images(40, (3, 8, 8), 1), "malignant": random_images(20, (3, 8, 8), 2)}
    write_class_folders(tmp_path / "slides", images)
    config = Binary(
        source=ImageFolder(folder="slides", size=8),
        negative=("benign",),
        positive=("malignant",),
        imbalance_ratio=4.0,
        validation_per_class=5,
        test_per_class=5,
    )
    task = load_task(config, tmp_path)
    _check_task(task)
    assert task.counts == (27, 6)
    assert {name.split("/")[0] for name in task.test.ids.tolist()} == {"benign", "malignant"}
    with pytest.raises(DataError, match="slides has no test split of its own: expected test_per_class"):
        load_task(_with(config, test_per_class=None), tmp_path)


def test_images_of_two_shapes_are_an_error(tmp_path: Path) -> None:
    labels = np.arange(10) % 2
    splits = {n: (random_images(10, (s, s)), labels) for n, s in (("train", 6), ("val", 6), ("test", 7))}
    write_npz(tmp_path / "some.npz", splits)
    with pytest.raises(DataError, match="some: expected images of one shape"):
        load_task(_with(BREAST, source=MedMnist(subset="some")), tmp_path)


def test_channel_statistics_are_those_of_the_pixels() -> None:
    pixels = random_images(30, (3, 5, 4))
    pixels[:, 2] = 51
    mean, std = channel_statistics(pixels)
    values = pixels / 255
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std[:2], values.std(axis=(0, 2, 3))[:2], rtol=1e-12)
    assert std[2] == 1 / 255


@pytest.mark.parametrize(("ratio", "positives"), [(100.0, 44), (200.0, 22)])
def test_cifar10_has_the_papers_counts(real_data: Path, ratio: float, positives: int) -> None:
    task = load_task(_with(CIFAR10, imbalance_ratio=ratio), real_data)
    assert task.counts == (4410, positives)
    assert [len(s) for s in (task.pool, task.validation, task.test)] == [9800, 200, 2000]
    assert int(task.validation.targets.sum()) == 100


@pytest.mark.parametrize(("ratio", "positives"), [(100.0, 20), (200.0, 10)])
def test_cifar100_has_the_papers_counts(real_data: Path, ratio: float, positives: int) -> None:
    """Three training images of otters and seals are in test too; the counts are the paper's all the same."""
    task = load_task(_with(CIFAR100, imbalance_ratio=ratio), real_data)
    assert task.counts == (405, 405, 405, 405, 405, positives)
    assert [len(s) for s in (task.validation, task.test)] == [300, 600]
    assert _copies(task)["training"] >= 3
    assert len(task.pool) == 2700 - _copies(task)["training"]


def test_breastmnist_has_one_training_image_in_test(real_data: Path) -> None:
    task = load_task(BREAST, real_data)
    assert _copies(task) == {"training": 1}
    assert [len(s) for s in (task.pool, task.validation, task.test)] == [545, 78, 156]
    assert task.counts == (359, 35)


@pytest.mark.slow
@pytest.mark.parametrize("config", [CIFAR10, CIFAR100, BREAST], ids=["cifar10", "cifar100", "breastmnist"])
def test_real_tasks_are_disjoint_and_their_splits_fixed(real_data: Path, config: Binary) -> None:
    _check_task(load_task(config, real_data))
    _check_fixed_splits(config, real_data, (100.0, 200.0))
