"""`tables`: written again from stored scores, at other rates, and read as a space's file says."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from click.testing import Result

from search_spaces.catalog import load_space
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store, SweepManifest

InProcess = Callable[..., Result]


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
    heads = [done.stdout.index(head) for head in ("FPR@99.5", "FPR@98", "TPR@5 (%)", "AUC mean ± std")]
    assert heads == sorted(heads)
    assert "at a true positive rate of at least 99.5 and 98 %, and true positive rate in %" in done.stdout
    after = pd.read_csv(tmp_path / "tables" / "demo" / "best.csv")
    assert list(before["trial_id"]) == list(after["trial_id"])
    assert list(before["fpr_at_tpr_98"]) == list(after["fpr_at_tpr_98"])
    assert after["fpr_at_tpr_99.5_low"].isna().all(), "its test positives do not resolve that rate"
    assert (after["tpr_at_fpr_5_high"] >= after["tpr_at_fpr_5"]).all()
    assert "fpr_at_tpr_95" not in after


def test_a_comparison_with_the_authors_of_a_sweep_without_their_rows_is_refused(
    cli: InProcess, tmp_path: Path
) -> None:
    stored_sweep(tmp_path)
    done = cli("tables", tmp_path, "--compare-published")
    assert done.exit_code == 2
    (line,) = done.stderr.strip().splitlines()
    assert line == (
        "almsweep: error: --compare-published: expected a sweep with rows of the paper's tables (cifar10 or "
        "cifar100 at 1:100 or 1:200, data as in the preset), found none in demo"
    )
    assert not (tmp_path / "tables").exists()


def test_a_spaces_file_says_how_its_stored_sweep_is_read(cli: InProcess, tmp_path: Path) -> None:
    stored_sweep(tmp_path)
    space = tmp_path / "demo.yaml"
    fixed = "{dataset: digits, ratio: 10, loss: baseline_BCE}"
    space.write_text(f"tpr_targets: [0.995]\nrows: [loss, constraint, sampler]\nfixed: {fixed}\n")
    done = cli("tables", space, "--output", tmp_path, "--rule", "ensemble-val-fpr99.5")
    assert done.exit_code == 0, done.stderr
    assert "S-LM + ALM" in done.stdout
    assert "Selection: lowest validation FPR at 99.5 % TPR of the scores" in done.stdout
    assert "Rows: loss, constraint, sampler." in done.stdout
    assert "FPR@99.5 (%)" in done.stdout
    assert "FPR@98" not in done.stdout
    told = json.loads((tmp_path / "tables" / "demo" / "provenance.json").read_text())
    assert (told["tpr_targets"], told["rows"]) == ([0.995], ["loss", "constraint", "sampler"])
    refused = cli("tables", "demo", "--output", tmp_path, "--rule", "ensemble-val-fpr99.5")
    assert refused.exit_code == 2
    assert "known: ensemble-val-auroc, mean-val-auroc, ensemble-val-fpr98" in refused.stderr


def test_results_that_may_only_be_read_are_printed(cli: InProcess, tmp_path: Path, monkeypatch: Any) -> None:
    """A colleague's results: the table is told, and that it was not written."""

    def denied(root: str, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", root)

    stored_sweep(tmp_path)
    monkeypatch.setattr("analysis.tables.write_below", denied)
    done = cli("tables", tmp_path)
    assert done.exit_code == 0, done.output
    assert "BCE" in done.stdout
    assert "not written, as these results may only be read" in done.stdout
    assert not (tmp_path / "tables").exists()


def test_quick_tables_tell_the_same_values_and_have_neither_intervals_nor_figures(
    cli: InProcess, tmp_path: Path
) -> None:
    stored_sweep(tmp_path)
    assert cli("tables", "demo", "--output", tmp_path).exit_code == 0
    whole = pd.read_csv(tmp_path / "tables" / "demo" / "best.csv")
    figures = tmp_path / "figures" / "demo"
    assert len(list(figures.glob("*.png"))) > 4
    (figures / "mine.png").write_bytes(b"not ours")
    assert cli("tables", "demo", "--output", tmp_path, "--quick").exit_code == 0
    quick = pd.read_csv(tmp_path / "tables" / "demo" / "best.csv")
    assert [path.name for path in figures.iterdir()] == ["mine.png"], "what a table has no more is deleted"
    assert not whole["auc_low"].isna().any()
    assert quick["auc_low"].isna().all()
    same = ["block", "row", "trial_id", "auc", "fpr_at_tpr_98", "val_auroc"]
    assert quick[same].equals(whole[same])
    told = (tmp_path / "tables" / "demo" / "best.md").read_text()
    assert "Intervals: none were made." in told
    assert "in brackets 95 %" not in told
    assert "Bold: the best complete cell of a column; nothing was drawn" in told
    for line in told.splitlines():
        assert "FPR" not in line or "significantly" not in line, "a bootstrap that was not made finds nothing"
