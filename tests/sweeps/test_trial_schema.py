"""A store of another trial schema: every command on it ends with exit code 3, says why, and writes nothing.

`schema_1/` was written by the last version before there was a schema number, and trimmed to its text files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from search_spaces.config import SCHEMA_VERSION, TrialConfig
from search_spaces.errors import TrialSchemaError
from sweeps.cli.main import app
from sweeps.driver.opened import OpenedSweep
from sweeps.driver.run import run_sweep
from sweeps.driver.weights import WeightKeeper
from sweeps.options import RunOptions
from sweeps.search.study import stored_configs
from tests.sweeps.synthetic_store import trials, write_sweep, write_trial
from trainer.store import Store, SweepManifest

SCHEMA_1 = Path(__file__).parent / "schema_1"
STORED_TRIAL = "5e2f18d2f3da360e"

TINY = """
name: tiny
fixed: {dataset: digits, model: small_cnn, model.width: 4, epochs: 2, seeds: [1, 2]}
grid: {loss: [baseline_BCE], alm: [none, ALM_14_beg]}
"""
HUNT = """
name: hunt
fixed: {dataset: digits, model: small_cnn, model.width: 4, epochs: 2, seeds: [1]}
search:
  domains:
    loss.name: {choice: [bce, s_lm]}
    loss.margin: {log_uniform: [0.1, 10], when: {loss.name: [s_lm]}}
  objectives: [val/auroc]
  samples: 2
"""
NEW = TINY.replace("name: tiny", "name: new")
TWO_STAGE = "paper-two-stage"

# Arguments, in which a file of the space stands for its text.
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", TINY, "--yes"),
    "run by name": ("run", "tiny", "--yes"),
    "run a search on": ("run", HUNT, "--yes", "--num-samples", "5"),
    "run a new sweep": ("run", NEW, "--yes"),
    "run a new two-stage study": ("run", TWO_STAGE, "--yes"),
    "run as a job": ("run", TINY, "--yes", "--job"),
    "take over": ("run", TINY, "--yes", "--take-over"),
    "plan": ("plan", TINY),
    "plan by name": ("plan", "tiny"),
    "plan a search": ("plan", HUNT, "--probe"),
    "plan a new sweep": ("plan", NEW),
    "tables": ("tables", "tiny"),
    "tables of a space": ("tables", HUNT),
    "status": ("status",),
    "status of one": ("status", "tiny", "--failed"),
    "retry failed": ("retry", "tiny", "--failed", "--yes"),
    "retry pruned": ("retry", HUNT, "--pruned", "--yes"),
    "reconcile": ("reconcile", "tiny"),
    "evaluate": ("evaluate", STORED_TRIAL[:8]),
    "train": ("train", "--set", "model=small_cnn", "--set", "epochs=2"),
    "ui": ("ui",),
}


def call(arguments: tuple[str, ...], output: Path, spaces: Path) -> Result:
    """Run a command on a store; the texts of spaces are written into the folder `spaces` first."""
    given = []
    for argument in arguments:
        if "\n" in argument:
            path = spaces / "space.yaml"
            path.write_text(argument)
            argument = str(path)
        given.append(argument)
    return CliRunner().invoke(app, [*given, "--output", str(output)])


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below a folder: a file with its content, a folder with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def check_refused(done: Result, found: object) -> None:
    (line,) = done.stderr.strip().splitlines()
    assert done.exit_code == 3
    assert f"expected trial schema {SCHEMA_VERSION}, found {found}" in line
    assert "choose another --output" in line


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the store that schema 1 left."""
    shutil.copytree(SCHEMA_1, tmp_path / "old")
    return tmp_path / "old"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_of_schema_1_is_left_alone(command: str, old: Path, tmp_path: Path) -> None:
    before = contents(old)
    done = call(COMMANDS[command], old, tmp_path)
    check_refused(done, 1)
    assert done.stdout == ""
    assert contents(old) == before


def test_the_tables_of_an_output_folder_are_refused(old: Path) -> None:
    before = contents(old)
    done = CliRunner().invoke(app, ["tables", str(old)])
    check_refused(done, 1)
    assert "sweeps/hunt.json" in done.stderr
    assert "(likewise: tiny)" in done.stderr
    assert contents(old) == before


