"""What a run does before, and without, training: on a cluster that is not there or does not fit."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from search_spaces.catalog import load_space
from search_spaces.config import TrialConfig
from search_spaces.errors import InputError
from sweeps.driver.opened import OpenedSweep
from sweeps.driver.run import run_sweep
from sweeps.driver.work import find_work
from sweeps.options import RunOptions
from sweeps.plan import make_plan
from tests.sweeps.synthetic_store import trials, write_replicate
from trainer.store import Store, SweepManifest

SEARCH = """
name: s
fixed: {dataset: digits, ratio: 20, loss: baseline_BCE, epochs: 2, seeds: [1]}
search:
  domains:
    optimizer.learning_rate: {log_uniform: [0.01, 0.1]}
  objectives: [val/auroc]
"""


def unreachable(options: RunOptions) -> Iterator[dict[str, float]]:
    raise InputError("--address: no Ray cluster answers")


@contextmanager
def reachable(options: RunOptions) -> Iterator[dict[str, float]]:
    yield {"CPU": 2.0}


def unfit(*args: object) -> None:
    raise InputError("expected nodes that are alike")


@pytest.mark.parametrize("cluster", ["unreachable", "unfit"])
def test_a_retry_that_cannot_run_forgets_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str
) -> None:
    store, configs = Store(tmp_path), trials()[:2]
    for seed, state in ((1, "completed"), (2, "diverged"), (3, "diverged")):
        write_replicate(store, configs[0], seed, state)
    for seed in configs[1].seeds:
        write_replicate(store, configs[1], seed, "pruned")
    before = make_plan("demo", configs, store).counts()
    assert (before["failed"], before["pruned"]) == (1, 1)
    session = unreachable if cluster == "unreachable" else reachable
    monkeypatch.setattr("sweeps.driver.training.ray_session", session)
    monkeypatch.setattr("sweeps.driver.training.admit", unfit)
    with pytest.raises(InputError):
        run_sweep(
            OpenedSweep(store, SweepManifest("demo", tuple(configs))),
            RunOptions(no_tracking=True),
            Console(file=io.StringIO()),
            retry=("failed", "pruned"),
        )
    assert make_plan("demo", configs, store).counts() == before


def test_a_search_does_not_race(tmp_path: Path) -> None:
    sweep = OpenedSweep(Store(tmp_path), SweepManifest("mine", tuple(trials()), samples=9))
    with pytest.raises(InputError, match=r"--racing: expected a space whose trials are known"):
        run_sweep(sweep, RunOptions(no_tracking=True, racing=True), Console(file=io.StringIO()))
    assert not list(tmp_path.iterdir())


def test_a_scheduler_needs_the_objective_of_a_search(tmp_path: Path) -> None:
    sweep = OpenedSweep(Store(tmp_path), SweepManifest("mine", tuple(trials()), samples=9))
    options = RunOptions(no_tracking=True, scheduler="asha")
    with pytest.raises(
        InputError, match=r"--scheduler asha: expected the search's space, .* stored sweep mine"
    ):
        run_sweep(sweep, options, Console(file=io.StringIO()))
    assert not list(tmp_path.iterdir())


class Checked(Exception):
    """Ends a run at the check of the nodes, with the data sets that were to be checked."""


def test_a_search_checks_the_data_sets_that_it_can_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(trials: Iterable[TrialConfig], *options: object, **more: object) -> None:
        raise Checked({config.data.source.name for config in trials})

    space = tmp_path / "search.yaml"
    space.write_text(SEARCH)
    search = load_space(str(space)).search
    monkeypatch.setattr("sweeps.driver.training.ray_session", reachable)
    monkeypatch.setattr("sweeps.driver.admission.node_resources", lambda: [{"CPU": 1.0}])
    monkeypatch.setattr("sweeps.driver.admission.check_nodes", check)
    sweep = OpenedSweep(Store(tmp_path / "out"), SweepManifest("s", (), samples=4), search)
    options = RunOptions(no_tracking=True, address="127.0.0.1:1")
    with pytest.raises(Checked) as caught:
        run_sweep(sweep, options, Console(file=io.StringIO()))
    assert caught.value.args == ({"digits"},)


@pytest.mark.parametrize(("error", "kept"), [("CheckpointError", False), ("StoreError", True)])
def test_a_retry_deletes_an_unusable_checkpoint(tmp_path: Path, error: str, kept: bool) -> None:
    store, config = Store(tmp_path), trials()[0]
    store.notes.write_checkpoint(config.trial_id, b"state")
    store.notes.write_failure(config.trial_id, {"error": error, "message": "m"})
    sweep = OpenedSweep(store, SweepManifest("demo", (config,)))
    find_work(sweep, Console(file=io.StringIO()), retry=["failed"]).reopen()
    assert (store.notes.read_checkpoint(config.trial_id) is not None) == kept
