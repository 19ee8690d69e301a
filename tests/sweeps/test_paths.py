"""Output and data folders wherever they are and whatever they are called."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from search_spaces.catalog import load_space
from sweeps.cli import cluster_commands, run_commands
from sweeps.driver.opened import OpenedSweep
from sweeps.options import RunOptions
from tests.sweeps import synthetic_store as synthetic
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest

Cli = Callable[..., Result]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[OpenedSweep, RunOptions]]:
    """Sweep and options of every run that would have begun."""
    seen: list[tuple[OpenedSweep, RunOptions]] = []
    monkeypatch.setattr(
        run_commands, "train_sweep", lambda sweep, options, **rest: seen.append((sweep, options))
    )
    return seen


def store_sweep(folder: Path, name: str) -> None:
    Store(folder).write_sweep(SweepManifest(name, tuple(synthetic.trials()[:1])))


# What can be no output


@pytest.mark.parametrize(
    "command", [["run", "demo"], ["plan", "demo"], ["status"], ["tables", "demo"], ["ui"]]
)
@pytest.mark.parametrize("output", ["file", "file/below", "lost"])
def test_an_output_that_can_be_no_folder_is_one_line(
    cli: Cli, tmp_path: Path, command: list[str], output: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    done = cli(*command, "--output", tmp_path / output)
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"almsweep: error: output: expected a folder, given {tmp_path / output}: ")
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("options", [["--output="], ["--output=~nobody-here/x"], ["--data-dir="]])
def test_no_path_is_not_the_working_folder(cli: Cli, tmp_path: Path, options: list[str]) -> None:
    done = cli("plan", "demo", *options)
    assert done.exit_code == 2
    assert "expected a " in done.stderr


# The home folder


def test_the_home_folder_is_the_same_for_everybody(
    cli: Cli, begun: list[tuple[OpenedSweep, RunOptions]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell leaves the sign as it is behind `=` and in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    submitted: list[str] = []
    monkeypatch.setattr(
        cluster_commands,
        "submit",
        lambda context, *rest: submitted.append(cluster_commands.entrypoint(context, far=False)),
    )
    given = ["--output=~/out", "--data-dir=~/data"]
    assert cli("run", "demo", *given).exit_code == 0
    assert cli("run", "demo", *given, "--job").exit_code == 0
    monkeypatch.setenv("ALMSWEEP_OUTPUT", "~/out")
    monkeypatch.setenv("ALMSWEEP_DATA", "~/data")
    assert cli("run", "demo").exit_code == 0
    assert cli("run", "demo", "--job").exit_code == 0
    for sweep, options in begun:
        assert sweep.store.storage.absolute_uri == str(tmp_path / "out")
        assert options.trial.data_dir == tmp_path / "data"
    assert len(begun) == len(submitted) == 2
    for command in submitted:
        assert {str(tmp_path / "out"), str(tmp_path / "data")} <= set(shlex.split(command))
        assert "~" not in command
    assert TrialOptions(data_dir=Path("~/data")).data_dir == tmp_path / "data"
    assert Store("~/out").storage.root == str(tmp_path / "out")


# Other ways of naming one folder


def test_a_store_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    relative = Store("out/")
    monkeypatch.chdir("elsewhere")
    relative.write_sweep(synthetic.manifest())
    (tmp_path / "link").symlink_to("out")
    for spelled in ("out", "out/", "link", "elsewhere/../out"):
        assert Store(f"{tmp_path}/{spelled}").sweep_names() == [synthetic.SWEEP]
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a b", "ü", "#1", "100%", "50%25", "what?", "a;b&c='d\"[e]", "new\nline", "-o"]
)
def test_a_results_folder_may_have_any_name_and_be_moved(cli: Cli, tmp_path: Path, name: str) -> None:
    for output in (tmp_path / name, tmp_path / f"moved {name}"):
        if output.name == name:
            store_sweep(output, "mine")
        else:
            (tmp_path / name).rename(output)
        made = cli("tables", "mine", f"--output={output}")
        assert made.exit_code == 1, made.output
        assert (output / "tables" / "mine" / "best.csv").is_file()
        assert "1 trial" in cli("status", f"--output={output}").stdout
    assert [path.name for path in tmp_path.iterdir()] == [f"moved {name}"]


# A word that is a sweep's name and a folder's


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    store_sweep(tmp_path / "results", "paper-1")
    return tmp_path


def tables_of(folder: Path) -> set[str]:
    return {path.name for path in (folder / "tables").glob("*")}


def test_a_folder_of_the_sweeps_name_is_in_nobodys_way(cli: Cli, here: Path) -> None:
    """A repository holds a paper's LaTeX in `paper/`, or images in `scans/`."""
    (here / "paper-1").mkdir()
    (here / "demo" / "sweeps").mkdir(parents=True)
    assert cli("tables", "paper-1").exit_code == 1
    assert tables_of(here / "results") == {"paper-1"}
    assert cli("tables", "demo").exit_code == 1, "a named space, which was never run"
    assert tables_of(here / "results") == {"paper-1", "demo"}
    for empty in ("./paper-1", "paper-1/", str(here / "paper-1")):
        refused = cli("tables", empty)
        assert refused.exit_code == 2
        assert "expected a result store with a sweep in it, found none" in refused.stderr


def test_a_folder_of_results_is_found_by_its_name(cli: Cli, here: Path) -> None:
    store_sweep(here / "other", "mine")
    store_sweep(here / "demo", "yours")
    assert cli("tables", "other").exit_code == 1
    assert tables_of(here / "other") == {"mine"}
    assert cli("tables", "demo").exit_code == 1
    assert tables_of(here / "demo") == {"yours"}, "a space that was never run gives way to results"


def test_where_both_are_real_it_is_said_how_to_name_either(cli: Cli, here: Path) -> None:
    store_sweep(here / "paper-1", "mine")
    refused = cli("tables", "paper-1")
    assert refused.exit_code == 2
    assert "say ./paper-1 for the results in that folder, or --output results too" in refused.stderr
    assert cli("tables", "./paper-1").exit_code == 1
    assert tables_of(here / "paper-1") == {"mine"}
    assert cli("tables", "paper-1", "--output", "results").exit_code == 1
    assert tables_of(here / "results") == {"paper-1"}


def test_an_output_folder_may_have_its_sweeps_name(cli: Cli, here: Path, monkeypatch: Any) -> None:
    store_sweep(here / "mine", "mine")
    monkeypatch.setenv("ALMSWEEP_OUTPUT", "mine")
    assert cli("tables", "mine").exit_code == 1
    assert tables_of(here / "mine") == {"mine"}


def test_a_spaces_file_may_lie_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("fixed: {dataset: digits, loss: baseline_BCE}\n")
    assert load_space("~/mine.yaml").name == "mine"