@pytest.mark.parametrize("command", ["run", "plan", "tables", "status", "retry failed", "train"])
def test_a_store_of_a_later_schema_is_left_alone(command: str, tmp_path: Path) -> None:
    """Its configurations hold fields of which this version knows nothing."""
    folder = tmp_path / "later"
    store = Store(folder)
    config = {"trial_schema": SCHEMA_VERSION + 1, "data": {"kind": "unheard of"}}
    store.storage.write_json("sweeps/tiny.json", {"schema": 1, "name": "tiny", **config, "trials": [config]})
    store.storage.write_json(f"trials/{STORED_TRIAL}/config.json", config)
    before = contents(folder)
    check_refused(call(COMMANDS[command], folder, tmp_path), SCHEMA_VERSION + 1)
    assert contents(folder) == before


@pytest.mark.parametrize("arguments", [COMMANDS["train"], COMMANDS["run"]])
def test_trials_without_a_sweep_are_left_alone(arguments: tuple[str, ...], old: Path, tmp_path: Path) -> None:
    shutil.rmtree(old / "sweeps")
    shutil.rmtree(old / "studies")
    before = contents(old)
    check_refused(call(arguments, old, tmp_path), 1)
    assert contents(old) == before


def test_a_sweep_from_python_is_refused_before_its_lease(old: Path) -> None:
    before = contents(old)
    sweep = OpenedSweep(Store(old), SweepManifest("tiny", tuple(trials())))
    with pytest.raises(TrialSchemaError, match="expected trial schema 2, found 1"):
        run_sweep(sweep, RunOptions(), Console(quiet=True))
    assert contents(old) == before


@pytest.fixture
def mixed(old: Path) -> Store:
    """A store to which an older version has added, beside the sweep `demo` of this one."""
    store = Store(old)
    write_sweep(store, trials())
    for config in trials():
        write_trial(store, config)
    return store


def test_other_sweeps_of_a_mixed_store_are_told_of(mixed: Store) -> None:
    told = CliRunner().invoke(app, ["status", "--output", mixed.uri])
    assert "4 done" in told.stdout
    assert "tiny" not in told.stdout
    check_refused(told, 1)
    written = CliRunner().invoke(app, ["tables", mixed.uri])
    assert "Best configurations of the sweep demo" in written.stdout
    check_refused(written, 1)
    assert [path.name for path in (Path(mixed.storage.root) / "tables").iterdir()] == ["demo"]
    one = CliRunner().invoke(app, ["status", "demo", "--output", mixed.uri])
    assert one.exit_code == 0


def test_a_mixed_store_takes_nothing_new(mixed: Store, tmp_path: Path) -> None:
    mixed.check_trial_schema("demo")
    check_refused(call(COMMANDS["run a new sweep"], Path(mixed.storage.root), tmp_path), 1)


def test_nothing_is_learned_from_another_schema(mixed: Store) -> None:
    ours = {config.trial_id for config in trials()}
    assert set(stored_configs(mixed)) == ours
    assert set(mixed.read_sweeps()) == {"demo"}
    keeper = WeightKeeper(mixed, SweepManifest("other", ()), ())
    keeper.close()
    assert keeper.shared == ours


def test_what_is_written_says_its_schema(tmp_path: Path) -> None:
    store = Store(tmp_path)
    config = trials()[0]
    write_sweep(store, [config])
    store.write_config(config)
    files: list[Mapping[str, Any] | None] = [
        store.storage.read_json("sweeps/demo.json"),
        store.storage.read_json(f"trials/{config.trial_id}/config.json"),
    ]
    assert [content and content["trial_schema"] for content in files] == [SCHEMA_VERSION, SCHEMA_VERSION]
    stored = store.read_config(config.trial_id)
    assert stored is not None
    assert stored.trial_id == config.trial_id


def test_settings_of_schema_1_have_other_ids_now() -> None:
    content = json.loads((SCHEMA_1 / "trials" / STORED_TRIAL / "config.json").read_text())
    assert TrialConfig.model_validate_json(json.dumps(content)).trial_id != STORED_TRIAL
