"""The training loop: replicates are independent, resume is exact, and the ensemble is what selection uses."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from search_spaces.config import SCHEMA_VERSION, Bce, ConstraintConfig, Ldam, Mbauc, Sgd, TrialConfig
from search_spaces.presets import preset
from tests.trainer.golden_trajectory import GOLDEN, trajectory
from trainer import evaluate
from trainer.checkpoint import dump_replicates, restore_replicates
from trainer.data.pixels import Pixels
from trainer.data.task import TaskData, load_task
from trainer.fit import _ensemble_metrics, fit
from trainer.replicate import Replicate
from trainer.setup import TrialSetup
from trainer.tasks.base import task_arrays

CPU = torch.device("cpu")
CONSTRAINT = ConstraintConfig(penalty=1e-4, margin=0.5)


def config(**changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", 20), "loss": Bce(), "epochs": 4, "seeds": (1, 2, 3)}
    return TrialConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def task() -> TaskData:
    return load_task(config().data, None)


def replicates(config: TrialConfig, task: TaskData, seeds: tuple[int, ...] | None = None) -> list[Replicate]:
    setup = TrialSetup(config, task, CPU)
    return [Replicate(setup, seed) for seed in seeds or config.seeds]


def trained(config: TrialConfig, task: TaskData, seeds: tuple[int, ...] | None = None) -> list[Replicate]:
    made = replicates(config, task, seeds)
    for _ in fit(made):
        pass
    return made


def without_seconds(records: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in r.items() if k != "seconds" and not k.startswith("ensemble/")} for r in records]


@pytest.mark.parametrize("constraint", [None, CONSTRAINT])
@pytest.mark.parametrize("loss", [Bce(), Ldam(), Mbauc()])
def test_scores_do_not_depend_on_companions(
    task: TaskData, loss: Any, constraint: ConstraintConfig | None
) -> None:
    wanted = config(loss=loss, constraint=constraint)
    together, alone = trained(wanted, task)[1], trained(wanted, task, (2,))[0]
    assert without_seconds(together.records) == without_seconds(alone.records)
    np.testing.assert_array_equal(together.score_test(), alone.score_test())


def test_scores_do_not_depend_on_global_random_state(task: TaskData) -> None:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    first = trained(config(), task, (1,))[0]
    state = torch.get_rng_state()
    torch.manual_seed(999)
    np.random.seed(999)  # noqa: NPY002
    second = trained(config(), task, (1,))[0]
    np.testing.assert_array_equal(first.score_test(), second.score_test())
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state), "training drew from the global generator"


def test_seeds_differ(task: TaskData) -> None:
    first, second, _ = trained(config(), task)
    assert not np.array_equal(first.score_test(), second.score_test())


@pytest.mark.parametrize("stop_after", [1, 2, 3])
@pytest.mark.parametrize("loss", [Bce(), Ldam()])
def test_resumed_training_ends_with_the_same_scores(task: TaskData, stop_after: int, loss: Any) -> None:
    wanted = config(constraint=CONSTRAINT, loss=loss)
    undisturbed = trained(wanted, task)
    interrupted = replicates(wanted, task)
    rounds = fit(interrupted)
    for _ in range(stop_after):
        next(rounds)
    saved = dump_replicates(interrupted, trial_id=wanted.trial_id, data_sha256=task.sha256)
    resumed = replicates(wanted, task)
    restored = restore_replicates(saved, resumed, trial_id=wanted.trial_id, data_sha256=task.sha256)
    assert restored == [1, 2, 3]
    assert torch.equal(multipliers(resumed[0]), multipliers(interrupted[0]))
    assert multipliers(resumed[0]).max() > 0
    for _ in fit(resumed):
        pass
    for a, b in zip(undisturbed, resumed, strict=True):
        assert without_seconds(a.records) == without_seconds(b.records)
        assert [r["ensemble/val/auroc"] for r in a.records] == [r["ensemble/val/auroc"] for r in b.records]
        assert torch.equal(multipliers(a), multipliers(b))
        np.testing.assert_array_equal(a.score_test(), b.score_test())


def multipliers(replicate: Replicate) -> torch.Tensor:
    assert replicate.constraint is not None
    return replicate.constraint.multipliers


def test_ensemble_averages_each_replicates_best_epoch(task: TaskData) -> None:
    made = replicates(config(), task)
    for round_ in fit(made):
        mean = np.mean([r.scored.validation_scores() for r in made], axis=0, dtype=np.float64)
        expected = roc_auc_score(made[0].setup.validation_labels, mean)
        assert round_.ensemble["ensemble/val/auroc"] == pytest.approx(expected, abs=1e-12)
        assert set(round_.records) == {1, 2, 3}


def test_the_ensemble_is_averaged_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the tables: in single precision these means would be equal."""
    above = np.nextafter(np.float32(1), np.float32(2))
    rows = [np.array([1, above], dtype=np.float32), *[np.ones(2, dtype=np.float32)] * 2]
    labels = np.array([0, 1], dtype=np.uint8)
    setup: Any = SimpleNamespace(validation_labels=labels, arrays=task_arrays(config().data))
    assert _ensemble_metrics(setup, rows)["ensemble/val/auroc"] == 1
    pixels, ids = Pixels(np.zeros((2, 1, 8, 8), np.uint8)), np.arange(2)
    split = SimpleNamespace(targets=torch.from_numpy(labels), pixels=pixels, ids=ids, groups=None)
    done = {seed: SimpleNamespace(state="completed", seed=seed) for seed in (1, 2, 3)}
    store: Any = SimpleNamespace(replicates=SimpleNamespace(ended=lambda trial_id: done))
    monkeypatch.setattr(evaluate, "replicate_outputs", lambda config, store, done, *_: rows[done.seed - 1])
    scored: Any = SimpleNamespace(task=config().data, validation=split, test=split)
    assert evaluate.evaluate(config(), store, scored, CPU).ensemble["auroc"] == 1


