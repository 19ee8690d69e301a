"""A trial of several classes: it trains with both extensions, goes on after a stop, and is read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces.config import ConstraintConfig, CrossEntropy, TrialConfig
from search_spaces.errors import InputError, Interrupted
from search_spaces.presets import preset
from trainer.data.sampler import epoch_order
from trainer.data.task import load_task
from trainer.evaluate import evaluate
from trainer.options import TrialOptions
from trainer.seeds import seed_for
from trainer.store import Store
from trainer.store.outputs import outputs_of
from trainer.tasks.base import task_arrays
from trainer.trial import run_trial

CPU = torch.device("cpu")


def config(comparison: Any) -> TrialConfig:
    constraint = None
    if comparison is not None:
        constraint = ConstraintConfig(penalty=1e-3, margin=0.5, comparison=comparison)
    fields = {**preset("digits-longtail", 10), "loss": CrossEntropy(), "constraint": constraint}
    return TrialConfig(**{**fields, "epochs": 4, "seeds": (1, 2), "scored": "mean_of_best_3"})


def stored(store: Store, wanted: TrialConfig) -> list[np.ndarray[Any, Any]]:
    ended = store.replicates.ended(wanted.trial_id)
    tables = [store.replicates.read_scores(ended[seed]) for seed in wanted.seeds]
    return [outputs_of(table, split).outputs for table in tables for split in ("val", "test")]


@pytest.mark.parametrize("comparison", [None, "one_vs_rest", "pairwise"])
def test_a_trial_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, comparison: Any) -> None:
    wanted = config(comparison)
    undisturbed, stopped = Store(tmp_path / "undisturbed"), Store(tmp_path / "stopped")
    run_trial(wanted, undisturbed, CPU, TrialOptions())
    asked = iter([False, False, False, True])
    with pytest.raises(Interrupted):
        run_trial(wanted, stopped, CPU, TrialOptions(checkpoint_seconds=0), should_stop=lambda: next(asked))
    resumed: list[float] = []
    run_trial(wanted, stopped, CPU, TrialOptions(), on_resume=resumed.extend)
    assert len(resumed) == 3
    for ours, theirs in zip(stored(stopped, wanted), stored(undisturbed, wanted), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("comparison", [None, "one_vs_rest", "pairwise"])
def test_batches_that_hold_a_critical_example_are_told(tmp_path: Path, comparison: Any) -> None:
    """Of the constraint alone: in each epoch the share that counting its order gives."""
    wanted = config(comparison).model_copy(update={"seeds": (1,), "epochs": 2, "batch_size": 8})
    store, data = Store(tmp_path), load_task(wanted.data, None)
    run_trial(wanted, store, CPU, TrialOptions())
    epochs = store.replicates.read_epochs(store.replicates.ended(wanted.trial_id)[1])
    if comparison is None:
        assert "train/critical_batches" not in epochs.column_names
        return
    expected = []
    for epoch in range(2):
        generator = torch.Generator().manual_seed(seed_for(1, f"order/{epoch}"))
        order = epoch_order("shuffle", data.train_indices(1), data.pool.targets, generator)
        batches = [data.pool.targets[part] for part in order.split(8) if len(part) > 1]
        expected.append(sum(bool((part >= 8).any()) for part in batches) / len(batches))
    assert epochs["train/critical_batches"].to_pylist() == pytest.approx(expected)
    assert 0 < expected[0] < 1


def test_what_is_stored_gives_the_metrics_again(tmp_path: Path) -> None:
    wanted, store = config("pairwise"), Store(tmp_path)
    run_trial(wanted, store, CPU, TrialOptions())
    done = store.replicates.ended(wanted.trial_id)[1]
    result = store.replicates.read_result(done)
    test = outputs_of(store.replicates.read_scores(done), "test")
    targets, outputs = test.targets, test.outputs
    assert outputs.shape == (600, 10)
    summary = task_arrays(wanted.data).summarize(targets, outputs)
    assert result["metrics"]["test/macro_f1"] == summary["macro_f1"]
    assert result["counts"]["train/0"] == 10 * result["counts"]["train/9"] + 8
    found = evaluate(wanted, store, load_task(wanted.data, None), CPU)
    assert found.replicates[1]["critical_auroc"] == pytest.approx(summary["critical_auroc"], abs=1e-12)
    assert found.classes == "60 of class 8, 60 of class 9"


def test_weights_are_not_held_against_another_tasks_targets(tmp_path: Path) -> None:
    wanted, store = config(None), Store(tmp_path)
    run_trial(wanted, store, CPU, TrialOptions())
    others = [preset("digits")["data"], wanted.data.model_copy(update={"classes": tuple(range(9, -1, -1))})]
    for other in others:
        with pytest.raises(InputError, match="evaluate: expected a task as the trial's, multiclass with the"):
            evaluate(wanted, store, load_task(other, None), CPU)  # type: ignore[arg-type]


def test_multipliers_rise_for_pairs_of_the_columns_alone(tmp_path: Path) -> None:
    wanted, store = config("one_vs_rest"), Store(tmp_path)
    run_trial(wanted, store, CPU, TrialOptions())
    done = store.replicates.ended(wanted.trial_id)[1]
    epochs = store.replicates.read_epochs(done).to_pydict()
    assert epochs["train/violation"][0] > epochs["train/violation"][-1] > 0
    assert epochs["train/multiplier_max"] == sorted(epochs["train/multiplier_max"])
    assert {"val/critical_auroc", "val/auroc/8", "ensemble/val/fpr_at_tpr_98/9"} <= epochs.keys()
    assert "ensemble/val/auroc/8" not in epochs
