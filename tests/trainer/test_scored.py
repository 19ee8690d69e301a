"""Which epochs a replicate is scored by: the rules by hand, against a slow reference, and through a trial."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from search_spaces.config import SCORED_EPOCHS, Bce, ConstraintConfig, Sgd, TrialConfig
from search_spaces.presets import preset
from trainer import checkpoint
from trainer.data.task import TaskData, load_task
from trainer.evaluate import evaluate
from trainer.fit import Round, fit
from trainer.losses import binary as losses
from trainer.models.scoring import logits_of
from trainer.options import TrialOptions
from trainer.patience import epochs_without_gain
from trainer.replicate import Replicate
from trainer.scored import ScoredEpochs, mean_scores
from trainer.setup import TrialSetup
from trainer.store import Store
from trainer.trial import StopTrial, run_trial

CPU = torch.device("cpu")
RULES = tuple(SCORED_EPOCHS)
NAN = math.nan

# Validation AUROC and loss by epoch; by rule the epochs that are held after each.
CURVE = [(0.6, 0.5), (0.8, 0.4), (0.7, 0.3), (0.8, 0.4), (0.8, 0.3), (0.5, 0.1), (0.9, 0.9)]
HELD: dict[str, list[list[int]]] = {
    "best_epoch": [[0], [1], [1], [1], [4], [4], [6]],
    "last": [[0], [1], [2], [3], [4], [5], [6]],
    "mean_of_last_3": [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]],
    "mean_of_best_3": [[0], [0, 1], [0, 1, 2], [1, 2, 3], [1, 3, 4], [1, 3, 4], [1, 4, 6]],
}


def offered(rule: Any, curve: list[tuple[float, float]]) -> tuple[ScoredEpochs, list[list[int]]]:
    """The held epochs after each epoch of a curve; every epoch's weights and scores hold its number."""
    found, held = ScoredEpochs(rule), []
    weights = {"w": torch.zeros(2)}
    for epoch, (auroc, loss) in enumerate(curve):
        weights["w"].fill_(epoch)  # in place, as training does
        found.offer(epoch, auroc, loss, weights, np.array([epoch, 0.1], np.float32))
        held.append(found.epochs)
    return found, held


@pytest.mark.parametrize("rule", RULES)
def test_rules_by_hand(rule: str) -> None:
    found, held = offered(rule, CURVE)
    assert held == HELD[rule]
    assert [one.weights["w"].tolist() for one in found.held] == [[e, e] for e in held[-1]]
    expected = np.mean([[e, np.float32(0.1)] for e in held[-1]], axis=0).astype(np.float32)
    np.testing.assert_array_equal(found.validation_scores(), expected)


def test_an_undefined_auroc_is_the_lowest() -> None:
    curve = [(NAN, 0.1), (0.2, 0.9), (NAN, 0.0), (NAN, 0.05), (0.1, 0.9), (NAN, 0.0)]
    assert offered("best_epoch", curve)[1] == [[0], [1], [1], [1], [1], [1]]
    assert offered("mean_of_best_3", curve)[1][-2:] == [[1, 2, 4], [1, 2, 4]]


few = st.sampled_from([0.5, 0.6, 0.7])


@given(st.sampled_from(RULES), st.lists(st.tuples(few, few), min_size=1, max_size=12))
def test_rules_against_a_slow_reference(rule: str, curve: list[tuple[float, float]]) -> None:
    """Ties are frequent here. The reference keeps everything and sorts."""
    for end, held in enumerate(offered(rule, curve)[1], start=1):
        count = 3 if rule.endswith("_3") else 1
        epochs = list(range(end))
        if "best" in rule:
            epochs.sort(key=lambda epoch: (-curve[epoch][0], curve[epoch][1], epoch))
        else:
            epochs.reverse()
        assert held == sorted(epochs[:count])


def test_one_epoch_is_scored_by_exactly_its_own_scores() -> None:
    scores = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    np.testing.assert_array_equal(mean_scores([scores]), scores)


def test_a_mean_is_summed_in_double_precision() -> None:
    parts = [np.array([value], np.float32) for value in (1e8, 1.0, -1e8)]
    assert mean_scores(parts)[0] == np.float32(1 / 3)


def test_without_an_epoch_there_is_no_score() -> None:
    with pytest.raises(ValueError, match="without a validated epoch"):
        ScoredEpochs("last").validation_scores()


