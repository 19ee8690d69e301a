"""The second stage: chosen once, on validation, from a first stage that has ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer

from search_spaces.catalog import load_space
from search_spaces.config import TrialConfig
from search_spaces.rows import row_label
from search_spaces.spaces.two_stage import TWO_STAGE
from sweeps.cli import train_sweep as training
from sweeps.driver.opened import OpenedSweep, open_sweep
from sweeps.driver.run import SweepOutcome
from sweeps.driver.two_stage import expected, is_first_stage, with_second_stage
from sweeps.options import RunOptions
from sweeps.plan import make_plan
from tests.analysis.stored_sweep import SweepBuilder
from trainer.store import Store, SweepManifest

RULE = "ensemble-val-auroc"


def first_block() -> list[TrialConfig]:
    """Stage 1 of CIFAR-10 1:100, two replicates each."""
    trials = load_space(TWO_STAGE).trials[:21]
    return [t.model_copy(update={"seeds": (1, 2)}) for t in trials]


def store_first_stage(folder: Path, *, test_of_best: float = 0.5) -> SweepManifest:
    """All of it completed; margin 2 is the best S-LM on validation, margin 4 on test."""
    builder = SweepBuilder(folder)
    for config in first_block():
        shifts = {2.0: (1.5, test_of_best), 4.0: (1.2, 2.5)}
        val, test = shifts.get(getattr(config.loss, "margin", 0.0), (1.0, 1.0))
        builder.complete(config, "same noise", val, test)
    return SweepManifest(TWO_STAGE, tuple(builder.trials))


def losses_of(manifest: SweepManifest, row: str) -> set[str]:
    return {t.loss.model_dump_json() for t in manifest.trials if row_label(t) == row}


def test_second_stage_stands_on_the_best_on_validation(tmp_path: Path) -> None:
    first = store_first_stage(tmp_path)
    found = with_second_stage(Store(tmp_path), first, RULE)
    assert found.trials[:21] == first.trials
    assert len(found.trials) == 341
    (chosen,) = losses_of(found, "S-LM + ALM")
    assert '"margin":2.0' in chosen
    assert {t.seeds for t in found.trials} == {(1, 2)}
    assert not is_first_stage(found)


def test_test_scores_change_no_choice(tmp_path: Path) -> None:
    found = []
    for shift in (0, 3):
        first = store_first_stage(tmp_path / str(shift), test_of_best=shift)
        found.append(with_second_stage(Store(tmp_path / str(shift)), first, RULE))
    assert found[0] == found[1]


def test_stand_ins_are_counted_until_the_choice_stands(tmp_path: Path) -> None:
    first = store_first_stage(tmp_path)
    assert len(expected(first).trials) == 341
    chosen = with_second_stage(Store(tmp_path), first, RULE)
    assert expected(chosen) == chosen
    other = SweepManifest("paper", first.trials)
    assert expected(other) == other


class Runs:
    """In place of `run_sweep`: notes the manifests, and tells what the store holds afterwards."""

    def __init__(self, store: Store, **outcome: Any) -> None:
        self.store, self.outcome = store, outcome
        self.manifests: list[SweepManifest] = []

    def __call__(
        self, sweep: OpenedSweep, *_: Any, show: Callable[[SweepOutcome], None], **__: Any
    ) -> SweepOutcome:
        manifest = sweep.manifest
        self.manifests.append(manifest)
        self.store.write_sweep(manifest)
        plan = make_plan(manifest.name, manifest.trials, self.store)
        told = {"interrupted": False, "untracked": 0, **self.outcome}
        outcome = SweepOutcome(manifest, plan, 0, **told)
        show(outcome)
        return outcome


def run(store: Store, manifest: SweepManifest, monkeypatch: pytest.MonkeyPatch, **outcome: Any) -> Runs:
    runs = Runs(store, **outcome)
    monkeypatch.setattr("sweeps.driver.run.run_sweep", runs)
    monkeypatch.setattr(training, "write_tables_of", lambda *a: True)
    with suppress(typer.Exit):  # the second stage is not trained here
        training.train_sweep(OpenedSweep(store, manifest), RunOptions())
    return runs


def test_a_run_goes_on_with_the_second_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store_first_stage(tmp_path)
    runs = run(Store(tmp_path), first, monkeypatch)
    assert [len(m.trials) for m in runs.manifests] == [21, 341]
    # from then on every command sees both stages, with the seeds that the space or the user asks for
    manifest = open_sweep(TWO_STAGE, Store(tmp_path)).manifest
    assert [t.trial_id for t in manifest.trials] == [t.trial_id for t in runs.manifests[1].trials]
    assert {len(t.seeds) for t in manifest.trials} == {10}
    manifest = open_sweep(TWO_STAGE, Store(tmp_path), 2).manifest
    assert manifest.trials == runs.manifests[1].trials
    assert [len(m.trials) for m in run(Store(tmp_path), manifest, monkeypatch).manifests] == [341]


@pytest.mark.parametrize("outcome", [{"interrupted": True}, {"stopped": "all failed"}])
def test_a_run_that_was_stopped_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: dict[str, Any]
) -> None:
    first = store_first_stage(tmp_path)
    assert len(run(Store(tmp_path), first, monkeypatch, **outcome).manifests) == 1


def test_a_first_stage_with_failures_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = store_first_stage(tmp_path)
    store = Store(tmp_path)
    store.reopen(first.trials[3].trial_id, 2)
    assert len(run(store, first, monkeypatch).manifests) == 1
    assert "stage 2 waits for 1 trial of stage 1" in capsys.readouterr().out
    assert is_first_stage(open_sweep(TWO_STAGE, store).manifest)
