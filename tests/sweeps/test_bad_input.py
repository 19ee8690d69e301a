"""Bad input on the command line: one line that says what was expected and given, and exit code 2."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

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
