"""What a run does before, and without, training: on a cluster that is not there or does not fit."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

import sweeps.driver.run
from search_spaces.catalog import load_space
from search_spaces.config import DataConfig
from search_spaces.errors import InputError
from sweeps.driver.run import run_sweep
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
    monkeypatch.setattr(
        sweeps.driver.run, "ray_session", unreachable if cluster == "unreachable" else reachable
    )
    monkeypatch.setattr(sweeps.driver.run, "_check_cluster", unfit)
    with pytest.raises(InputError):
        run_sweep(
            SweepManifest("demo", tuple(configs)),
            RunOptions(str(tmp_path), track=False),
            Console(file=io.StringIO()),
            retry_failed=True,
            retry_pruned=True,
        )
    assert make_plan("demo", configs, store).counts() == before


def test_a_scheduler_needs_the_objective_of_a_search(tmp_path: Path) -> None:
    manifest = SweepManifest("mine", tuple(trials()), samples=9)
    options = RunOptions(str(tmp_path), track=False, scheduler="asha")
    with pytest.raises(
        InputError, match=r"--scheduler asha: expected the search's space, .* stored sweep mine"
    ):
        run_sweep(manifest, options, Console(file=io.StringIO()))
    assert not list(tmp_path.iterdir())


class Checked(Exception):
    """Ends a run at the check of the nodes, with the data sets that were to be checked."""


def test_a_search_checks_the_data_sets_that_it_can_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(data: Iterable[DataConfig], **options: object) -> None:
        raise Checked({config.source.name for config in data})

    space = tmp_path / "search.yaml"
    space.write_text(SEARCH)
    search = load_space(str(space)).search
    monkeypatch.setattr(sweeps.driver.run, "ray_session", reachable)
    monkeypatch.setattr(sweeps.driver.run, "node_resources", lambda: [{"CPU": 1.0}])
    monkeypatch.setattr("sweeps.cluster.nodes.check_nodes", check)
    options = RunOptions(str(tmp_path / "out"), track=False, address="127.0.0.1:1")
    with pytest.raises(Checked) as caught:
        run_sweep(SweepManifest("s", (), samples=4), options, Console(file=io.StringIO()), search=search)
    assert caught.value.args == ({"digits"},)


@pytest.mark.parametrize(("error", "kept"), [("CheckpointError", False), ("StoreError", True)])
def test_a_retry_deletes_an_unusable_checkpoint(tmp_path: Path, error: str, kept: bool) -> None:
    store, config = Store(tmp_path), trials()[0]
    store.notes.write_checkpoint(config.trial_id, b"state")
    store.notes.write_failure(config.trial_id, {"error": error, "message": "m"})
    sweeps.driver.run._reopen(make_plan("demo", [config], store).failed(), store)
    assert (store.notes.read_checkpoint(config.trial_id) is not None) == kept
