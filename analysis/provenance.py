"""Where every number of a table comes from: trial ids, replicates, hashes, commits, and how it was chosen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.cells import Cell
from analysis.confusion import baselines
from analysis.records import ReplicateSource, TrialRecord
from analysis.statistics.intervals import LEVEL, UNDEFINED, Interval
from analysis.statistics.optimism import Choice
from analysis.statistics.sweep import SweepStatistics
from analysis.table_columns import TableColumns
from analysis.tuned import Tuned
from search_spaces.config import SCHEMA_VERSION
from search_spaces.labels import BlockLabels
from trainer.store import STORE_SCHEMA, SweepManifest

PROVENANCE_SCHEMA = 1


def provenance(
    manifest: SweepManifest,
    cells: Sequence[Cell],
    columns: Mapping[str, TableColumns],
    statistics: SweepStatistics,
) -> dict[str, Any]:
    """The content of provenance.json. Undefined numbers stand as null. No time, host or path is in it.

    `columns` are the metrics that a block's table shows. The rates and rows of the sweep stand in it where
    they are not the default.

    schema         of this file
    store_schema   of the store's files
    trial_schema   what a configuration means
    sweep          the sweep's name
    interval       level and draws of the intervals, and over what they are: examples, or groups of these
    rule           how trials were chosen: name, description, order of criteria; or `rules`, of several
    commits        those that the reported replicates were trained with
    cells          an entry per cell
    held_against   of several classes: by a chosen trial's id that of the row before its method
                   (`analysis.confusion`)
    """
    labels = BlockLabels(cell.data for cell in cells)
    return {
        "schema": PROVENANCE_SCHEMA,
        "store_schema": STORE_SCHEMA,
        "trial_schema": SCHEMA_VERSION,
        "sweep": manifest.name,
        **manifest.reading.as_keys(),
        "interval": {"level": LEVEL, "draws": statistics.draws, "over": drawn_words(cells)},
        **_rules(cells),
        "commits": commits(cells),
        "cells": [cell_facts(cell, columns[cell.block], labels, statistics) for cell in cells],
        **_held_against(cells),
    }


def _held_against(cells: Sequence[Cell]) -> dict[str, dict[str, str]]:
    """Which row is before which, where there are such."""
    found = {}
    for cell, before in baselines(cells):
        if before is not None:
            found[cell.chosen_id] = before.chosen_id
    return {"held_against": found} if found else {}


def _rules(cells: Sequence[Cell]) -> dict[str, Any]:
    """The selection rule, or the rules of a sweep over several kinds of task."""
    told: dict[str, dict[str, Any]] = {}
    for cell in cells:
        rule = cell.rule
        entry = {"name": rule.name, "description": rule.description, "order": list(rule.criteria)}
        told.setdefault(json.dumps(entry), entry)
    entries = list(told.values())
    if len(entries) == 1:
        return {"rule": entries[0]}
    return {"rules": entries}


def commits(cells: Sequence[Cell]) -> list[str]:
    """Commits that the reported replicates were trained with, sorted."""
    found: set[str] = set()
    for cell in cells:
        if cell.chosen is not None:
            found |= {source.commit for source in cell.chosen.sources}
    return sorted(found)


def drawn_words(cells: Sequence[Cell]) -> str:
    """What the intervals' bootstrap draws, with replacement."""
    has_groups = {cell.test.groups is not None for cell in cells if cell.test is not None}
    if has_groups == {True}:
        return "groups of test examples, such as patients"
    of_each = "" if all(cell.data.has_label_sets for cell in cells) else " of each class"
    if True in has_groups:
        return f"test examples{of_each}; where the data have groups, whole ones"
    return f"test examples{of_each}"


