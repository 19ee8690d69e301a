"""What `tables` says of sweeps whose results cannot be read, mixed or ranked, or are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from search_spaces.config import Bce
from sweeps.driver.opened import open_sweep
from tests.analysis.stored_sweep import SweepBuilder, score_table, trial, with_column
from tests.sweeps.data.runs import (
    RATIOS,
    rewrite_as_of_other_data,
    space,
)
from tests.sweeps.synthetic_store import write_trial
from trainer.store import Store

Cli = Callable[..., Result]


def test_a_sweep_that_cannot_be_read_keeps_no_other_from_its_table(cli: Cli, tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    for name, loss in (("a", "baseline_BCE"), ("b", "baseline_LDAM"), ("c", "baseline_WBCE_1_3")):
        text = RATIOS.replace("ratios", name).replace("[3, 20]", "[20]")
        text = text.replace("[baseline_BCE, baseline_LDAM]", f"[{loss}]")
        sweep = open_sweep(str(space(tmp_path, text)), store)
        write_trial(store, sweep.manifest.trials[0])
        store.write_sweep(sweep.manifest)
    (tmp_path / "out" / "sweeps" / "b.json").write_bytes(b"damaged")
    done = cli("tables", tmp_path / "out")
    assert done.exit_code == 3
    for name in ("a", "c"):
        assert (tmp_path / "out" / "tables" / name / "best.csv").is_file()
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"almsweep: error: {tmp_path / 'out' / 'sweeps' / 'b.json'}: expected JSON")


@pytest.mark.parametrize("without", [0, 3], ids=["the same examples", "other examples"])
def test_a_table_of_which_half_is_of_other_data_says_how_the_rest_is_trained_again(
    cli: Cli, tmp_path: Path, without: int
) -> None:
    """As `retry --changed-data` leaves it that was killed."""
    path, output = space(tmp_path, RATIOS.replace("[3, 20]", "[20]")), tmp_path / "out"
    store = Store(output)
    sweep = open_sweep(str(path), store)
    store.write_sweep(sweep.manifest)
    for config in sweep.manifest.trials:
        write_trial(store, config)
    (file,) = (output / "trials" / config.trial_id).glob("replicates/*/result.0123abcd.json")
    rewrite_as_of_other_data(store, file, without)
    done = cli("tables", path, "-o", output)
    assert done.exit_code == 3
    (line,) = done.stderr.strip().splitlines()
    assert "results on different data in one block" in line
    assert "data eeeeeeeeeeee: trials" in line
    assert line.endswith(f"almsweep retry {path} --changed-data --output {output}")
    done = cli("tables", output)
    assert done.stderr.strip().endswith(f"almsweep retry ratios --changed-data --output {output}")


def test_a_table_without_any_result_is_not_printed(cli: Cli, tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    store.write_sweep(open_sweep(str(space(tmp_path, RATIOS)), store).manifest)
    done = cli("tables", "ratios", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stdout.strip() == "ratios: no trial has a result yet, so there is no table"


def test_results_that_cannot_be_ranked_are_no_missing_ones(cli: Cli, tmp_path: Path) -> None:
    """Of one class alone no metric is defined: it is said in place of a table."""
    builder = SweepBuilder(tmp_path / "out")
    config = builder.add(trial(Bce(), seeds=(1,)))
    scores = score_table("one class", 1, {"val": 1, "test": 1})
    builder.replicate(config, 1, with_column(scores, "target", [0] * scores.num_rows))
    builder.store.write_sweep(builder.manifest("ended"))
    done = cli("tables", "ended", "-o", tmp_path / "out")
    assert done.exit_code == 1
    (line,) = done.stdout.strip().splitlines()
    assert line == "ended: no trial that ended can be chosen, so there is no table: no result: no positives"