def test_a_state_of_another_rule_is_refused() -> None:
    state = offered("mean_of_last_3", CURVE)[0].state_dict()
    with pytest.raises(ValueError, match="at most 1 scored epochs, found 3"):
        ScoredEpochs("last").load_state_dict(state)


def test_patience_counts_from_the_first_of_equals() -> None:
    curve = [math.nan, 0.5, 0.6, 0.6, 0.6, math.nan, 0.7]
    waited = [epochs_without_gain(curve[: epoch + 1]) for epoch in range(len(curve))]
    assert waited == [0, 0, 0, 1, 2, 3, 0]
    assert epochs_without_gain([math.nan] * 3) == 2


# Through a replicate and a trial


def config(**changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {
        **preset("digits", 20),
        "loss": Bce(),
        "constraint": ConstraintConfig(penalty=1e-4),
        "optimizer": Sgd(learning_rate=0.1),  # so high that the curves go up and down
        "epochs": 6,
        "seeds": (1, 2),
    }
    return TrialConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def task() -> TaskData:
    return load_task(config().data, None)


def made(config: TrialConfig, task: TaskData) -> list[Replicate]:
    setup = TrialSetup(config, task, CPU)
    return [Replicate(setup, seed) for seed in config.seeds]


def numbers(replicate: Replicate) -> list[dict[str, float]]:
    return [
        {k: v for k, v in record.items() if k != "seconds" and not k.startswith("ensemble/")}
        for record in replicate.records
    ]


class Trace:
    """Scores of every epoch of the replicates of a trial: a trial that forgets nothing."""

    def __init__(self, wanted: TrialConfig, task: TaskData) -> None:
        self.validation: dict[int, list[NDArray[np.float32]]] = {seed: [] for seed in wanted.seeds}
        self.test: dict[int, list[NDArray[np.float32]]] = {seed: [] for seed in wanted.seeds}
        self.replicates = made(wanted, task)
        for _ in fit(self.replicates):
            for replicate in self.replicates:
                setup = replicate.setup
                for scores, split in ((self.validation, task.validation), (self.test, task.test)):
                    logits = logits_of(replicate.model, setup.examples.evaluated(split), wanted.precision)
                    scores[replicate.seed].append(losses.score(logits).numpy())

    def expected(self, rule: str, seed: int, end: int) -> list[int]:
        """The scored epochs of a seed after `end` epochs."""
        records = next(r.records for r in self.replicates if r.seed == seed)[:end]
        order = sorted(range(end), key=lambda e: (-records[e]["val/auroc"], records[e]["val/loss"], e))
        chosen = order if "best" in rule else list(range(end))[::-1]
        return sorted(chosen[: 3 if rule.endswith("_3") else 1])


@pytest.fixture(scope="module")
def trace(task: TaskData) -> Trace:
    return Trace(config(), task)


def slow_mean(scores: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.array([math.fsum(float(s[i]) for s in scores) / len(scores) for i in range(len(scores[0]))])


@pytest.mark.parametrize("rule", RULES)
def test_scores_are_means_over_the_named_epochs(task: TaskData, trace: Trace, rule: Any) -> None:
    """So is the ensemble's value in every epoch. Curves, patience and penalty are as under any other rule."""
    replicates = made(config(scored=rule), task)
    labels = replicates[0].setup.validation_labels
    for end, round_ in enumerate(fit(replicates), start=1):
        means = []
        for seed, scores in trace.validation.items():
            means.append(slow_mean([scores[e] for e in trace.expected(rule, seed, end)]))
        expected = roc_auc_score(labels, np.mean(means, axis=0))
        assert round_.ensemble["ensemble/val/auroc"] == pytest.approx(expected, abs=1e-4)
    for replicate, other in zip(replicates, trace.replicates, strict=True):
        assert numbers(replicate) == numbers(other)
        epochs = trace.expected(rule, replicate.seed, 6)
        assert replicate.scored.epochs == epochs
        for found, by_epoch in (
            (replicate.scored.validation_scores(), trace.validation[replicate.seed]),
            (replicate.score_test(), trace.test[replicate.seed]),
        ):
            np.testing.assert_allclose(found, slow_mean([by_epoch[e] for e in epochs]), atol=1e-5)


def test_the_curves_of_these_tests_tell_the_rules_apart(trace: Trace) -> None:
    chosen = {rule: tuple(tuple(trace.expected(rule, seed, 6)) for seed in (1, 2)) for rule in RULES}
    assert len(set(chosen.values())) == 4


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("stop", [1, 3])
def test_an_interrupted_replicate_ends_with_the_same_scores(task: TaskData, rule: Any, stop: int) -> None:
    wanted = config(scored=rule, epochs=5)
    undisturbed = made(wanted, task)
    for _ in fit(undisturbed):
        pass
    first = made(wanted, task)
    rounds = fit(first)
    for _ in range(stop):
        next(rounds)
    facts = {"trial_id": wanted.trial_id, "data_sha256": task.sha256}
    saved = checkpoint.dump_replicates(first, **facts)
    second = made(wanted, task)
    checkpoint.restore_replicates(saved, second, **facts)
    for _ in fit(second):
        pass
    for one, other in zip(undisturbed, second, strict=True):
        assert one.scored.epochs == other.scored.epochs
        np.testing.assert_array_equal(one.scored.validation_scores(), other.scored.validation_scores())
        np.testing.assert_array_equal(one.score_test(), other.score_test())
        assert [r["ensemble/val/auroc"] for r in one.records] == [
            r["ensemble/val/auroc"] for r in other.records
        ]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


@pytest.mark.parametrize("rule", RULES)
def test_kept_weights_give_the_stored_scores_again(task: TaskData, tmp_path: Path, rule: Any) -> None:
    """Also after a kill in the middle of the training."""
    wanted = config(scored=rule, epochs=5)
    options = TrialOptions(checkpoint_seconds=0.0)

    def kill(round_: Round) -> None:
        if round_.epoch == 3:
            raise Killed

    plain, killed = Store(tmp_path / "plain"), Store(tmp_path / "killed")
    run_trial(wanted, plain, CPU, options)
    with pytest.raises(Killed):
        run_trial(wanted, killed, CPU, options, on_round=kill)
    run_trial(wanted, killed, CPU, options)
    for store in (plain, killed):
        for seed, done in store.replicates.ended(wanted.trial_id).items():
            assert store.replicates.read_scores(done).equals(
                plain.replicates.read_scores(plain.replicates.ended(wanted.trial_id)[seed])
            )
            result = store.replicates.read_result(done)
            weights = checkpoint.load_weights(
                store.replicates.read_file(done, "weights"), trial_id=wanted.trial_id, seed=seed
            )
            assert len(result["scored_epochs"]) == len(weights.models) == SCORED_EPOCHS[wanted.scored]
            for split, name in (("validation", "val"), ("test", "test")):
                found = evaluate(wanted, store, task, CPU, split).replicates[seed]  # type: ignore[arg-type]
                stored = {k: v for k, v in result["metrics"].items() if k.startswith(f"{name}/")}
                again = {f"{name}/{key}": value for key, value in found.items()}
                # The one metric of the scores' values, not of their order alone: they round otherwise.
                calibration = again.pop(f"{name}/calibration_error")
                assert calibration == pytest.approx(stored.pop(f"{name}/calibration_error"), abs=1e-6)
                assert again == stored


def test_of_fewer_epochs_all_are_scored(task: TaskData, tmp_path: Path) -> None:
    wanted = config(scored="mean_of_last_3", epochs=2)
    assert wanted.scored_epochs == 2
    store = Store(tmp_path)
    run_trial(wanted, store, CPU, TrialOptions())
    for done in store.replicates.ended(wanted.trial_id).values():
        assert store.replicates.read_result(done)["scored_epochs"] == [0, 1]


@pytest.mark.parametrize("rule", RULES)
def test_replicates_that_do_not_complete_have_no_scores(task: TaskData, tmp_path: Path, rule: Any) -> None:
    store = Store(tmp_path)

    def prune(round_: Round) -> None:
        if round_.epoch == 3:
            raise StopTrial("it fell behind")

    pruned = config(scored=rule)
    assert set(run_trial(pruned, store, CPU, TrialOptions(), on_round=prune).values()) == {"pruned"}
    wild = config(scored=rule, optimizer=Sgd(learning_rate=1e30, momentum=0.0))
    assert set(run_trial(wild, store, CPU, TrialOptions()).values()) == {"diverged"}
    for trial, epochs in ((pruned, SCORED_EPOCHS[pruned.scored]), (wild, 0)):
        for done in store.replicates.ended(trial.trial_id).values():
            assert set(done.files) == {"epochs", "result"}
            assert len(store.replicates.read_result(done)["scored_epochs"]) == epochs
