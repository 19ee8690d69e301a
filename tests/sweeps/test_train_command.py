"""`train`: the trial that options describe, or one of a space; and its weights scored again."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from search_spaces.catalog import load_space
from search_spaces.config import TrialConfig
from search_spaces.errors import InputError

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
InProcess = Callable[..., Result]


def test_train_then_evaluate(almsweep: Cli, tmp_path: Path) -> None:
    arguments = ["--loss", "baseline_bce", "--alm", "alm_14_beg", "--delta", "0.25", "--ratio", "20"]
    trained = almsweep("train", *arguments, "-s", "epochs=2", "--replicates", 2, "--output", tmp_path)
    assert trained.returncode == 0, trained.stderr
    trial_id = trained.stdout.split()[1].rstrip(":")
    assert "digits 1:20 baseline_BCE ALM_14_beg delta=0.25" in trained.stdout
    assert "n=2/2" in trained.stdout
    auc = next(line for line in trained.stdout.splitlines() if "n=2/2" in line).split("│")[2].strip()
    scored = almsweep("evaluate", trial_id[:6], "--output", tmp_path)
    assert scored.returncode == 0, scored.stderr
    ensemble = next(line for line in scored.stdout.splitlines() if "ensemble" in line)
    assert ensemble.split("│")[2].strip() == auc
    again = almsweep("train", *arguments, "-s", "epochs=2", "--replicates", 2, "--output", tmp_path)
    assert "epoch" not in again.stdout.split("test, ensemble")[0].replace("epochs=2", "")


def test_a_rate_for_which_there_are_too_few_positives_is_marked(cli: InProcess, tmp_path: Path) -> None:
    done = cli("train", "-s", "epochs=1", "--output", tmp_path)  # 40 positives in the test split
    (header,) = [line for line in done.stdout.splitlines() if "AUC mean" in line]
    marked = [name.strip() for name in header.split("┃") if "FPR@" in name]
    assert marked == ["FPR@98‡", "FPR@95‡", "FPR@90"]
    assert "‡: not resolved: too few positives" in done.stdout
    done = cli("train", "--dataset", "digits-critical", "-s", "epochs=1", "--output", tmp_path)
    assert done.exit_code == 0, done.output
    assert "‡" not in done.stdout


def test_without_validation_an_epoch_tells_none(cli: InProcess, tmp_path: Path) -> None:
    fixed = ["data.validation_per_class=0", "scored=last", "patience=null", "epochs=1", "loss=cross_entropy"]
    settings = [word for given in fixed for word in ("-s", given)]
    done = cli("train", "--dataset", "digits-longtail", *settings, "--output", tmp_path)
    assert done.exit_code == 0, done.output
    (epoch,) = [line for line in done.output.splitlines() if line.startswith("epoch")]
    assert "train loss" in epoch
    assert "val" not in epoch
    assert "nan" not in epoch


def trained(monkeypatch: pytest.MonkeyPatch, cli: InProcess, *arguments: object) -> TrialConfig:
    """The trial that `train` with these arguments would train."""
    seen: list[TrialConfig] = []

    def run_trial(config: TrialConfig, *rest: object, **more: object) -> None:
        seen.append(config)
        raise InputError("seen")

    monkeypatch.setattr("trainer.trial.run_trial", run_trial)
    done = cli("train", *arguments)
    assert "almsweep: error: seen" in done.stderr, done.output
    return seen[0]


def test_a_trial_of_a_space_is_trained_alone(
    cli: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = load_space("demo").trials
    output = ["--output", tmp_path / "out"]
    assert trained(monkeypatch, cli, "demo", "--trial", 3, *output) == demo[2]
    by_id = trained(monkeypatch, cli, "demo", "--trial", demo[4].trial_id[:9], *output)
    assert by_id == demo[4]
    assert trained(monkeypatch, cli, "demo", "--trial", 3, "--replicates", 4, *output).seeds == (1, 2, 3, 4)
    space = tmp_path / "one.yaml"
    space.write_text("fixed: {dataset: digits, loss: baseline_BCE, epochs: 3, seeds: [5, 7]}\n")
    (only,) = load_space(str(space)).trials
    assert trained(monkeypatch, cli, space, *output) == only
    # The numbers are those that a plan lists.
    listed = cli("plan", "demo", "--trials", *output).stdout
    for number, config in enumerate(demo, start=1):
        assert re.search(rf"^ *{number}  {config.trial_id}  pending ", listed, re.MULTILINE)


def test_settings_are_read_as_in_a_file(
    cli: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = tmp_path / "one.yaml"
    held_out = "validation_per_class: 9, test_per_class: 9"
    data = f"{{source: {{name: digits}}, negative: [1, 2], positive: [8], {held_out}}}"
    space.write_text(
        f"fixed: {{data: {data}, loss: {{name: s_lm, margin: 3}}, seeds: [4, 6], "
        "optimizer.learning_rate: 1e-3, patience: null}\n"
    )
    (by_file,) = load_space(str(space)).trials
    settings = [f"data={data}", "loss={name: s_lm, margin: 3}", "seeds=[4, 6]"]
    settings += ["optimizer.learning_rate=1e-3", "patience=null"]
    arguments = [word for text in settings for word in ("-s", text)]
    assert trained(monkeypatch, cli, *arguments, "--output", tmp_path / "out") == by_file
