"""The plan: what a sweep wants against what the store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from search_spaces.config import Bce, SymmetricMargin, TrialConfig
from search_spaces.presets import preset
from search_spaces.sizes import weight_count
from sweeps.plan import block_counts, disk_need, make_plan
from trainer.store import Store


def config(**changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", 20), "loss": Bce(), "epochs": 2, "seeds": (1, 2)}
    return TrialConfig(**{**fields, **changes})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def end(store: Store, config: TrialConfig, seed: int, state: str = "completed") -> None:
    store.replicates.write(
        config.trial_id,
        seed,
        state=state,
        attempt="a",
        epochs=pa.table({"epoch": [0]}),
        scores=None,
        result={"state": state},
    )


def status(store: Store, config: TrialConfig) -> tuple[str, tuple[int, ...]]:
    (planned,) = make_plan("s", [config], store).trials
    return planned.status, planned.missing


def test_each_status(store: Store) -> None:
    wanted = config()
    assert status(store, wanted) == ("pending", (1, 2))
    store.write_config(wanted)
    assert status(store, wanted) == ("pending", (1, 2))
    store.notes.write_checkpoint(wanted.trial_id, b"state")
    assert status(store, wanted) == ("partial", (1, 2))
    end(store, wanted, 1)
    assert status(store, wanted) == ("partial", (2,))
    store.notes.write_failure(wanted.trial_id, {"error": "E", "message": "m"})
    assert status(store, wanted) == ("failed", (2,))
    end(store, wanted, 2)
    assert status(store, wanted) == ("done", ())
    assert status(store, config(seeds=(1, 2, 3))) == ("failed", (3,))
    store.notes.clear_failure(wanted.trial_id)
    assert status(store, config(seeds=(1, 2, 3))) == ("partial", (3,))


def test_divergence_is_a_failure_that_is_not_run_again(store: Store) -> None:
    wanted = config()
    end(store, wanted, 1, "diverged")
    assert status(store, wanted) == ("partial", (2,))
    end(store, wanted, 2)
    plan = make_plan("s", [wanted], store)
    assert plan.counts() == {"done": 0, "partial": 0, "failed": 1, "pending": 0, "pruned": 0}
    assert plan.to_run() == []
    assert [t.config for t in plan.failed()] == [wanted]


def test_a_pruned_trial_is_neither_failed_nor_run_again(store: Store) -> None:
    wanted = config()
    end(store, wanted, 1, "pruned")
    plan = make_plan("s", [wanted], store)
    assert plan.counts() == {"done": 0, "partial": 0, "failed": 0, "pending": 0, "pruned": 1}
    assert plan.to_run() == plan.failed() == []
    assert [t.config for t in plan.of("pruned", "done")] == [wanted]


def test_trials_of_a_block_follow_one_another(store: Store) -> None:
    a, b = preset("digits", 10)["data"], preset("digits", 20)["data"]
    trials = [config(data=d, loss=SymmetricMargin(margin=m)) for m in (0.5, 2.0) for d in (a, b)]
    plan = make_plan("s", trials, store)
    assert [t.config.data for t in plan.trials] == [a, a, b, b]
    assert {k: v["trials"] for k, v in block_counts(plan).items()} == {"digits 1:10": 2, "digits 1:20": 2}


def test_weights_follow_the_policy(store: Store) -> None:
    trials = [config(loss=SymmetricMargin(margin=m)) for m in (0.5, 2.0, 4.0)] + [config()]
    plan = make_plan("s", trials, store)
    one = 4 * 2 * weight_count(config())
    by_policy = {p: disk_need(plan, store, keep_weights=p, concurrent=2) for p in ("all", "selected", "none")}
    assert [by_policy[p].weights for p in ("all", "selected", "none")] == [4 * one, 2 * one, 0]
    assert by_policy["all"].checkpoints == 3 * one * 2
    assert not by_policy["all"].measured


@pytest.mark.parametrize("rule", ["mean_of_last_3", "mean_of_best_3"])
def test_disk_counts_every_set_of_weights(store: Store, rule: str) -> None:
    one = 4 * 2 * weight_count(config())
    plan = make_plan("s", [config(epochs=9, scored=rule), config()], store)
    need = disk_need(plan, store, keep_weights="all", concurrent=2)
    assert need.weights == (3 + 1) * one
    assert need.checkpoints == (2 + 3) * one * 2  # weights, momentum, three scored epochs
    short = make_plan("s", [config(epochs=2, scored=rule)], store)
    assert disk_need(short, store, keep_weights="selected", concurrent=1).weights == 2 * one


def test_disk_is_measured_on_finished_replicates(store: Store) -> None:
    for seed in (1, 2):
        end(store, config(), seed)
    need = disk_need(
        make_plan("s", [config(), config(epochs=3)], store), store, keep_weights="none", concurrent=1
    )
    size = sum(f.bytes for f in store.replicates.ended(config().trial_id)[1].files.values())
    assert need.measured
    assert need.results == 4 * size
