"""Early stopping: whom a trial is compared with, when its end is asked for, and what a relaunch knows."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search_spaces.config import Bce, ConstraintConfig, Ldam, SymmetricMargin, Targets, TrialConfig
from search_spaces.errors import StoreError
from search_spaces.presets import preset
from search_spaces.reading import DEFAULT_READING, Reading
from search_spaces.search import Search
from search_spaces.space import SearchSpace
from sweeps.search.schedulers import PeerScheduler, grid_contest, make_scheduler, search_contest
from tests.sweeps.synthetic_store import write_replicate, write_trial
from trainer.store import StopRequest, Store

EPOCHS = 9


def config(margin: float, ratio: float = 20, **changes: Any) -> TrialConfig:
    loss = SymmetricMargin(margin=margin)
    return TrialConfig(
        **{**preset("digits", ratio), "loss": loss, "epochs": EPOCHS, "seeds": (1, 2), **changes}
    )


def scheduler(kind: str, configs: list[TrialConfig], requests: list[str], **changes: Any) -> PeerScheduler:
    by_id = {c.trial_id: c for c in configs}
    contest = grid_contest()
    return PeerScheduler(kind, by_id, contest, lambda trial_id, _: requests.append(trial_id), **changes)


def play(peers: PeerScheduler, configs: list[TrialConfig], heights: list[float], requests: list[str]) -> None:
    """Report flat curves of these heights, epoch by epoch, until a trial's end is asked for."""
    for epoch in range(EPOCHS):
        for one, height in zip(configs, heights, strict=True):
            if one.trial_id not in requests:
                report(peers, one, epoch, height)


def search(objective: str = "val/auroc", reading: Reading = DEFAULT_READING) -> Search:
    """A search that has something to choose, by one objective."""
    block = {"domains": {"loss.margin": {"uniform": [0.1, 9]}}, "objectives": [objective]}
    fixed: dict[str, object] = {"dataset": "digits", "loss": {"name": "s_lm", "margin": 1}}
    found = SearchSpace.searched("s", fixed, block, reading=reading).search
    assert found is not None
    return found


def report(peers: PeerScheduler, one: TrialConfig, epoch: int, auroc: float, state: str = "running") -> None:
    trial = SimpleNamespace(config={"trial_id": one.trial_id})
    result = {"state": state, "epoch": epoch, "ensemble/val/auroc": auroc}
    assert peers.on_trial_result(None, trial, result) == "CONTINUE"


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_the_worst_is_stopped_and_the_best_is_not(kind: str) -> None:
    configs = [config(margin) for margin in (1, 2, 3, 4, 5)]
    requests: list[str] = []
    play(scheduler(kind, configs, requests, grace=1), configs, [0.9, 0.8, 0.85, 0.7, 0.6], requests)
    assert configs[0].trial_id not in requests
    assert configs[4].trial_id in requests
    assert len(requests) == len(set(requests))


def test_storage_that_fails_costs_a_request_and_not_the_sweep() -> None:
    configs = [config(margin) for margin in (1, 2, 3)]
    tries: list[str] = []

    def request(trial_id: str, asked: StopRequest) -> None:
        tries.append(trial_id)
        if len(tries) == 1:
            raise StoreError("no space left")

    peers = PeerScheduler("asha", {c.trial_id: c for c in configs}, grid_contest(), request, grace=1)
    for one, height in zip(configs, (0.9, 0.8, 0.7), strict=True):
        report(peers, one, 0, height)
    assert len(tries) >= 1
    report(peers, next(c for c in configs if c.trial_id == tries[0]), 1, 0.99)
    assert tries.count(tries[0]) == 2, "its next epoch asks again"


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_nothing_is_stopped_within_the_grace(kind: str) -> None:
    configs = [config(margin) for margin in (1, 2, 3, 4, 5)]
    requests: list[str] = []
    peers = scheduler(kind, configs, requests, grace=4)
    for epoch in range(3):
        for i, one in enumerate(configs):
            report(peers, one, epoch, 0.9 - i / 10)
    assert requests == []


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_trials_of_other_cells_do_not_count(kind: str) -> None:
    cells = [
        *(config(1, loss=Bce(), ratio=ratio) for ratio in (10, 20, 40)),
        config(1),
        config(1, ratio=40),
    ]
    requests: list[str] = []
    play(scheduler(kind, cells, requests, grace=1), cells, [0.9, 0.8, 0.7, 0.6, 0.5], requests)
    assert requests == []
    assert len({grid_contest().group(c) for c in cells}) == 5
    assert len({search_contest(search()).group(c) for c in cells}) == 3


