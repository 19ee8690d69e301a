"""Images that changed between two runs of a trial: refused, or trained again without losing a result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from search_spaces.config import Bce, Binary, ImageFolder, SmallCnn, TrialConfig
from search_spaces.errors import DataError
from tests.trainer.image_files import random_images, write_class_folders
from trainer.changed_data import TrainedOn, difference, trained_on
from trainer.data.preparation import PREPARATION
from trainer.data.task import load_task, read_splits
from trainer.fit import Round
from trainer.options import TrialOptions
from trainer.setup import let_go
from trainer.store import Done, Store
from trainer.trial import run_trial

CPU = torch.device("cpu")
TASK = Binary(
    source=ImageFolder(folder="scans", size=8),
    negative=("benign",),
    positive=("malignant",),
    validation_per_class=4,
    test_per_class=4,
)


class Killed(BaseException):
    """Stands for SIGKILL."""


def write(data_dir: Path, seed: int) -> str:
    """Other images than those of another seed; returns the hash of the data."""
    images = {
        "benign": random_images(20, (3, 8, 8), seed),
        "malignant": random_images(12, (3, 8, 8), seed + 1),
    }
    write_class_folders(data_dir / "scans", images)
    read_splits.cache_clear()
    let_go()
    return load_task(TASK, data_dir).sha256


def config(*seeds: int) -> TrialConfig:
    return TrialConfig(data=TASK, model=SmallCnn(width=4), loss=Bce(), epochs=2, patience=None, seeds=seeds)


def hashes(store: Store, trial: TrialConfig) -> dict[int, str]:
    found = {}
    for seed, done in store.replicates.ended(trial.trial_id).items():
        was = trained_on(store, done)
        assert was is not None
        found[seed] = was.sha256
    return found


def test_one_more_seed_on_other_images_is_refused_and_changed_data_trains_all_again(tmp_path: Path) -> None:
    store, options = Store(tmp_path / "out"), TrialOptions(data_dir=tmp_path)
    first = write(tmp_path, 0)
    run_trial(config(1, 2), store, CPU, options)
    second = write(tmp_path, 100)
    assert first != second
    with pytest.raises(DataError, match=f"seed 1, 2: trained on data {first}, now there are data {second}"):
        run_trial(config(1, 2, 3), store, CPU, options)
    assert hashes(store, config(1)) == {1: first, 2: first}
    again = options.model_copy(update={"changed_data": True})
    assert run_trial(config(1, 2, 3), store, CPU, again) == dict.fromkeys((1, 2, 3), "completed")
    assert hashes(store, config(1)) == {1: second, 2: second, 3: second}
    wanted = {config(1).trial_id: (1, 2, 3)}
    assert set(store.all_replicates(wanted)[config(1).trial_id]) == {1, 2, 3}
    for seed in (1, 2):
        folder = tmp_path / "out" / "trials" / config(1).trial_id / "replicates" / str(seed)
        assert len(list(folder.glob("scores.*"))) == 1, "what was replaced is gone"


def test_a_kill_while_training_again_loses_no_result(tmp_path: Path) -> None:
    store, first = Store(tmp_path / "out"), write(tmp_path, 0)
    trial, again = config(1), TrialOptions(data_dir=tmp_path, changed_data=True, checkpoint_seconds=0)
    run_trial(trial, store, CPU, TrialOptions(data_dir=tmp_path))
    scores = store.replicates.read_scores(store.replicates.ended(trial.trial_id)[1])
    second = write(tmp_path, 100)

    def killed(round_: Round) -> None:
        raise Killed

    with pytest.raises(Killed):
        run_trial(trial, store, CPU, again, on_round=killed)
    kept = store.replicates.ended(trial.trial_id)
    assert hashes(store, trial) == {1: first}
    assert store.replicates.read_scores(kept[1]).equals(scores)
    third = write(tmp_path, 200)  # the checkpoint is of the second
    run_trial(trial, store, CPU, again)
    assert second != third
    assert hashes(store, trial) == {1: third}
    assert run_trial(trial, store, CPU, again) == {1: "completed"}, "nothing is left to train"


def test_a_replicate_that_ends_otherwise_takes_the_place_of_one_that_completed(tmp_path: Path) -> None:
    store, _ = Store(tmp_path / "out"), write(tmp_path, 0)
    trial = config(1)
    run_trial(trial, store, CPU, TrialOptions(data_dir=tmp_path))
    old = store.replicates.ended(trial.trial_id)[1]
    content: dict[str, Any] = {"data_sha256": "another", "reason": "loss is NaN"}
    epochs = store.replicates.read_epochs(old)
    store.replicates.write(
        trial.trial_id, 1, state="diverged", attempt="b" * 8, epochs=epochs, scores=None, result=content
    )
    store.replicates.drop_replaced(old, "diverged")
    ended = store.replicates.ended(trial.trial_id)
    assert ended[1].state == "diverged"
    assert trained_on(store, ended[1]) == TrainedOn("another", 1)


def test_results_name_the_preparation_and_a_change_of_it_is_told(tmp_path: Path) -> None:
    store, sha256 = Store(tmp_path / "out"), write(tmp_path, 0)
    trial = config(1)
    run_trial(trial, store, CPU, TrialOptions(data_dir=tmp_path))
    done: Done = store.replicates.ended(trial.trial_id)[1]
    assert json.loads(store.replicates.read_file(done, "result"))["preparation"] == PREPARATION
    assert trained_on(store, done) == TrainedOn(sha256, PREPARATION)
    told = difference(TrainedOn("1" * 64, PREPARATION - 1), "2" * 64)
    assert f"(preparation {PREPARATION - 1}, now {PREPARATION})" in told
    assert "preparation" not in difference(TrainedOn("1" * 64, PREPARATION), "2" * 64)
