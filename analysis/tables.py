"""The best-configuration tables of a sweep, from its stored results to files.

    best.csv           a row per cell, full precision
    best.md, best.tex  a table per block, rows in the paper's order, best complete values bold
    comparisons.csv, comparisons.md   with against without the constraint, paired by seed
    provenance.json    where every number comes from

The same results give the same bytes: no time, host or path is written.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.bootstrap import METRICS, UNDEFINED, Interval, as_columns
from analysis.cells import Cell, build_cells, settings_text, varying_settings
from analysis.load import load_sweep
from analysis.provenance import commits, provenance
from analysis.records import OPERATING_POINTS, TestRecord, TrialRecord
from analysis.render.escape import csv_text
from analysis.render.layout import best_document, comparison_document
from analysis.render.text import latex, markdown, plain
from analysis.select import DEFAULT_RULE, RULES
from analysis.statistics import constraint_comparisons
from search_spaces.errors import StoreError
from search_spaces.paper.named import constraint_name, loss_name
from trainer.store import Store, SweepManifest


@dataclass(frozen=True)
class Tables:
    """The tables of a sweep. `text` is for printing; `files` are those written, empty if none were.

    frame         a row per cell: block, row, family, constrained, n ("n=7/10"), found, expected, complete,
                  candidates_complete, candidates_total, candidates_pruned, auc, fpr_at_tpr_98 / 95 / 90
                  (0 to 1), the ends of their 95 % intervals over test examples (auc_low, auc_high,
                  fpr_at_tpr_98_low, ...), auc_mean, auc_std (ddof 0), loss_config, alm_config, delta,
                  settings, rule, val_auroc, decided_by, trial_id, note
    comparisons   a row per block and loss with results of both: block, row, pairs, mean_difference, low,
                  high, p_value, complete (both cells are, without pruned candidates), remark,
                  trial_id_without, trial_id_with
    cells         what the rows were made from
    """

    frame: pd.DataFrame
    comparisons: pd.DataFrame
    cells: tuple[Cell, ...]
    provenance: dict[str, Any]
    markdown: str
    latex: str
    text: str
    files: tuple[Path, ...] = ()


def make_tables(store: Store, manifest: SweepManifest, *, rule: str = DEFAULT_RULE) -> Tables:
    """Read a sweep's results, choose per cell on validation, and lay out the tables; writes nothing.

    Raises InputError for an unknown rule, StoreError for results that are damaged or contradict each other.
    """
    cells = build_cells(store, load_sweep(store, manifest), rule)
    frame = best_frame(cells, rule)
    facts = (
        f"Selection: {RULES[rule].description} ({rule}).",
        *pruning_facts(cells, rule),
        f"Commits: {', '.join(commits(cells)) or 'none'}.",
    )
    document = best_document(f"Best configurations of the sweep {manifest.name}", facts, frame)
    return Tables(
        frame=frame,
        comparisons=comparison_frame(cells),
        cells=cells,
        provenance=provenance(manifest.name, cells, rule),
        markdown=markdown(document),
        latex=latex(document),
        text=plain(document),
    )


def write_tables(
    store: Store, manifest: SweepManifest, out_dir: str | Path, *, rule: str = DEFAULT_RULE
) -> Tables:
    """Make the tables and write them into `out_dir`, which is created; each file appears whole or not at all.

    Raises what `make_tables` raises, before anything is written, and what `write_whole` raises.
    """
    tables = make_tables(store, manifest, rule=rule)
    comparison = comparison_document(
        f"With and without the constraint in the sweep {manifest.name}", tables.comparisons
    )
    contents = {
        "best.csv": csv(tables.frame),
        "best.md": tables.markdown,
        "best.tex": tables.latex,
        "comparisons.csv": csv(tables.comparisons),
        "comparisons.md": markdown(comparison),
        "provenance.json": json.dumps(tables.provenance, indent=1, allow_nan=False, ensure_ascii=False)
        + "\n",
    }
    folder = Path(out_dir)
    files = tuple(write_whole(folder / name, text.encode()) for name, text in contents.items())
    return Tables(**{**vars(tables), "files": files})


def pruning_facts(cells: Sequence[Cell], rule: str) -> list[str]:
    """A line for each metric, other than the rule's, by which candidates were stopped early."""
    stopped: dict[str, set[str]] = {}
    for candidate in (trial for cell in cells for trial in cell.candidates):
        for missing in candidate.missing:
            if missing.pruned_by is not None and missing.pruned_by != RULES[rule].metric:
                stopped.setdefault(missing.pruned_by, set()).add(candidate.trial_id)
    return [
        f"{len(trials)} trial(s) were stopped early by the ensemble's {metric}, not by what {rule} selects: "
        "one that the rule would choose may be among them."
        for metric, trials in sorted(stopped.items())
    ]