def test_what_is_no_epoch_is_not_judged() -> None:
    configs = [config(margin) for margin in (1, 2, 3, 4)]
    requests: list[str] = []
    peers = scheduler("asha", configs, requests, grace=1)
    for one in configs[:3]:
        report(peers, one, 0, 0.9)
    report(peers, configs[3], -1, 0.1, state="failed")
    report(peers, configs[3], 0, math.nan)
    assert requests == []
    report(peers, configs[3], 1, 0.1)
    assert requests == [configs[3].trial_id]


def test_repeated_epochs_count_once() -> None:
    configs = [config(margin) for margin in (1, 2, 3, 4)]
    requests: list[str] = []
    peers = scheduler("asha", configs, requests, grace=1)
    for one in configs[:3]:
        report(peers, one, 0, 0.5)
    report(peers, configs[3], 0, 0.9)
    report(peers, configs[3], 0, 0.1)  # trained again after its process was lost
    assert requests == []


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_a_relaunch_knows_the_stored_curves(tmp_path: Path, kind: str) -> None:
    store = Store(tmp_path)
    ended = [config(margin) for margin in (1, 2, 3, 4)]
    for one in ended[:3]:
        write_trial(store, one)
    write_replicate(store, ended[3], 1, "pruned", epochs=2)
    fresh = config(5)
    peers = make_scheduler(kind, store, {fresh.trial_id: fresh}, ended, grace=1)
    assert peers is not None
    report(peers, fresh, 0, 0.51)
    told = f"{kind}: ensemble/val/auroc 0.5100 in epoch 0, against others of its table cell"
    assert store.notes.stop_request(fresh.trial_id) == StopRequest(told, "val/auroc")
    assert [store.notes.stop_request(one.trial_id) for one in ended] == [None] * 4
    unknowing = make_scheduler(kind, store, {}, [], grace=1)
    assert unknowing is not None
    assert unknowing._groups == {}


@pytest.mark.parametrize("kind", ["asha", "median"])
@pytest.mark.parametrize("searching", [True, False])
def test_a_search_competes_within_blocks_and_a_grid_within_cells(
    tmp_path: Path, kind: str, searching: bool
) -> None:
    store = Store(tmp_path)
    penalized = ConstraintConfig(penalty=1e-6, margin=0.25)
    block = [config(1), config(1, loss=Bce()), config(1, constraint=penalized), config(1, loss=Ldam())]
    other_block = config(1, ratio=40)
    configs = [*block, other_block]
    peers = make_scheduler(
        kind, store, {c.trial_id: c for c in configs}, [], search=search() if searching else None, grace=1
    )
    assert peers is not None
    for epoch in range(EPOCHS):
        for one, auroc in zip(configs, [0.9, 0.8, 0.7, 0.6, 0.1], strict=True):
            if store.notes.stop_request(one.trial_id) is None:
                report(peers, one, epoch, auroc)
    stopped = [store.notes.stop_request(one.trial_id) is not None for one in configs]
    assert stopped[0] is stopped[4] is False, "the best of a block, and the only one of another, go on"
    assert stopped[3] is searching
    assert searching or not any(stopped)


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_a_search_is_judged_by_its_first_objective_in_its_direction(tmp_path: Path, kind: str) -> None:
    """The trial with the least false positive rate goes on, though it has the least AUROC of all."""
    store = Store(tmp_path)
    configs = [config(margin) for margin in (1, 2, 3, 4, 5)]
    rates = [0.1, 0.2, 0.3, 0.4, 0.5]
    aurocs = [0.6, 0.7, 0.8, 0.9, 0.95]
    order = [1, 2, 3, 0, 4]  # halving cuts nobody who comes first, so the best comes late
    peers = make_scheduler(
        kind,
        store,
        {c.trial_id: c for c in configs},
        [],
        search=search("val/fpr_at_tpr_98"),
        grace=1,
    )
    assert peers is not None
    for epoch in range(EPOCHS):
        for i in order:
            if store.notes.stop_request(configs[i].trial_id) is None:
                trial = SimpleNamespace(config={"trial_id": configs[i].trial_id})
                result = {"ensemble/val/fpr_at_tpr_98": rates[i], "ensemble/val/auroc": aurocs[i]}
                peers.on_trial_result(None, trial, {"state": "running", "epoch": epoch, **result})
    requests = [store.notes.stop_request(one.trial_id) for one in configs]
    assert requests[0] is None, "the best in the objective is never stopped"
    assert requests[4] is not None
    assert {request.metric for request in requests if request is not None} == {"val/fpr_at_tpr_98"}
    assert "ensemble/val/fpr_at_tpr_98 0.5000" in requests[4].reason


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_a_relaunched_search_learns_its_objective_from_stored_curves(tmp_path: Path, kind: str) -> None:
    store = Store(tmp_path)
    ended = [config(margin) for margin in (1, 2, 3, 4)]
    for one in ended:
        write_trial(store, one)
    for rate, is_stopped in ((0.01, False), (0.99, True)):
        fresh = config(5 + rate)
        peers = make_scheduler(
            kind,
            store,
            {fresh.trial_id: fresh},
            ended,
            search=search("val/fpr_at_tpr_98"),
            grace=1,
        )
        assert peers is not None
        peers.observe(fresh, 0, rate)
        assert (store.notes.stop_request(fresh.trial_id) is not None) == is_stopped


