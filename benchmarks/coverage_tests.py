"""How often a table of pairs calls a difference significant that is none, and finds one that is.

One simulation is a table of two blocks with four pairs of rows each, without and with the constraint, and a
test set per block. Networks are what they are, and only their examples are drawn: where no effect is planted,
the two ensembles of a pair are equally good on all examples.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from analysis.cells import Cell
from analysis.select import rule_of
from analysis.statistics.comparison import constraint_pairs
from analysis.statistics.resampled import resample
from benchmarks.coverage_runs import simulated
from benchmarks.coverage_scores import (
    CONSTRAINT,
    DISTANCE,
    METRICS,
    RATES,
    complete,
    ensemble_distance,
    labels,
    networks,
    task,
    tested,
    trial,
    truth,
)

BLOCKS, PAIRS_OF_BLOCK = 2, 4
POSITIVES, NETWORKS = 150, 5  # fewer networks than an interval of their mean needs: it is not asked for here
PLANTED = 0.5  # deviations, in each fourth pair
EVERY = 4


@dataclass(frozen=True)
class Errors:
    """Of one metric, over simulated tables.

    test             what compares the ensembles
    null             share of tables with any significant difference, where none is planted
    beside           the same of the pairs without an effect, where others have one
    found            share of planted effects that are significant
    without, within  the metric's truth without and with a planted effect
    """

    metric: str
    test: str
    null: float
    beside: float
    found: float
    without: float
    within: float


def has_effect(pair: int) -> bool:
    """Whether an effect is planted in a pair of a block."""
    return pair % EVERY == EVERY - 1


def judge(draws: int, planted: float, number: int) -> dict[str, tuple[str, list[bool]]]:
    """One table: by metric the test, and which pairs are significant after Holm's correction.

    `planted` is how much further apart the classes of some pairs are with the constraint.
    """
    generator = np.random.default_rng([POSITIVES, number, round(1000 * planted)])
    targets = labels(POSITIVES)
    cells = []
    for block in range(BLOCKS):
        data = task(f"table-{number}-{planted:g}-{block}")
        shared = generator.normal(size=len(targets))
        rule = rule_of(data, None, RATES)
        for pair in range(PAIRS_OF_BLOCK):
            for constraint in (None, CONSTRAINT):
                more = planted if constraint is not None and has_effect(pair) else 0.0
                config = trial(data, NETWORKS, constraint, pair)
                scores = networks(generator, targets, shared, np.full(NETWORKS, DISTANCE + more))
                chosen = complete(config)
                cells.append(
                    Cell(
                        data,
                        block=f"block {block}",
                        row=f"row {pair}{'' if constraint is None else ' + ALM'}",
                        pair=f"row {pair}",
                        constrained=constraint is not None,
                        rule=rule,
                        candidates=(chosen,),
                        chosen=chosen,
                        decided_by="rule value",
                        test=tested(config, targets, scores, RATES),
                    )
                )
    resampled = resample((cell.test for cell in cells if cell.test is not None), draws)
    pairs = constraint_pairs(cells, {cell.block: METRICS for cell in cells}, resampled)
    found: dict[str, tuple[str, list[bool]]] = {}
    for one in pairs:
        for comparison in one.comparisons:
            significant = found.setdefault(comparison.metric.name, (comparison.test, []))[1]
            significant.append(comparison.significant)
    return found


def error_table(tables: int, draws: int, pool: ProcessPoolExecutor, kept: Path | None = None) -> list[Errors]:
    """A line per metric; `kept` is a folder for `simulated`."""
    made = []
    for effect in (0.0, PLANTED):
        file = None if kept is None else kept / f"tests-{draws}-{effect:g}.jsonl"
        made.append(simulated(partial(judge, draws, effect), tables, pool, file))
    nulls, planted = made
    effects = np.array([has_effect(pair) for _ in range(BLOCKS) for pair in range(PAIRS_OF_BLOCK)])
    without = truth(ensemble_distance(np.full(NETWORKS, DISTANCE)))
    within = truth(ensemble_distance(np.full(NETWORKS, DISTANCE + PLANTED)))
    found = []
    for metric in METRICS:
        of_nulls = np.array([one[metric.name][1] for one in nulls])
        of_planted = np.array([one[metric.name][1] for one in planted])
        found.append(
            Errors(
                metric=metric.name,
                test=nulls[0][metric.name][0],
                null=float(of_nulls.any(axis=1).mean()),
                beside=float(of_planted[:, ~effects].any(axis=1).mean()),
                found=float(of_planted[:, effects].mean()),
                without=without[metric.name],
                within=within[metric.name],
            )
        )
    return found