def cell_facts(
    cell: Cell, columns: TableColumns, labels: BlockLabels, statistics: SweepStatistics
) -> dict[str, Any]:
    """An entry of `cells`.

    block            data set and ratio
    row              the settings that make the row
    data             the task's configuration
    complete         whether nothing of the cell is failed or pending
    note             why not
    mixture          in which ways its replicates were rounded differently
    choice           the value of the rule, the same corrected for the choice (why not), the standard error of
                     its draws, among how many; the value with `scored: last` where that was a candidate
    decided_by       which of the rule's criteria decided
    found            replicates of the chosen trial that completed
    expected         replicates that it wants
    chosen           the chosen trial's id
    config           its configuration
    validation       its ensemble's metrics on validation
    replicates       per seed: attempt, file and hash of its scores, hash of its data, commit, machine
    missing          per seed that is missing: its state and why
    versions         of Python and libraries that the replicates were trained with
    test             its ensemble's metrics on test
    test_intervals   their 95 % intervals over test examples; not of unresolved ones
    unresolved       metrics at a true positive rate for which there are too few test positives
    mean_intervals   of headline metrics, of the mean over replicates, over seeds and test examples
    adjusted         metrics and tau of its adjusted decisions; only of tasks that have such
    tuned            the rule and thresholds of its labels, chosen on validation; likewise
    data_sha256      hashes of the candidates' data: one
    candidates       per trial: id, label, replicates, the value of the rule, what is missing
    """
    return {
        "block": cell.block,
        "row": cell.row,
        "data": cell.data.model_dump(mode="json"),
        "complete": cell.complete,
        "note": cell.note(),
        "mixture": cell.mixture(),
        "choice": _choice(statistics.choices.get(cell.chosen_id)),
        "decided_by": cell.decided_by,
        "found": cell.found,
        "expected": cell.expected,
        **_chosen(cell.chosen),
        **_test(cell, columns, statistics),
        "data_sha256": _data_hashes(cell),
        "candidates": [_candidate(t, cell, labels) for t in cell.candidates],
    }


def _choice(choice: Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    corrected = _number(choice.corrected)
    told: dict[str, Any] = {"candidates": choice.candidates, "value": _number(choice.value)}
    told |= {
        "corrected": corrected,
        "error": choice.error,
        **({"reason": choice.reason} if choice.reason else {}),
    }
    return told if math.isnan(choice.scored_last) else {**told, "scored_last": choice.scored_last}


def _data_hashes(cell: Cell) -> list[str]:
    found = set()
    for trial in cell.candidates:
        for source in trial.sources:
            found.add(source.data_sha256)
    return sorted(found)


def _chosen(trial: TrialRecord | None) -> dict[str, Any]:
    """What is reported of the chosen trial; nothing where none was."""
    if trial is None:
        nothing: dict[str, Any] = dict.fromkeys(("chosen", "config", "validation"))
        return {**nothing, "replicates": [], "missing": [], "versions": {}}
    validation = None
    if trial.validation is not None:
        validation = _numbers(trial.validation.metrics)
    return {
        "chosen": trial.trial_id,
        "config": _config(trial),
        "validation": validation,
        "replicates": list(map(_replicate, trial.sources)),
        "missing": _missing(trial),
        "versions": _versions(trial.sources),
    }


def _test(cell: Cell, columns: TableColumns, statistics: SweepStatistics) -> dict[str, Any]:
    """The chosen trial's test metrics, and the intervals of those shown; None where it has none."""
    test = cell.test
    if test is None:
        return {"test": None, "test_intervals": None}
    intervals = {}
    for metric in columns.known:
        if metric not in columns.ruled and not metric.listed:
            found = statistics.interval(test.trial_id, metric.name)
            is_told = found is not None and metric.name not in test.unresolved
            intervals[metric.name] = found if found is not None and is_told else UNDEFINED
    means = {}
    for name, interval in statistics.means.get(test.trial_id, {}).items():
        if name not in test.unresolved:
            means[name] = interval
    told: dict[str, Any] = {
        "test": _numbers(test.metrics),
        "test_intervals": _ends(intervals),
        "unresolved": sorted(test.unresolved),
        "mean_intervals": _ends(means),
    }
    if test.adjusted is not None:
        told["adjusted"] = {"tau": test.adjusted.tau, **_numbers(test.adjusted.metrics)}
    if test.tuned is not None:
        told["tuned"] = {"rule": test.tuned.rule.name, "thresholds": _thresholds(test.tuned)}
    return told


def _thresholds(tuned: Tuned) -> dict[str, dict[str, Any]]:
    """By label the threshold that was chosen, and how well it is known."""
    found = {}
    for label, one in tuned.thresholds.items():
        found[label] = {
            "value": _number(one.value),
            "interval": [_number(one.low), _number(one.high)],
            "positives": one.positives,
            "unresolved": one.unresolved,
        }
    return found


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


def _candidate(trial: TrialRecord, cell: Cell, labels: BlockLabels) -> dict[str, Any]:
    record, steers = trial.validation, trial.config.data.steers
    value = steering = math.nan
    judged, rule = cell.judged_by(trial), cell.rule
    if judged is not None:
        value = rule.metric.gain(rule.value(judged))
    if record is not None:
        steering = record.metrics[steers]
    return {
        "trial_id": trial.trial_id,
        "label": labels.trial(trial.config),
        "found": trial.found,
        "expected": trial.expected,
        "rule_value": _number(value),
        f"val_{steers}": _number(steering),
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
    return {name: list(map(_number, interval)) for name, interval in sorted(intervals.items())}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