def test_earlier_replicates_count_in_the_ensemble(task: TaskData) -> None:
    first = trained(config(), task, (1,))[0]
    late = replicates(config(), task, (2, 3))
    *_, last = fit(late, {1: first.scored.validation_scores()})
    assert dict(last.ensemble) == {
        k: v for k, v in trained(config(), task)[0].records[-1].items() if k.startswith("ensemble/")
    }


def test_best_epoch_has_the_highest_auroc_then_the_lowest_loss(task: TaskData) -> None:
    for replicate in trained(config(epochs=8), task):
        expected = max(replicate.records, key=lambda r: (r["val/auroc"], -r["val/loss"]))
        assert replicate.scored.epochs == [expected["epoch"]]


def test_ties_of_the_auroc_go_to_the_lower_loss(task: TaskData) -> None:
    """Real curves hardly ever tie, so the numbers are given here."""
    replicate = replicates(config(epochs=8), task, (1,))[0]
    chosen = []
    for auroc, loss in [(0.9, 0.5), (0.9, 0.6), (0.9, 0.4), (0.9, 0.4), (0.8, 0.1), (0.95, 0.9)]:
        replicate.validation_outputs = np.zeros(len(task.validation.targets), np.float32)
        numbers = {"val/auroc": auroc, "val/loss": loss, "train/loss": 0.1, "train/violation": 0.0}
        replicate._judge(numbers)
        replicate.epoch += 1
        chosen += replicate.scored.epochs
    assert chosen == [0, 0, 2, 2, 2, 5]


def test_divergence_ends_one_replicate_with_a_reason(task: TaskData) -> None:
    wild = config(optimizer=Sgd(learning_rate=1e30, momentum=0.0))
    for replicate in trained(wild, task):
        assert replicate.state == "diverged"
        assert replicate.epoch == 1
        assert replicate.reason is not None
        assert "not finite in epoch 0" in replicate.reason


