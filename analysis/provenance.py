"""Where every number of a table comes from: trial ids, replicates, hashes, commits, and how it was chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.bootstrap import LEVEL, RESAMPLES, Interval
from analysis.cells import Cell
from analysis.records import ReplicateSource, TestRecord, TrialRecord
from analysis.select import CRITERIA, rule_by_name
from search_spaces.config import SCHEMA_VERSION
from search_spaces.labels import trial_label
from trainer.store import STORE_SCHEMA

PROVENANCE_SCHEMA = 1


def provenance(sweep: str, cells: Sequence[Cell], rule: str) -> dict[str, Any]:
    """The content of provenance.json. Undefined numbers stand as null. No time, host or path is in it."""
    chosen = rule_by_name(rule)
    return {
        "schema": PROVENANCE_SCHEMA,
        "store_schema": STORE_SCHEMA,
        "trial_schema": SCHEMA_VERSION,
        "sweep": sweep,
        "interval": {"level": LEVEL, "resamples": RESAMPLES, "over": "test examples of each class"},
        "rule": {"name": rule, "description": chosen.description, "order": list(CRITERIA)},
        "commits": commits(cells),
        "cells": [_cell(cell, rule) for cell in cells],
    }


def commits(cells: Sequence[Cell]) -> list[str]:
    """Commits that the reported replicates were trained with, sorted."""
    return sorted({s.commit for c in cells if c.chosen is not None for s in c.chosen.sources})


def _cell(cell: Cell, rule: str) -> dict[str, Any]:
    return {
        "block": cell.block,
        "row": cell.row,
        "data": cell.data.model_dump(mode="json"),
        "complete": cell.complete,
        "note": cell.note(),
        "mixture": cell.mixture(),
        "decided_by": cell.decided_by,
        "found": cell.found,
        "expected": cell.expected,
        **_chosen(cell.chosen),
        **_test(cell.test),
        "data_sha256": sorted({s.data_sha256 for t in cell.candidates for s in t.sources}),
        "candidates": [_candidate(t, rule) for t in cell.candidates],
    }


def _chosen(trial: TrialRecord | None) -> dict[str, Any]:
    """What is reported of the chosen trial; nothing where none was."""
    if trial is None:
        nothing: dict[str, Any] = dict.fromkeys(("chosen", "config", "validation"))
        return {**nothing, "replicates": [], "missing": [], "versions": {}}
    return {
        "chosen": trial.trial_id,
        "config": _config(trial),
        "validation": None if trial.validation is None else _numbers(trial.validation.metrics),
        "replicates": [_replicate(source) for source in trial.sources],
        "missing": _missing(trial),
        "versions": _versions(trial.sources),
    }


def _test(test: TestRecord | None) -> dict[str, Any]:
    """The chosen trial's test metrics and their intervals; None where it has none."""
    if test is None:
        return {"test": None, "test_intervals": None}
    return {"test": _numbers(test.metrics), "test_intervals": _ends(test.intervals)}


def _config(trial: TrialRecord) -> dict[str, Any]:
    """The configuration, its seeds in rising order: the order in which they were given is no fact."""
    content: dict[str, Any] = trial.config.model_dump(mode="json")
    return {**content, "seeds": sorted(content["seeds"])}


def _replicate(source: ReplicateSource) -> dict[str, Any]:
    return {
        "seed": source.seed,
        "attempt": source.attempt,
        "scores_file": source.scores_file,
        "scores_sha256": source.scores_sha256,
        "data_sha256": source.data_sha256,
        "commit": source.commit,
        "device": source.device,
        "processor": source.processor,
        "cpu_capability": source.cpu_capability,
        "gpu_driver": source.gpu_driver,
        "threads": source.threads,
        "compiled": source.compiled,
    }


def _missing(trial: TrialRecord) -> list[dict[str, Any]]:
    missing = []
    for one in trial.missing:
        entry: dict[str, Any] = {"seed": one.seed, "state": one.state, "reason": one.reason}
        if one.state == "pruned":
            entry["pruned_by"] = one.pruned_by
        missing.append(entry)
    return missing


def _candidate(trial: TrialRecord, rule: str) -> dict[str, Any]:
    record = trial.validation
    return {
        "trial_id": trial.trial_id,
        "label": trial_label(trial.config),
        "found": trial.found,
        "expected": trial.expected,
        "rule_value": None if record is None else _number(rule_by_name(rule).value(record)),
        "val_auroc": None if record is None else _number(record.metrics["auroc"]),
        "missing": _missing(trial),
    }


def _versions(sources: Sequence[ReplicateSource]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for source in sources:
        for name, version in source.versions.items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(versions) for name, versions in sorted(found.items())}


def _numbers(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in sorted(metrics.items())}


def _ends(intervals: Mapping[str, Interval]) -> dict[str, list[float | None]]:
    return {name: [_number(end) for end in interval] for name, interval in sorted(intervals.items())}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
