"""A race of replicates over a store: who trains what, who is left behind, and what a killed one comes to."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from search_spaces.config import TrialConfig
from search_spaces.paper.named import constraint_by_name, loss_by_name
from search_spaces.presets import preset
from search_spaces.reading import DEFAULT_READING
from sweeps.plan import make_plan
from sweeps.search.race import Race, looks
from trainer.store import Store

SEEDS = tuple(range(1, 11))
EXAMPLES = 400  # of the validation split, half of them positive


def candidates(loss: str, names: list[str], seeds: tuple[int, ...] = SEEDS) -> list[TrialConfig]:
    """Trials of one cell: a loss under several constraints."""
    fields = {**preset("digits", ratio=20), "loss": loss_by_name(loss), "seeds": seeds}
    found = []
    for name in names:
        for delta in (0.1, 0.25, 0.5, 1.0):
            trial = {**fields, "constraint": constraint_by_name(name, delta)}
            found.append(TrialConfig.model_validate(trial))
    return found


TRIALS = [
    *candidates("baseline_BCE", ["ALM_14_beg", "ALM_15_beg", "ALM_16_beg"]),
    *candidates("baseline_LDAM", ["ALM_14_beg", "ALM_16_beg"]),
]
PLACE = {trial.trial_id: place for place, trial in enumerate(TRIALS)}


def place(trial: TrialConfig) -> int:
    """How many candidates of its cell a trial is worse than, but for its equals."""
    return PLACE[trial.trial_id] % 6


def outputs(trial: TrialConfig, seed: int) -> pa.Table:
    """Of a replicate: normal, those of positives higher by what the trial is worth."""
    targets = np.arange(EXAMPLES) % 2
    shared = np.random.default_rng(0).normal(size=EXAMPLES)
    own = np.random.default_rng([PLACE[trial.trial_id], seed]).normal(size=EXAMPLES)
    scores = (2.6 - 0.3 * place(trial)) * targets + 0.9 * shared + 0.4 * own
    columns = {
        "split": ["val"] * EXAMPLES,
        "example_id": [f"e{number:03d}" for number in range(EXAMPLES)],
        "target": pa.array(targets, pa.int8()),
        "score": pa.array(scores, pa.float32()),
    }
    return pa.table(columns)


def end(store: Store, trial: TrialConfig, seed: int, state: str = "completed") -> None:
    """A replicate that ended so."""
    store.replicates.write(
        trial.trial_id,
        seed,
        state=state,
        attempt=f"a{seed:07d}",
        epochs=pa.table({"epoch": pa.array([0], pa.int32())}),
        scores=outputs(trial, seed) if state == "completed" else None,
        result={"state": state, "reason": None, "metrics": {}, "data_sha256": "d" * 64},
    )


def run(store: Store, trials: list[TrialConfig], most: int | None = None) -> int:
    """Race to the end, or until so many replicates have been trained; how many were."""
    plan = make_plan("race", trials, store, trust_index=False)
    race = Race(store, trials, [one.trial_id for one in plan.to_run()], DEFAULT_READING)
    trained = 0
    while (lap := race.next_lap()).trials:
        for trial in lap.trials.values():
            ended = store.replicates.ended(trial.trial_id)
            for seed in trial.seeds:
                if seed not in ended:
                    if trained == most:
                        return trained
                    end(store, trial, seed)
                    trained += 1
    return trained


def states(store: Store, trials: list[TrialConfig]) -> dict[str, dict[int, str]]:
    """How every replicate ended, by trial and seed."""
    found = {}
    for trial in trials:
        done = store.replicates.ended(trial.trial_id)
        found[trial.trial_id] = {seed: one.state for seed, one in sorted(done.items())}
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    for trial in TRIALS:
        made.write_config(trial)
    return made


def test_more_seeds_go_to_those_that_could_be_best_alone(store: Store) -> None:
    trained = run(store, TRIALS)
    assert trained < 0.5 * len(TRIALS) * len(SEEDS)
    ended = states(store, TRIALS)
    for cell in (TRIALS[:12], TRIALS[12:]):
        whole = [one for one in cell if ended[one.trial_id] == dict.fromkeys(SEEDS, "completed")]
        assert {place(one) for one in whole} == {0}
    for trial in TRIALS:
        found = ended[trial.trial_id]
        if place(trial) > 3:
            assert found == {1: "completed", 2: "completed", 3: "pruned"}
    plan = make_plan("race", TRIALS, store, trust_index=False)
    assert not plan.to_run()
    assert plan.counts()["pruned"] >= len(TRIALS) // 2


def test_one_left_behind_says_by_what_and_after_how_many(store: Store) -> None:
    run(store, TRIALS)
    worst = max(TRIALS[:12], key=place)
    done = store.replicates.ended(worst.trial_id)[3]
    result = store.replicates.read_result(done)
    assert (result["state"], result["pruned_by"], result["raced_after"]) == ("pruned", "val/auroc", 2)
    said = re.fullmatch(
        r"race: val/auroc (0\.\d+) of 2 replicates together, of the best of its table cell (0\.\d+)",
        str(result["reason"]),
    )
    assert said
    assert float(said[1]) < float(said[2])
    assert result["data_sha256"] == "d" * 64
    assert store.replicates.read_epochs(done).num_rows == 0


@pytest.mark.parametrize("kill", [1, 40, 41, 50])
def test_a_killed_race_goes_on_and_ends_in_the_same_way(store: Store, tmp_path: Path, kill: int) -> None:
    calm = Store(tmp_path / "calm")
    for trial in TRIALS:
        calm.write_config(trial)
    in_all = run(calm, TRIALS)
    first = run(store, TRIALS, most=kill)
    assert first + run(store, TRIALS) == in_all
    assert states(store, TRIALS) == states(calm, TRIALS)
    assert run(store, TRIALS) == 0


def test_results_that_were_there_before_decide_nothing_sooner(store: Store, tmp_path: Path) -> None:
    """The first replicates decide, whatever else is there."""
    calm = Store(tmp_path / "calm")
    for trial in TRIALS:
        calm.write_config(trial)
    run(calm, TRIALS)
    for seed in (4, 5, 6, 7):
        end(store, TRIALS[0], seed)
    run(store, TRIALS)
    others = TRIALS[1:]
    assert states(store, others) == states(calm, others)


def test_a_trial_that_fails_is_not_asked_for_twice(store: Store) -> None:
    race = Race(store, TRIALS, [trial.trial_id for trial in TRIALS], DEFAULT_READING)
    lost = TRIALS[0].trial_id
    asked = 0
    while (lap := race.next_lap()).trials:
        for trial_id, trial in lap.trials.items():
            asked += trial_id == lost
            for seed in trial.seeds:
                if trial_id != lost and seed not in store.replicates.ended(trial_id):
                    end(store, trial, seed)
    assert asked == 1
    assert not store.replicates.ended(lost)


def test_one_of_which_a_replicate_diverged_falls_behind_those_of_which_none_did(store: Store) -> None:
    best = min(TRIALS[:12], key=place)
    end(store, best, 2, state="diverged")
    run(store, TRIALS)
    ended = states(store, TRIALS)[best.trial_id]
    assert ended == {1: "completed", 2: "diverged", 3: "pruned"}


def test_damaged_files_of_one_left_behind_stop_nobody_else(store: Store) -> None:
    worst = max(TRIALS[:12], key=place)
    end(store, worst, 1)
    (curves,) = Path(store.storage.root).glob(f"trials/{worst.trial_id}/replicates/1/epochs*")
    curves.write_bytes(b"damaged")
    run(store, TRIALS)
    ended = states(store, TRIALS)
    assert ended[worst.trial_id] == {1: "completed", 2: "completed"}
    next_worst = max((trial for trial in TRIALS[:12] if trial is not worst), key=place)
    assert "pruned" in ended[next_worst.trial_id].values()


def test_where_all_diverge_none_falls_behind(store: Store) -> None:
    few = TRIALS[:2]
    for trial in few:
        end(store, trial, 1, state="diverged")
    run(store, few)
    assert all("pruned" not in found.values() for found in states(store, few).values())


def test_early_stopping_beside_it_takes_a_trial_out(store: Store) -> None:
    end(store, TRIALS[3], 1, state="pruned")
    run(store, TRIALS)
    assert states(store, TRIALS)[TRIALS[3].trial_id] == {1: "pruned"}


def test_no_more_than_the_first_seeds_is_no_race() -> None:
    assert [looks(n) for n in (1, 2, 3, 4, 6, 7)] == [[], [], [2], [2, 3], [2, 3], [2, 3, 6]]
    assert looks(13) == [2, 3, 6, 12]