def test_patience_ends_training_early(task: TaskData) -> None:
    patient = config(epochs=60, patience=3, optimizer=Sgd(learning_rate=0.2))
    for replicate in trained(patient, task):
        assert replicate.state == "completed"
        assert replicate.epoch < 60
        aurocs = [record["val/auroc"] for record in replicate.records]
        assert replicate.epoch == aurocs.index(max(aurocs)) + 3 + 1
        assert replicate.reason == "no better validation AUROC for 3 epochs"


def test_constraint_starts_at_its_epoch(task: TaskData) -> None:
    late = trained(config(constraint=ConstraintConfig(penalty=1e-4, margin=0.5, introduce_at=2)), task, (1,))[
        0
    ]
    plain = trained(config(), task, (1,))[0]
    assert [r["train/violation"] > 0 for r in late.records] == [False, False, True, True]
    assert [r["train/multiplier_max"] > 0 for r in late.records] == [False, False, True, True]
    assert without_seconds(late.records)[1]["train/loss"] == without_seconds(plain.records)[1]["train/loss"]


def test_multipliers_belong_to_the_drawn_positives(task: TaskData) -> None:
    replicate = trained(config(constraint=CONSTRAINT), task, (1,))[0]
    raised = torch.nonzero(multipliers(replicate)[:, 0]).squeeze(1)
    own = replicate.train_indices[task.pool.targets[replicate.train_indices] == 1]
    assert len(raised) > 0
    assert set(raised.tolist()) <= set(own.tolist())


def test_constraint_changes_what_is_learned(task: TaskData) -> None:
    strong = trained(config(constraint=ConstraintConfig(penalty=1e-2, margin=1.0)), task, (1,))[0]
    assert not np.array_equal(strong.score_test(), trained(config(), task, (1,))[0].score_test())


def test_cosine_schedule_falls_to_zero(task: TaskData) -> None:
    replicate = trained(config(optimizer=Sgd(learning_rate=0.1, schedule="cosine")), task, (1,))[0]
    rates = [r["learning_rate"] for r in replicate.records]
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * e / 4)) for e in range(4)])


def test_bf16_trains_and_stays_close(task: TaskData) -> None:
    half = trained(config(precision="bf16"), task, (1,))[0]
    full = trained(config(), task, (1,))[0]
    assert half.score_test().dtype == np.float32
    assert all(p.dtype == torch.float32 for p in half.model.parameters())
    assert abs(half.records[0]["train/loss"] - full.records[0]["train/loss"]) < 0.02


def test_a_trailing_batch_of_one_is_left_out(task: TaskData) -> None:
    replicate = replicates(config(batch_size=2), task, (1,))[0]
    examples = len(replicate.train_indices)
    assert replicate.train_batches(examples) == examples // 2


def test_mbauc_skips_batches_without_a_pair(task: TaskData) -> None:
    replicate = replicates(config(loss=Mbauc(), batch_size=8), task, (1,))[0]
    replicate.begin_epoch()
    labels = [replicate.batches.next(size).targets for size in replicate.batch_sizes]
    assert 0 < len(labels) < len(replicate.train_indices) // 8
    assert all(0 < int(batch.sum()) < 8 for batch in labels)


@pytest.mark.parametrize("initialization", ["torch", "he_fan_out"])
@pytest.mark.parametrize("loss", ["bce", "ldam"])
def test_numbers_change_only_with_the_schema(loss: str, initialization: Any) -> None:
    """When this fails on purpose, raise SCHEMA_VERSION and add the new numbers; trial ids change with it.

    The tolerance leaves room for another processor's order of sums, not for another algorithm.
    """
    curves, mean_score = GOLDEN[SCHEMA_VERSION, loss, initialization]
    found = trajectory(loss, initialization=initialization)
    for epoch, expected in zip(found["curves"], curves, strict=True):
        assert epoch == pytest.approx(expected, rel=0.01)
    assert found["mean_score"] == pytest.approx(mean_score, rel=0.01)
