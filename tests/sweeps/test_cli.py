"""The command line as a user meets it: output, one-line errors, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import get_type_hints

import pandas as pd
import pytest
from click.testing import Result

from search_spaces.catalog import load_space
from search_spaces.config import TrialConfig
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace
from sweeps.cli import run_commands
from sweeps.cli.options import ForPlan, ForRun, ForTrain
from sweeps.driver.lease import Lease
from sweeps.options import RunOptions
from tests.sweeps import synthetic_store as synthetic
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
InProcess = Callable[..., Result]

BROKEN = {
    "unknown top-level key": "fixd: {dataset: digits}\ngrid: {loss: [baseline_BCE]}\n",
    "unknown setting": "fixed: {dataset: digits, epoch: 3}\ngrid: {loss: [baseline_BCE]}\n",
    "wrong type": "fixed: {dataset: digits, epochs: three}\ngrid: {loss: [baseline_BCE]}\n",
    "impossible value": "fixed: {dataset: digits, ratio: 0.5}\ngrid: {loss: [baseline_BCE]}\n",
    "unknown loss": "fixed: {dataset: digits}\ngrid: {loss: [baseline_BEC]}\n",
    "unknown constraint": "fixed: {dataset: digits, loss: baseline_BCE}\ngrid: {alm: [ALM_20_beg]}\n",
    "empty axis": "fixed: {dataset: digits}\ngrid: {loss: []}\n",
    "duplicate value": "fixed: {dataset: digits}\ngrid: {loss: [baseline_BCE, baseline_BCE]}\n",
    "duplicate key": "fixed: {dataset: digits, dataset: cifar10}\ngrid: {loss: [baseline_BCE]}\n",
    "no YAML": "fixed: [dataset: {\n",
    "a list": "- dataset\n",
    "unknown data set": "fixed: {dataset: imagenet}\ngrid: {loss: [baseline_BCE]}\n",
    "search beside a grid": (
        "fixed: {dataset: digits}\ngrid: {loss: [baseline_BCE]}\n"
        "search: {domains: {epochs: {int_uniform: [1, 2]}}}\n"
    ),
    "search for an unknown objective": (
        "fixed: {dataset: digits, loss: baseline_BCE}\n"
        "search: {domains: {epochs: {int_uniform: [1, 2]}}, objectives: [test/auroc]}\n"
    ),
    "bad domain": (
        "fixed: {dataset: digits, loss: baseline_BCE}\n"
        "random: {samples: 2, seed: 1, domains: {optimizer.learning_rate: {uniform: [1, 0]}}}\n"
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_space_gives_one_line_and_exit_code_2(cli: InProcess, tmp_path: Path, fault: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(BROKEN[fault])
    done = cli("run", path, "--output", tmp_path / "output")
    assert done.exit_code == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("almsweep: error: ")
    assert "space.yaml" in line
    assert "expected" in line
    assert done.stdout == ""
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "nosuch"], "nosuch"),
        (
            ["run", "demo", "--keep-weights", "some"],
            "--keep-weights: expected one of selected, all, none, given 'some'",
        ),
        (
            ["run", "demo", "--scheduler", "pbt"],
            "--scheduler: expected one of none, asha, median, given 'pbt'",
        ),
        (["run", "demo", "--num-samples", "3"], "--num-samples: expected a space with a search, given demo"),
        (["run", "demo", "--seed", "3"], "--seed: expected a space with a search, given demo"),
        (["run", "paper-search"], "--num-samples: expected a number of trials for this search, given none"),
        (["run", "demo", "--rule", "luck"], "unknown selection rule 'luck'; known: "),
        (["tables", "nosuch"], "nosuch"),
        (["tables", "demo", "--tpr", "98"], "--tpr: expected a number below 1, given 98"),
        (["tables", "demo", "--tpr", "0.9", "--tpr", "0"], "--tpr: expected a number above 0, given 0"),
        (["tables", "demo", "--fpr", "nan"], "--fpr: expected a finite number, given NaN"),
        (
            ["tables", "demo", "--tpr", "0.9", "--tpr", "0.9"],
            "--tpr: expected distinct rates, given [0.9, 0.9]",
        ),
        (["status", "--output", "{folder}/empty"], "expected a result store with a sweep in it, found none"),
        (["retry", "demo"], "expected --failed, --pruned, --changed-data or --weights"),
        (["train", "--loss", "nosuch"], "loss: expected a known name"),
        (["train", "--delta", "0.5"], "a margin needs a constraint"),
        (
            ["train", "--set", "data.positive=[8"],
            "--set data.positive: line 1, column 3: expected valid YAML",
        ),
        (["train", "-s", "epochs=1", "-s", "epochs=2"], "--set: expected epochs once"),
        (["train", "--loss", "baseline_BCE", "-s", "loss=bce"], "--set: expected loss once"),
        (["train", "--replicates", "2", "-s", "seeds=[3]"], "--replicates: expected it, or --set seeds"),
        (["train", "demo"], "demo: expected a space of one trial, given 12; say which by --trial"),
        (["train", "demo", "--trial", "13"], "--trial: expected a number from 1 to 12, or"),
        (["train", "demo", "--ratio", "5"], "train: expected a trial by SPACE or by options"),
        (["train", "--trial", "1"], "--trial: expected a SPACE that holds it, given none"),
        (["train", "paper-search"], "expected a space that lists its trials, given a search"),
        (["train", "--set", "epochs"], "epochs"),
        (["train", "--device", "tpu"], "--device: expected cpu or cuda, given 'tpu'"),
        (["evaluate", "0123"], "expected one stored trial whose id starts with '0123', found none"),
        (["ui", "--output", "{folder}/empty"], "expected"),
        (["train", "--dataset", "cifar10", "--ratio", "100", "--data-dir", "{folder}"], "{folder}"),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(
    cli: InProcess, tmp_path: Path, arguments: list[str], message: str
) -> None:
    filled = [a.format(folder=tmp_path) for a in arguments]
    if "--output" not in filled and arguments[0] not in ("plan",):
        filled += ["--output", str(tmp_path / "output")]
    done = cli(*filled)
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert message.format(folder=tmp_path) in line


def test_the_exit_code_is_the_process_s(almsweep: Cli, tmp_path: Path) -> None:
    done = almsweep("tables", "nosuch", "--output", tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("almsweep: error: ")


def test_usage_error_is_exit_code_2(cli: InProcess) -> None:
    assert cli("run").exit_code == 2
    assert cli("run", "demo", "--nosuch").exit_code == 2


def test_a_second_driver_is_refused(cli: InProcess, tmp_path: Path) -> None:
    with Lease(Store(tmp_path), "demo"):
        refused = cli("run", "demo", "--output", tmp_path)
    assert refused.exit_code == 4
    assert "is being run by process" in refused.stderr
    assert Store(tmp_path).all_replicates() == {}


def test_plan_of_the_paper(cli: InProcess, tmp_path: Path) -> None:
    done = cli("plan", "paper", "--output", tmp_path)
    assert done.exit_code == 0
    assert "3,284 trials, 32,840 replicates: 0 done, 0 partial, 0 failed, 3,284 pending" in done.stdout
    assert "time: unknown (measure it with --probe)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_plan_lists_trials_and_probes(almsweep: Cli, tmp_path: Path) -> None:
    space = tmp_path / "one.yaml"
    space.write_text(
        "fixed: {dataset: digits, ratio: 20, seeds: [1, 2], loss: baseline_BCE, model.width: 4}\n"
    )
    done = almsweep("plan", space, "--output", tmp_path / "output", "--probe", "--trials")
    assert done.returncode == 0, done.stderr
    (config,) = load_space(str(space)).trials
    assert f"{config.trial_id}  pending   0/2" in done.stdout
    assert "time: at most " in done.stdout


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


def test_a_search_is_planned_for_a_number_of_trials(cli: InProcess, tmp_path: Path) -> None:
    done = cli("plan", "paper-search", "--num-samples", 7, "--output", tmp_path)
    assert done.exit_code == 0, done.output
    assert re.search(r"search: \d of 7 trials are not chosen yet", done.stdout)
    assert "time: unknown" in done.stdout
    refused = cli("plan", "demo", "--num-samples", 7, "--output", tmp_path)
    assert refused.exit_code == 2
    assert "--num-samples: expected a space with a search, given demo" in refused.stderr


def test_the_version_is_the_package_s(cli: InProcess) -> None:
    done = cli("--version")
    assert (done.exit_code, done.stdout) == (0, f"almsweep {version('almsweep')}\n")


def test_search_that_has_not_begun(cli: InProcess, tmp_path: Path) -> None:
    space = tmp_path / "empty.yaml"
    space.write_text(
        "fixed: {dataset: digits}\nsearch: {samples: 2, domains: {loss: {choice: [baseline_BCE]}}}\n"
    )
    planned = cli("plan", space, "--output", tmp_path)
    assert planned.exit_code == 0, planned.stderr
    assert "search: 2 of 2 trials are not chosen yet" in planned.stdout
    tables = cli("tables", space, "--output", tmp_path)
    assert tables.exit_code == 1, tables.stderr
    assert "no trial has been chosen yet" in tables.stdout


def test_tables_from_the_output_folder(cli: InProcess, tmp_path: Path) -> None:
    space = load_space("demo")
    Store(tmp_path).write_sweep(SweepManifest("demo", space.trials[:1]))
    done = cli("tables", tmp_path)
    assert done.exit_code == 1, "nothing is trained, so the table is incomplete"
    assert (tmp_path / "tables" / "demo" / "best.csv").exists()


def stored_sweep(folder: Path) -> None:
    """The synthetic sweep, all of it done."""
    store, trials = Store(folder), synthetic.trials()
    synthetic.write_sweep(store, trials)
    for trial in trials:
        synthetic.write_trial(store, trial)


def test_tables_at_other_rates_from_stored_scores(cli: InProcess, tmp_path: Path) -> None:
    """What is chosen stays; headers, columns and figures follow."""
    stored_sweep(tmp_path)
    assert cli("tables", tmp_path).exit_code == 0
    before = pd.read_csv(tmp_path / "tables" / "demo" / "best.csv")
    done = cli("tables", tmp_path, "--tpr", "0.995", "--tpr", "0.98", "--fpr", "0.05")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"AUC +FPR@99\.5 \(%\) +FPR@98 \(%\) +TPR@5 \(%\) +AUC mean", done.stdout)
    assert "at a true positive rate of at least 99.5 and 98 %, and true positive rate in %" in done.stdout
    after = pd.read_csv(tmp_path / "tables" / "demo" / "best.csv")
    assert list(before["trial_id"]) == list(after["trial_id"])
    assert list(before["fpr_at_tpr_98"]) == list(after["fpr_at_tpr_98"])
    assert (after["fpr_at_tpr_99.5_low"] <= after["fpr_at_tpr_99.5"]).all()
    assert (after["tpr_at_fpr_5_high"] >= after["tpr_at_fpr_5"]).all()
    assert "fpr_at_tpr_95" not in after


def test_a_spaces_file_says_how_its_stored_sweep_is_read(cli: InProcess, tmp_path: Path) -> None:
    stored_sweep(tmp_path)
    space = tmp_path / "demo.yaml"
    fixed = "{dataset: digits, ratio: 10, loss: baseline_BCE}"
    space.write_text(f"tpr_targets: [0.995]\nrows: [loss, constraint, sampler]\nfixed: {fixed}\n")
    done = cli("tables", space, "--output", tmp_path, "--rule", "ensemble-val-fpr99.5")
    assert done.exit_code == 0, done.stderr
    assert "S-LM sampler=shuffle + ALM" in done.stdout
    assert "Selection: lowest validation FPR at 99.5 % TPR of the scores" in done.stdout
    assert "Rows: loss, constraint, sampler." in done.stdout
    assert "FPR@99.5 (%)" in done.stdout
    assert "FPR@98" not in done.stdout
    told = json.loads((tmp_path / "tables" / "demo" / "provenance.json").read_text())
    assert (told["tpr_targets"], told["rows"]) == ([0.995], ["loss", "constraint", "sampler"])
    refused = cli("tables", "demo", "--output", tmp_path, "--rule", "ensemble-val-fpr99.5")
    assert refused.exit_code == 2
    assert "known: ensemble-val-auroc, mean-val-auroc, ensemble-val-fpr98" in refused.stderr


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """The options of every run that would have begun."""
    for name in ("ALMSWEEP_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    seen: list[RunOptions] = []
    monkeypatch.setattr(run_commands, "train_sweep", lambda sweep, options, **rest: seen.append(options))
    return seen


@pytest.mark.parametrize("command", [["run", "demo"], ["retry", "demo", "--failed"]])
def test_options_are_those_of_the_run(
    cli: InProcess, asked: list[RunOptions], tmp_path: Path, command: list[str]
) -> None:
    of_trials = ["--data-dir", "data", "--download", "--cpus-per-trial", "3", "--compile"]
    of_trials += ["--keep-weights", "all", "--hang-seconds", "900"]
    of_runs = ["--gpus-per-trial", "0.5", "--max-concurrent", "2", "--take-over", "--no-tracking"]
    of_runs += ["--address", "auto", "--rule", "mean-val-auroc", "--tracking-uri", "sqlite:///x.db"]
    for given in ([], [*of_trials, *of_runs]):
        done = cli(*command, "--output", tmp_path, *given)
        assert done.exit_code == 0, done.output
    by_default, as_given = asked
    assert by_default == RunOptions()
    trial = TrialOptions(
        data_dir=Path("data").absolute(),
        download=True,
        threads=3,
        compile=True,
        keep_weights="all",
        hang_seconds=900.0,
    )
    assert as_given == RunOptions(
        trial=trial,
        address="auto",
        gpus_per_trial=0.5,
        max_concurrent=2,
        rule="mean-val-auroc",
        tracking_uri="sqlite:///x.db",
        no_tracking=True,
        take_over=True,
    )


def test_a_run_has_a_scheduler_too(cli: InProcess, asked: list[RunOptions], tmp_path: Path) -> None:
    given = ["--scheduler", "asha", "--grace-epochs", 3]
    assert cli("run", "demo", "--output", tmp_path, *given).exit_code == 0
    assert asked == [RunOptions(scheduler="asha", grace_epochs=3)]


@pytest.mark.parametrize("declared", [ForTrain, ForPlan, ForRun])
def test_every_shared_option_fills_a_field(declared: type) -> None:
    fields = {*TrialOptions.model_fields, *RunOptions.model_fields}
    assert set(get_type_hints(declared)) <= fields


def test_a_run_loads_its_space_once(
    cli: InProcess, asked: list[RunOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(name: str) -> SearchSpace:
        loaded.append(name)
        return load_space(name)

    monkeypatch.setattr("sweeps.driver.opened.load_space", load)
    assert cli("run", "paper-search", "--num-samples", 3, "--output", tmp_path).exit_code == 0
    assert loaded == ["paper-search"]
