"""Which trials and seeds a command works on: those of the space, or those that the sweep was run with."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console

from search_spaces.catalog import load_space
from search_spaces.errors import InputError
from sweeps.driver.opened import open_stored, open_sweep
from sweeps.driver.run import run_sweep
from sweeps.options import RunOptions
from sweeps.plan import block_counts, make_plan
from tests.sweeps.synthetic_store import write_replicate
from trainer.store import Store, SweepManifest

YAML = "name: small\nfixed: {dataset: digits, seeds: [1, 2, 3]}\ngrid: {loss: [baseline_BCE]}\n"


def ran(space: str, folder: Path, replicates: int) -> SweepManifest:
    """A sweep as `run --replicates` leaves it in the store, before any trial has ended."""
    sweep = open_sweep(space, Store(folder), replicates)
    sweep.store.write_sweep(sweep.manifest)
    return sweep.manifest


@pytest.mark.parametrize("replicates", [1, 5])
def test_reports_use_the_seeds_of_the_run(tmp_path: Path, replicates: int) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(YAML)
    for space in ("demo", str(path)):
        wanted = ran(space, tmp_path, replicates)
        assert open_stored(space, Store(tmp_path)).manifest == wanted
        assert open_stored(wanted.name, Store(tmp_path)).manifest == wanted
        (seeds,) = {config.seeds for config in open_stored(space, Store(tmp_path), 2).manifest.trials}
        assert seeds == (1, 2), "the option still decides"


def test_run_and_plan_take_the_space(tmp_path: Path) -> None:
    ran("demo", tmp_path, 5)
    assert open_sweep("demo", Store(tmp_path)).manifest.trials == load_space("demo").trials


def test_a_search_goes_on_to_the_larger_number_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    domains = "{optimizer.learning_rate: {log_uniform: [1e-3, 1e-1]}}"
    text = f"fixed: {{dataset: digits, loss: baseline_BCE}}\nsearch: {{domains: {domains}, samples: %d}}\n"
    for samples, wanted in ((3, 3), (300, 300), (5, 300)):
        path.write_text(text % samples)
        sweep = open_sweep(str(path), Store(tmp_path / "out"))
        assert sweep.manifest.samples == wanted
        sweep.store.write_sweep(sweep.manifest)


def test_a_space_that_was_never_run_is_opened_as_it_is(tmp_path: Path) -> None:
    assert open_stored("demo", Store(tmp_path)).manifest.trials == load_space("demo").trials
    with pytest.raises(InputError, match="nosuch"):
        open_stored("nosuch", Store(tmp_path))


def test_a_sweep_in_the_store_needs_no_space_of_its_name(tmp_path: Path) -> None:
    wanted = SweepManifest("mine", load_space("demo").trials[:2])
    Store(tmp_path).write_sweep(wanted)
    assert open_stored("mine", Store(tmp_path)).manifest == wanted


def test_a_run_whose_tables_could_not_be_made_does_not_begin(tmp_path: Path) -> None:
    path = tmp_path / "mixed.yaml"
    path.write_text(
        "fixed: {dataset: digits, loss: baseline_BCE}\n"
        "choices:\n  - {epochs: 2, seeds: [1]}\n  - {epochs: 3, seeds: [1, 2, 3]}\n"
    )
    sweep = open_sweep(str(path), Store(tmp_path / "output"))
    with pytest.raises(InputError, match="same seeds"):
        run_sweep(sweep, RunOptions(), Console(file=StringIO()))
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        (["status", "demo"], "12 trials, 60 replicates"),
        (["status"], "12 trials, 60 replicates"),
        (["tables", "demo"], "n=0/5"),
        (["tables", "{output}"], "n=0/5"),
        (["retry", "demo", "--failed"], "12 pending"),
    ],
)
def test_every_command_about_a_run_opens_what_was_run(
    cli: Callable[..., Result], tmp_path: Path, command: list[str], shows: str
) -> None:
    wanted = ran("demo", tmp_path, 5)
    if command[0] == "tables":
        write_replicate(Store(tmp_path), wanted.trials[0], 1)
    told = cli(*[word.format(output=tmp_path) for word in command], "--output", tmp_path)
    assert shows in told.stdout


OWN = """
fixed:
  data: {{source: {{name: folder, folder: pets}}, negative: [dog], positive: [cat]{label}}}
  loss: baseline_BCE
  seeds: [1]
grid: {{ratio: [10, 20]}}
"""


def test_a_label_is_stored_with_its_sweep_and_read_from_its_file(tmp_path: Path) -> None:
    """Two sweeps of one folder may call one data set by two names; their trials are the same."""
    plain, one, other = (tmp_path / f"{name}.yaml" for name in ("plain", "one", "other"))
    plain.write_text(OWN.format(label=""))
    one.write_text(OWN.format(label=", label: Haustiere"))
    other.write_text(OWN.format(label=", label: animals"))
    ids = [sorted(t.trial_id for t in ran(str(path), tmp_path, 1).trials) for path in (plain, one, other)]
    assert ids[0] == ids[1] == ids[2]
    store = Store(tmp_path)

    def labels(space: str) -> list[str]:
        """What the blocks of a sweep are called."""
        return list(block_counts(make_plan("x", open_stored(space, store).manifest.trials, store)))

    assert labels("plain") == ["pets 1:10 (cat vs dog)", "pets 1:20 (cat vs dog)"]
    assert labels("one") == ["Haustiere 1:10", "Haustiere 1:20"]
    assert labels("other") == ["animals 1:10", "animals 1:20"]
    one.write_text(OWN.format(label=", label: Katzen"))
    assert labels(str(one)) == ["Katzen 1:10", "Katzen 1:20"]
    one.write_text(OWN.format(label=""))
    assert labels(str(one)) == ["pets 1:10 (cat vs dog)", "pets 1:20 (cat vs dog)"]
    content = json.loads((tmp_path / "sweeps" / "plain.json").read_text())
    assert "labels" not in content
