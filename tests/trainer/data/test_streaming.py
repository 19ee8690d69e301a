"""Images that are read batch by batch give the numbers of those that stay on the device, bit for bit."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from search_spaces.config import (
    AugmentationConfig,
    Bce,
    Binary,
    ConstraintConfig,
    ImageFolder,
    Mixup,
    SmallCnn,
    TrialConfig,
)
from search_spaces.presets import preset
from tests.trainer.image_files import random_images
from trainer.data import residency
from trainer.data.residency import streams
from trainer.data.streaming import ReadAhead, RowSource
from trainer.data.task import TaskData, load_task, read_splits
from trainer.fit import fit
from trainer.options import TrialOptions
from trainer.replicate import Replicate
from trainer.setup import TrialSetup
from trainer.store import Store
from trainer.store.outputs import outputs_of
from trainer.trial import run_trial

CPU = torch.device("cpu")
RESIDENT, STREAMED = TrialOptions(images="resident"), TrialOptions(images="streamed")


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 90 images, a third of them critical."""
    root = tmp_path_factory.mktemp("data")
    for number, (label, count) in enumerate((("ill", 30), ("well", 60))):
        folder = root / "scans" / label
        folder.mkdir(parents=True)
        for place, image in enumerate(random_images(count, (9, 9, 3), number)):
            Image.fromarray(image // (1 + number)).save(folder / f"{place:02d}.png")
    return root


def config(**changes: Any) -> TrialConfig:
    data = Binary(
        source=ImageFolder(folder="scans", size=9),
        negative=("well",),
        positive=("ill",),
        imbalance_ratio=3,
        validation_per_class=8,
        test_per_class=8,
    )
    fields = {
        **preset("digits", 20),
        "data": data,
        "model": SmallCnn(width=2),
        "loss": Bce(),
        "constraint": ConstraintConfig(penalty=1e-3, margin=0.5, introduce_at=1),
        "epochs": 3,
        "seeds": (1, 2),
        "batch_size": 10,
    }
    return TrialConfig(**{**fields, **changes})


def trained(wanted: TrialConfig, task: TaskData, options: TrialOptions) -> list[Replicate]:
    setup = TrialSetup(wanted, task, CPU, options)
    assert setup.examples.streams == (options.images == "streamed")
    made = [Replicate(setup, seed) for seed in wanted.seeds]
    for _ in fit(made):
        pass
    return made


def assert_same(one: Replicate, other: Replicate) -> None:
    for record, its in zip(one.records, other.records, strict=True):
        for name in record.keys() - {"seconds"}:
            np.testing.assert_equal(record[name], its[name])
    weights = other.model.state_dict()
    for name, value in one.model.state_dict().items():
        assert value.equal(weights[name]), name
    assert np.array_equal(one.validation_outputs, other.validation_outputs)
    assert np.array_equal(one.score_test(), other.score_test())


@pytest.mark.parametrize("mixes", [False, True])
def test_numbers_are_those_of_resident_images(mixes: bool, scans: Path) -> None:
    wanted = config()
    if mixes:
        wanted = config(constraint=None, augmentation=AugmentationConfig(then=(Mixup(),)))
    task = load_task(wanted.data, scans)
    assert task.pool.pixels.file is not None
    for one, other in zip(trained(wanted, task, RESIDENT), trained(wanted, task, STREAMED), strict=True):
        assert_same(one, other)


def test_images_that_lie_in_memory_can_be_streamed_too() -> None:
    wanted = config(data=preset("digits", 20)["data"], seeds=(1,), epochs=2, constraint=None)
    task = load_task(wanted.data, None)
    (one,), (other,) = trained(wanted, task, RESIDENT), trained(wanted, task, STREAMED)
    assert_same(one, other)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_streamed_trial_that_was_killed_ends_as_a_resident_one(
    epoch: int, scans: Path, tmp_path: Path
) -> None:
    wanted = config()
    stores = {}
    for name, where in (("resident", "resident"), ("streamed", "streamed"), ("killed", "streamed")):
        stores[name] = Store(tmp_path / name)
        options = TrialOptions(data_dir=scans, checkpoint_seconds=0, images=where)
        if name == "killed":
            with pytest.raises(KeyboardInterrupt):
                run_trial(wanted, stores[name], CPU, options, killing_after(epoch))
        run_trial(wanted, stores[name], CPU, options)
    for seed in wanted.seeds:
        found = [scores(store, wanted, seed) for store in stores.values()]
        assert found[0] == found[1] == found[2]


def killing_after(epoch: int) -> Callable[[Any], None]:
    def on_round(round_: Any) -> None:
        if round_.epoch == epoch:
            raise KeyboardInterrupt

    return on_round


def scores(store: Store, wanted: TrialConfig, seed: int) -> list[object]:
    table = store.replicates.read_scores(store.replicates.ended(wanted.trial_id)[seed])
    return [outputs_of(table, split).outputs.tolist() for split in ("val", "test")]


def test_where_images_are_is_decided_by_what_they_take(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_task(config().data, scans)
    need = residency.resident_bytes(task)
    assert need == 3 * 9 * 9 * (len(task.pool) + 5 * len(task.validation))
    monkeypatch.setattr(residency, "memory_of", lambda device: 4 * need)
    assert not streams(task, CPU, "auto")
    assert streams(task, CPU, "streamed")
    monkeypatch.setattr(residency, "memory_of", lambda device: 4 * need - 4)
    assert streams(task, CPU, "auto")
    assert not streams(task, CPU, "resident")


def test_what_is_read_ahead_ends_with_its_replicate(scans: Path) -> None:
    task = load_task(config().data, scans)
    before = threading.active_count()
    replicate = Replicate(TrialSetup(config(), task, CPU, STREAMED), 1)
    replicate.train_batches(1)  # the epoch is not read to its end
    assert threading.active_count() == before + 1
    replicate.train_batches(2)  # another one, as a probe begins it
    assert threading.active_count() == before + 1
    replicate.close()
    assert threading.active_count() == before


def test_a_file_that_cannot_be_read_is_an_error_of_the_step(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMSWEEP_CACHE", str(tmp_path / "cache"))
    read_splits.cache_clear()
    pixels = load_task(config().data, scans).pool.pixels
    assert pixels.file is not None
    reader = ReadAhead(pixels, 10, CPU)
    reader.begin(np.arange(20))
    first = torch.zeros((10, 3, 9, 9), dtype=torch.uint8)
    reader.next(first)
    assert np.array_equal(first.numpy(), pixels.take(range(10)))
    reader.close()
    os.truncate(pixels.file, 3 * 81)
    reader.begin(np.arange(20))
    with pytest.raises(OSError, match="expected a map of decoded images, found a part"):
        reader.next(first)
    reader.close()
    read_splits.cache_clear()


def test_rows_are_read_in_any_order(scans: Path) -> None:
    pixels = load_task(config().data, scans).pool.pixels
    positions = np.array([5, 0, 5, 11])
    into = np.zeros((6, 3, 9, 9), dtype=np.uint8)
    with RowSource(pixels) as source:
        source.read(positions, into)
    assert np.array_equal(into[:4], pixels.take(positions))
