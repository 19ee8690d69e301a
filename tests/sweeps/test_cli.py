"""The command line as a user meets it: plans, a search, a second driver, the version."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from click.testing import Result

from search_spaces.catalog import load_space
from sweeps.driver.lease import Lease
from tests.processes import PATIENCE
from trainer.store import Store

ROOT = Path(__file__).resolve().parents[2]

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
InProcess = Callable[..., Result]


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


def test_plan_counts_trials_that_are_corrected_twice(cli: InProcess, tmp_path: Path) -> None:
    done = cli("plan", "longtail", "--output", tmp_path)
    assert done.exit_code == 0, done.output
    assert "corrected twice, by the sampler and by the loss: 6 trials" in done.output
    assert "corrected twice" not in cli("plan", "longtail-cifar", "--output", tmp_path).output


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


def test_a_user_without_a_home_folder_can_use_ray() -> None:
    code = (
        "import os, pwd\n"
        "del os.environ['HOME']\n"
        "def unknown(user): raise KeyError(user)\n"
        "pwd.getpwuid = unknown\n"
        "from sweeps.cli.main import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "import ray.train.constants\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