def test_a_stored_curve_that_lacks_the_rate_is_not_judged_by_it_and_this_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    ended = [config(margin) for margin in (1, 2, 3, 4)]
    for one in ended:
        write_trial(store, one)
    fresh = config(5)
    by = search("val/fpr_at_tpr_99.5", Reading(targets=Targets(tpr=(0.995,))))
    peers = make_scheduler("median", store, {fresh.trial_id: fresh}, ended, search=by, grace=1)
    assert peers is not None
    report(peers, fresh, 0, 0.9)  # it goes on from a checkpoint of before
    peers.observe(fresh, 1, 0.99)
    assert store.notes.stop_request(fresh.trial_id) is None, "there is nobody to compare it with"
    said = [record.getMessage() for record in caplog.records]
    assert said == ["compared with nobody, as there is no curve of val/fpr_at_tpr_99.5: 4 trials"]


def test_trials_of_another_row_do_not_count() -> None:
    configs = [config(1, sampler=sampler) for sampler in ("shuffle", "class_balanced")]
    apart = grid_contest(("loss", "sampler"))
    assert grid_contest().group(configs[0]) == grid_contest().group(configs[1])
    assert apart.group(configs[0]) != apart.group(configs[1])


def test_none_is_no_scheduler(tmp_path: Path) -> None:
    assert make_scheduler("none", Store(tmp_path), {}, [], search=search()) is None


def test_stored_curves_are_found_through_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, ended = Store(tmp_path), [config(margin) for margin in (1, 2)]
    for one in ended:
        write_trial(store, one)
        store.index.write(one.trial_id)
    listed: list[str] = []
    list_files = store.storage.list_files

    def noted(relative: str, *, recursive: bool) -> list[str]:
        listed.append(relative)
        return list_files(relative, recursive=recursive)

    monkeypatch.setattr(store.storage, "list_files", noted)
    assert make_scheduler("asha", store, {}, ended, grace=1) is not None
    assert {path.split("/")[0] for path in listed} == {"index"}, "no replicate's folder is listed"


def test_a_request_that_was_lost_with_its_process_is_made_again() -> None:
    configs = [config(margin) for margin in (1, 2, 3, 4)]
    requests: list[str] = []
    peers = scheduler("asha", configs, requests, grace=1)
    for one, height in zip(configs, (0.9, 0.8, 0.7, 0.1), strict=True):
        report(peers, one, 0, height)
    before = requests.count(configs[3].trial_id)
    report(peers, configs[3], 1, 0.1)
    assert (before, requests.count(configs[3].trial_id)) == (1, 2)
