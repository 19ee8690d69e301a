"""A search's study: first points, no trial twice, relaunch, warm start, how results are told. No training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from analysis.load import load_sweep
from search_spaces.config import Targets, TrialConfig
from search_spaces.errors import StoreError
from search_spaces.reading import Reading
from search_spaces.search import Search
from search_spaces.space import SearchSpace
from sweeps.search.searcher import MOST_OUTAGES, StudySearcher
from sweeps.search.study import SearchStudy
from tests.sweeps.synthetic_store import write_replicate, write_trial
from trainer.store import Storage, Store, SweepManifest, layout

FIXED: dict[str, object] = {"dataset": "digits", "ratio": 20, "seeds": [1, 2]}
DOMAINS: dict[str, Any] = {
    "loss.name": {"choice": ["bce", "s_lm"]},
    "loss.margin": {"log_uniform": [0.1, 10], "when": {"loss.name": ["s_lm"]}},
    "alm": {"choice": ["none", "ALM_14_beg"]},
    "alm.penalty": {"log_uniform": [1e-9, 1e-2]},
    "delta": {"uniform": [0, 1]},
}
START = [{"loss": "baseline_s_LM_m05", "alm": "ALM_15_beg", "delta": 0.25}, {"loss": "baseline_BCE"}]


def search(**changes: object) -> Search:
    block = {"domains": DOMAINS, "start": START, **changes}
    found = SearchSpace.searched("s", FIXED, block).search
    assert found is not None
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def open_study(store: Store, samples: int, **changes: object) -> SearchStudy:
    return SearchStudy(store, "s", search(**changes), samples)


def waiting(study: SearchStudy) -> list[TrialConfig]:
    """Known trials that the store lacks."""
    return [s.config for i, s in study.suggestions.items() if not study.store.replicates.ended(i)]


def go_on(study: SearchStudy, steps: int = 1000) -> list[str]:
    """Train what is known and then what is suggested, one after another, at most so many; their ids."""
    trained = []
    queue = waiting(study)
    while len(trained) < steps:
        config = queue.pop(0) if queue else study.suggest()
        if config is None:
            break
        write_trial(study.store, config)
        study.finish(config.trial_id)
        trained.append(config.trial_id)
    return trained


def states(study: SearchStudy) -> list[TrialState]:
    return [trial.state for trial in study._advisor.study.trials]


def test_known_points_come_first_and_then_as_many_as_asked(store: Store) -> None:
    study = open_study(store, 12)
    first = [search().trial(point).trial_id for point in search().start]
    assert list(study.suggestions) == first
    assert study.remaining == 10
    ids = go_on(study)
    assert ids[:2] == first
    assert len(ids) == len(set(ids)) == 12
    assert study.suggest() is None
    manifest = study.manifest()
    assert [config.trial_id for config in manifest.trials] == ids
    assert manifest.samples == 12
    origins = [s.origin for s in study.suggestions.values()]
    assert origins == ["start"] * 2 + ["sampler"] * 10
    written = [
        store.storage.read_json(path)
        for path in sorted(store.storage.list_files("studies/s", recursive=False))
    ]
    assert [w["trial_id"] for w in written if w] == ids


@pytest.mark.parametrize("killed_after", [0, 1, 7, 12])
def test_a_relaunched_search_goes_on_as_if_nothing_had_happened(tmp_path: Path, killed_after: int) -> None:
    calm, killed = Store(tmp_path / "calm"), Store(tmp_path / "killed")
    expected = go_on(open_study(calm, 16))
    first = go_on(open_study(killed, 16), killed_after)
    again = open_study(killed, 16)
    assert first + go_on(again) == expected
    assert open_study(killed, 16).suggest() is None


def test_a_suggestion_under_way_is_not_lost(store: Store) -> None:
    study = open_study(store, 5)
    go_on(study, 2)
    begun = study.suggest()
    assert begun is not None
    again = open_study(store, 5)
    assert waiting(again) == [begun]
    assert states(again)[2] == TrialState.RUNNING
    go_on(again)
    assert begun.trial_id in again.suggestions
    assert len(again.suggestions) == 5


def test_more_samples_later_and_never_fewer(store: Store) -> None:
    ids = go_on(open_study(store, 3))
    more = open_study(store, 6)
    fresh = go_on(more)
    assert list(more.suggestions) == ids + fresh
    assert len(set(fresh) - set(ids)) == 3
    assert len(more.suggestions) == 6
    assert open_study(store, 1).samples == 6


def test_an_outage_of_the_storage_delays_a_suggestion(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    study = open_study(store, 4)
    searcher = StudySearcher(study, [], {})
    write, failures = Storage.write_json, [2]

    def fail_at_first(self: Storage, path: str, *rest: Any) -> None:
        if path.startswith("studies/") and failures[0]:
            failures[0] -= 1
            raise StoreError("no space left")
        write(self, path, *rest)

    monkeypatch.setattr(Storage, "write_json", fail_at_first)
    assert [searcher.suggest("t1"), searcher.suggest("t1")] == [None, None]
    given = searcher.suggest("t1")
    assert isinstance(given, dict)
    assert given["trial_id"] in study.suggestions
    failures[0] = MOST_OUTAGES
    assert [searcher.suggest("t2") for _ in range(MOST_OUTAGES - 1)] == [None] * (MOST_OUTAGES - 1)
    with pytest.raises(StoreError):
        searcher.suggest("t2")


def test_first_points_that_had_no_room_come_later(store: Store) -> None:
    assert len(go_on(open_study(store, 1))) == 1
    more = open_study(store, 3)
    assert [s.origin for s in more.suggestions.values()] == ["start", "start"]
    assert [s.number for s in more.suggestions.values()] == [0, 1]


def test_a_finite_search_ends_with_each_of_its_trials_once(store: Store) -> None:
    domains = {"loss": {"choice": ["baseline_BCE", "baseline_LDAM"]}, "epochs": {"int_uniform": [1, 3]}}
    study = open_study(store, 50, domains=domains, start=[{"loss": "baseline_LDAM", "epochs": 2}])
    ids = go_on(study)
    assert len(ids) == len(set(ids)) == 6
    assert study.exhausted
    assert study.remaining == 0


def other_trials(count: int, **changes: object) -> list[TrialConfig]:
    return [search(**changes).trial(search().random_point(9, index)) for index in range(count)]


def test_finished_trials_of_other_sweeps_are_learned_from(store: Store) -> None:
    others = list({config.trial_id: config for config in other_trials(8)}.values())
    outside = others[0].model_copy(update={"epochs": 99})
    store.write_sweep(SweepManifest("other", (*others, outside)))
    for config in [*others[:-1], outside]:
        write_trial(store, config)
    write_replicate(store, others[-1], 1)  # its other seed is missing
    study = open_study(store, 4)
    told = study._advisor.study.trials
    finished = {config.trial_id for config in others[:-1]}
    known = {search().trial(point).trial_id for point in search().start}
    assert study.warm == len(finished - known)
    assert [trial.state for trial in told[: study.warm]] == [TrialState.COMPLETE] * study.warm
    assert len(go_on(study)) + len(finished & known) == 4


def test_a_finished_trial_that_is_suggested_counts_and_is_not_trained(store: Store) -> None:
    domains = {"loss": {"choice": ["baseline_BCE", "baseline_LDAM"]}, "epochs": {"int_uniform": [1, 3]}}
    changes: dict[str, object] = {"domains": domains, "start": []}
    every = search(**changes).points()
    assert every is not None
    configs = [search(**changes).trial(point) for point in every]
    store.write_sweep(SweepManifest("other", tuple(configs[:4])))
    for config in configs[:4]:
        write_trial(store, config)
    study = open_study(store, 6, **changes)
    assert study.warm == 4
    assert sorted(go_on(study)) == sorted(config.trial_id for config in configs[4:])
    assert len(study.suggestions) == 6


def test_values_are_those_of_the_selection(store: Store) -> None:
    study = open_study(store, 2, objectives=["val/auroc", "val/fpr_at_tpr_98"])
    go_on(study)
    records = {r.trial_id: r.validation for r in load_sweep(store, study.manifest()).trials}
    for trial_id, trial in zip(study.suggestions, study._advisor.study.trials, strict=True):
        record = records[trial_id]
        assert record is not None
        assert trial.values == [record.metrics["auroc"], record.metrics["fpr_at_tpr_98"]]
    assert [d.name for d in study._advisor.study.directions] == ["MAXIMIZE", "MINIMIZE"]


@pytest.mark.parametrize(
    ("ends", "objectives", "told"),
    [
        (("completed", "diverged"), ["val/auroc"], TrialState.FAIL),
        (("completed", "pruned"), ["val/auroc"], TrialState.PRUNED),
        (("pruned",), ["val/auroc"], TrialState.PRUNED),
        (("pruned", "pruned"), ["val/auroc", "val/fpr_at_tpr_95"], TrialState.COMPLETE),
        (("completed",), ["val/auroc"], TrialState.FAIL),
    ],
)
def test_other_ends_are_told_as_such(
    store: Store, ends: tuple[str, ...], objectives: list[str], told: TrialState
) -> None:
    study = open_study(store, 2, objectives=objectives)
    config = waiting(study)[0]
    for seed, state in zip(config.seeds, ends, strict=False):
        write_replicate(store, config, seed, state, epochs=3)
    study.finish(config.trial_id)
    trial = study._advisor.study.trials[0]
    assert trial.state == told
    if told == TrialState.PRUNED:
        assert list(trial.intermediate_values) == [0, 1, 2]
        assert trial.value == trial.intermediate_values[2]
    again = open_study(store, 2, objectives=objectives)._advisor.study.trials[0]
    missing = len(ends) < len(config.seeds) and "pruned" not in ends
    assert again.state == (TrialState.RUNNING if missing else told)
    assert again.intermediate_values == ({} if missing else trial.intermediate_values)


def test_pruned_trials_without_the_objectives_curve_are_told_of_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """They were trained at other rates; those that completed have scores, which give any rate."""
    reading = Reading(targets=Targets(tpr=(0.995,)))
    block = {"domains": DOMAINS, "start": START, "objectives": ["val/fpr_at_tpr_99.5"]}
    found = SearchSpace.searched("s", FIXED, block, reading=reading).search
    assert found is not None
    study = SearchStudy(store, "s", found, 3)
    first, second = waiting(study)
    write_trial(store, first)
    assert study.finish(first.trial_id).state == "completed"
    for _ in range(2):
        write_replicate(store, second, 1, "pruned", epochs=3)
        assert study.finish(second.trial_id).state == "failed"
    said = [record.getMessage() for record in caplog.records]
    assert said == ["search s: nothing is learned from pruned trials without val/fpr_at_tpr_99.5"]


def test_damaged_results_stop_no_search(store: Store) -> None:
    study = open_study(store, 3)
    go_on(study, 2)
    victim = next(iter(study.suggestions))
    for path in Path(store.storage.path(layout.trial(victim))).rglob("scores.*"):
        path.write_bytes(b"no parquet")
    assert states(open_study(store, 3)) == [TrialState.FAIL, TrialState.COMPLETE]


def test_a_changed_search_leaves_out_what_it_has_no_more(store: Store) -> None:
    ids = go_on(open_study(store, 10))
    narrow = {**DOMAINS, "delta": {"uniform": [0, 0.5]}}
    changed = open_study(store, 12, domains=narrow)
    kept = list(changed.suggestions)
    assert 0 < len(kept) < 10
    assert set(kept) < set(ids)
    go_on(changed)
    assert len(changed.suggestions) == 12
    margins = [s.config.constraint.margin for s in changed.suggestions.values() if s.config.constraint]
    assert max(margins) <= 0.5
    numbers = [s.number for s in changed.suggestions.values()]
    assert len(set(numbers)) == 12


def test_another_seed_makes_other_suggestions(tmp_path: Path) -> None:
    ids = [go_on(open_study(Store(tmp_path / str(seed)), 4, seed=seed)) for seed in (1, 2)]
    assert ids[0][:2] == ids[1][:2]
    assert ids[0][2:] != ids[1][2:]
