"""What the commands about one trial print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.render.document import DOUBLE_DAGGER, MISSING
from search_spaces.words import count
from sweeps.cli.metric_words import header_words, value_words

if TYPE_CHECKING:
    from search_spaces.config import Metric, Targets, TrialConfig
    from trainer.evaluate import Evaluation
    from trainer.fit import Round
    from trainer.store import Store

MOST_COLUMNS = 8  # of a table that fits a terminal


def say_what(console: Console, config: TrialConfig) -> None:
    """The trial's id and label."""
    from search_spaces.labels import trial_label

    console.print(Text(f"trial {config.trial_id}: {trial_label(config)}"), soft_wrap=True)


def print_round(console: Console, round_: Round, config: TrialConfig) -> None:
    """An epoch in a line."""
    records = list(round_.records.values())
    loss = sum(r["train/loss"] for r in records) / len(records)
    words = [f"epoch {round_.epoch + 1:3}/{config.epochs}", count(len(records), "replicate")]
    words.append(f"train loss {loss:.4f}")
    if config.data.validates:
        steering = config.data.steering_metric
        value = round_.ensemble[f"ensemble/val/{steering.name}"]
        words.append(f"ensemble val {steering.words} {value:.4f}")
    words.append(f"{round_.seconds:.2f} s")
    console.print("  ".join(words), highlight=False)


def print_result(console: Console, config: TrialConfig, store: Store) -> bool:
    """Print the trial's table row; returns whether every replicate completed."""
    from analysis.cells import lone_cell
    from analysis.frames import best_frame
    from analysis.load import load_trial
    from analysis.render.rows import listed
    from analysis.statistics.sweep import SweepStatistics
    from analysis.table_columns import UNRESOLVED, column_name, table_columns
    from search_spaces.config import DEFAULT_TARGETS, Targets
    from search_spaces.rows import DEFAULT_ROWS
    from sweeps.cli.metric_report import unresolved_words

    cell = lone_cell(store, load_trial(store, config, DEFAULT_TARGETS), DEFAULT_TARGETS)
    columns = table_columns(config.data, Targets(tpr=DEFAULT_TARGETS.tpr, fpr=()))
    row = best_frame([cell], {cell.block: columns}, DEFAULT_ROWS, SweepStatistics()).to_dict("records")[0]
    steering = column_name(columns.steering)
    unresolved = listed(row, UNRESOLVED)
    headers, values, has_mark = [], [], False
    for metric in columns.shown:
        is_marked = column_name(metric) in unresolved
        headers.append(header_words(metric) + is_marked * DOUBLE_DAGGER)
        values.append(value_words(metric, row[column_name(metric)]))
        has_mark |= is_marked
    header, spread = f"{header_words(columns.steering)} mean", f"{row[f'{steering}_mean']:.4f}"
    deviation = row[f"{steering}_std"]
    if not math.isnan(deviation):  # of a single replicate there is none
        header, spread = f"{header} ± sd", f"{spread} ± {deviation:.4f}"
    table = _table(["replicates", *headers, header], [[str(row["n"]), *values, spread]])
    console.print(f"test, ensemble; replicates scored by {config.scored}:", highlight=False)
    console.print(table)
    if has_mark:
        console.print(Text(unresolved_words(DEFAULT_TARGETS)), soft_wrap=True)
    if row["note"]:
        console.print(Text(str(row["note"])), soft_wrap=True)
    return bool(row["complete"])


def print_evaluation(
    console: Console, found: Evaluation, where: str, config: TrialConfig, rates: Targets
) -> None:
    """How many examples were scored, the metrics of each replicate and of all, and these metrics' intervals.

    `where` says which examples; `rates` are those at which they were evaluated.
    """
    from sweeps.cli.metric_report import metric_report

    console.print(Text(f"{where}: {count(found.examples, 'example')}, {found.classes}"), soft_wrap=True)
    report = metric_report(config, found.targets, found.outputs, found.groups, rates)
    metrics = [row.metric for row in report.rows]
    rows = []
    for seed, values in found.replicates.items():
        rows.append([f"seed {seed}", *_values(metrics, values)])
    rows.append(["ensemble", *_values(metrics, found.ensemble)])
    if report.has_intervals:
        rows.append(["95 % interval", *(row.interval for row in report.rows)])
    console.print(_table(["weights", *(row.header for row in report.rows)], rows))
    notes = list(report.notes)
    if report.has_intervals and found.groups is not None:
        notes.append(f"intervals draw {report.drawn}")
    for line in notes:
        console.print(Text(line), soft_wrap=True)
    if found.undefined is not None:
        console.print(Text(f"{MISSING}: {found.undefined}"), soft_wrap=True)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A line per row; with more columns than a terminal holds, a column per row."""
    if len(headers) > MOST_COLUMNS:
        headers, *rows = zip(headers, *rows, strict=True)
    table = Table(*headers)
    for row in rows:
        table.add_row(*row)
    return table


def _values(metrics: Sequence[Metric], values: Mapping[str, float]) -> list[str]:
    return [value_words(metric, values[metric.name]) for metric in metrics]
