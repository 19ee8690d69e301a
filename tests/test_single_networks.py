"""The table of single networks: mean and deviation over the seeds of a stored sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from docs.single_networks import main, table
from search_spaces.space import SearchSpace
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest
from trainer.trial import run_trial

SETTINGS = {
    "dataset": "digits-critical",
    "ratio": 20,
    "model": {"name": "small_cnn", "width": 2},
    "epochs": 1,
    "seeds": [1, 2],
}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trials, of which one is trained."""
    folder = tmp_path_factory.mktemp("trained")
    losses = [{**SETTINGS, "loss": loss} for loss in ("baseline_BCE", "baseline_s_LM_m05")]
    trials = SearchSpace.of("two", losses).trials
    store = Store(folder)
    store.write_sweep(SweepManifest("two", trials))
    run_trial(trials[0], store, torch.device("cpu"), TrialOptions())
    return folder


def test_a_line_is_the_mean_and_deviation_of_a_trials_networks(output: Path) -> None:
    store = Store(output)
    first, second = store.read_sweep("two").trials
    values = []
    for done in store.replicates.ended(first.trial_id).values():
        values.append(store.replicates.read_result(done)["metrics"]["test/auroc"])
    lines = table(store, "two", ["auroc", "fpr_at_tpr_98"])
    assert lines[0] == "| block | row | trial | networks | auroc | fpr_at_tpr_98 |"
    mean, apart = sum(values) / 2, abs(values[0] - values[1]) / 2
    assert lines[2].startswith(
        f"| digits-critical 1:20 | BCE | {first.trial_id[:8]} | 2 | {mean:.3f} ± {apart:.3f} | "
    )
    assert lines[3] == f"| digits-critical 1:20 | S-LM | {second.trial_id[:8]} | 0 | – | – |"


def test_what_is_not_there_is_one_line(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(output), "two", "recall"]) == 2
    assert "expected a metric, one of auroc, " in capsys.readouterr().err
    assert main([str(output), "three", "auroc"]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "three" in line