def best_frame(cells: Sequence[Cell], rule: str) -> pd.DataFrame:
    """One row per cell; the columns are those of `Tables.frame`."""
    names = varying_settings([t.config for c in cells for t in c.candidates])
    return pd.DataFrame([_best_row(cell, rule, names) for cell in cells])


def comparison_frame(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row per block and loss with results of both; the columns are those of `Tables.comparisons`."""
    columns = ["block", "row", "pairs", "mean_difference", "low", "high", "p_value", "complete", "remark"]
    rows = []
    for a, b, c in constraint_comparisons(cells):
        unfinished = "; ".join(f"{cell.row}: {cell.note()}" for cell in (a, b) if not cell.comparable)
        remark = "; ".join(t for t in (c.reason, f"incomplete: {unfinished}" if unfinished else "") if t)
        numbers = (c.pairs, c.mean_difference, c.low, c.high, c.p_value)
        rows.append((a.block, b.row, *numbers, not unfinished, remark, _id(a), _id(b)))
    return pd.DataFrame(rows, columns=[*columns, "trial_id_without", "trial_id_with"])


def csv(frame: pd.DataFrame) -> str:
    """The frame as CSV: shortest digits that give the number back, text cells harmless in a spreadsheet."""
    safe = frame.map(lambda value: csv_text(value) if isinstance(value, str) else value)
    return str(safe.to_csv(index=False, lineterminator="\n"))


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file by a temporary one beside it and a rename, its folder too; returns the path.

    Raises StoreError when it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(f"{path}: could not be written: {error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def _best_row(cell: Cell, rule: str, names: Sequence[str]) -> dict[str, Any]:
    undefined = "" if cell.test is None else cell.test.undefined
    remarks = [cell.note(), undefined, cell.mixture()]
    return {
        "block": cell.block,
        "row": cell.row,
        "family": cell.family,
        "constrained": cell.constrained,
        "n": f"n={cell.found}/{cell.expected}",
        "found": cell.found,
        "expected": cell.expected,
        "complete": cell.complete,
        "candidates_complete": cell.candidates_complete,
        "candidates_total": len(cell.candidates),
        "candidates_pruned": cell.candidates_pruned,
        **_test_columns(cell.test),
        **_setting_columns(cell.chosen, names),
        "rule": rule,
        "val_auroc": _validation_auroc(cell.chosen),
        "decided_by": cell.decided_by,
        "trial_id": _id(cell),
        "note": "; ".join(remark for remark in remarks if remark),
    }


def _test_columns(test: TestRecord | None) -> dict[str, float]:
    """The ensemble's test metrics, their intervals, and the replicates' AUROC; NaN where there is no test."""
    ensemble: Mapping[str, float] = {}
    intervals: Mapping[str, Interval] = dict.fromkeys(METRICS, UNDEFINED)
    mean = deviation = math.nan
    if test is not None:
        ensemble, intervals = test.metrics, test.intervals
        mean, deviation = test.auroc_mean, test.auroc_std
    columns = {"auc": ensemble.get("auroc", math.nan)}
    for percent in OPERATING_POINTS:
        name = f"fpr_at_tpr_{percent}"
        columns[name] = ensemble.get(name, math.nan)
    return {**columns, **as_columns(intervals), "auc_mean": mean, "auc_std": deviation}


def _setting_columns(chosen: TrialRecord | None, names: Sequence[str]) -> dict[str, Any]:
    """What was chosen, in words; empty where nothing was."""
    if chosen is None:
        return {"loss_config": "", "alm_config": "", "delta": math.nan, "settings": ""}
    config = chosen.config
    return {
        "loss_config": loss_name(config.loss),
        "alm_config": constraint_name(config.constraint),
        "delta": math.nan if config.constraint is None else config.constraint.margin,
        "settings": settings_text(config, names),
    }


def _validation_auroc(chosen: TrialRecord | None) -> float:
    if chosen is None or chosen.validation is None:
        return math.nan
    return chosen.validation.metrics["auroc"]


def _id(cell: Cell) -> str:
    return "" if cell.chosen is None else cell.chosen.trial_id
