"""How often each interval of the tables holds the truth.

One simulation is one test set and two trials of it, without and with the constraint, which moves the classes
`EFFECT` further apart. Four questions have an interval:

    ensemble          the truth is that of these very networks on all examples
    mean              over replicates; the truth is the mean over all seeds
    difference        of the two ensembles: DeLong's interval for the AUROC, the paired bootstrap's for rates
    mean difference   over seeds that both have; the truth is the mean over all seeds
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from analysis.statistics.comparison import compare
from analysis.statistics.intervals import Interval
from analysis.statistics.resampled import resample
from benchmarks.coverage_runs import simulated
from benchmarks.coverage_scores import (
    CONSTRAINT,
    DISTANCE,
    METRICS,
    OF_SEEDS,
    RATES,
    Values,
    ensemble_distance,
    labels,
    mean_truth,
    networks,
    task,
    tested,
    trial,
    truth,
)

POSITIVES, SEEDS = (50, 100, 500, 1000), (3, 6, 10)
EFFECT = 0.3  # deviations
QUESTIONS = ("ensemble", "mean", "difference", "mean difference")
Held = dict[str, dict[str, bool]]


@dataclass(frozen=True)
class Setting:
    """Test positives, and seeds of a trial."""

    positives: int
    seeds: int


@dataclass(frozen=True)
class Coverage:
    """Of one setting and metric: in which share of simulations each interval held the truth.

    held       by the question; a question without an interval is left out
    resolved   whether the positives resolve the metric; where they do not the tables print no interval
    """

    positives: int
    seeds: int
    metric: str
    held: Mapping[str, float]
    resolved: bool


def seeds_distances(generator: np.random.Generator, seeds: int) -> tuple[Values, Values]:
    """Distances of the networks without and with the constraint; half of a seed's variance is in both."""
    common = generator.normal(size=seeds)
    found = []
    for mean in (DISTANCE, DISTANCE + EFFECT):
        own = generator.normal(size=seeds)
        found.append(mean + OF_SEEDS * math.sqrt(0.5) * (common + own))
    return found[0], found[1]


def cover(setting: Setting, draws: int, number: int) -> Held:
    """One simulation: by metric and question whether the interval held the truth.

    A metric that the positives do not resolve is left out, and a question that has no interval.
    """
    generator = np.random.default_rng([setting.positives, setting.seeds, number])
    targets = labels(setting.positives)
    shared = generator.normal(size=len(targets))
    data, distances = task(f"simulation-{number}"), seeds_distances(generator, setting.seeds)
    records = []
    for constraint, its in zip((None, CONSTRAINT), distances, strict=True):
        scores = networks(generator, targets, shared, its)
        records.append(tested(trial(data, setting.seeds, constraint), targets, scores, RATES))
    resampled = resample(records, draws)
    drawn = resampled[records[0].trial_id]
    ensembles, means = drawn.intervals(), drawn.mean_intervals()
    of_networks, of_method = truth(ensemble_distance(distances[0])), mean_truth(DISTANCE)
    better_networks = truth(ensemble_distance(distances[1]))
    better_method = mean_truth(DISTANCE + EFFECT)
    held: Held = {}
    for comparison in compare(records[0], records[1], METRICS, resampled):
        name = comparison.metric.name
        if not comparison.resolved:
            continue
        intervals = {
            "ensemble": (ensembles[name], of_networks[name]),
            "mean": (means.get(name), of_method[name]),
            "difference": (comparison.interval, better_networks[name] - of_networks[name]),
            "mean difference": (comparison.mean_interval, better_method[name] - of_method[name]),
        }
        held[name] = {}
        for question, (interval, value) in intervals.items():
            if interval is not None and not math.isnan(interval.low):
                held[name][question] = holds(interval, value)
    return held


def holds(interval: Interval, value: float) -> bool:
    """Whether a value lies between the two ends."""
    return interval.low <= value <= interval.high


def coverage_table(
    simulations: int, draws: int, pool: ProcessPoolExecutor, kept: Path | None = None
) -> list[Coverage]:
    """Every setting and metric; `kept` is a folder for `simulated`."""
    found = []
    for setting in (Setting(positives, seeds) for positives in POSITIVES for seeds in SEEDS):
        name = f"intervals-{draws}-{setting.positives}-{setting.seeds}.jsonl"
        file = None if kept is None else kept / name
        made = simulated(partial(cover, setting, draws), simulations, pool, file)
        for metric in METRICS:
            each = [held[metric.name] for held in made if metric.name in held]
            shares = {}
            for question in QUESTIONS:
                told = [one[question] for one in each if question in one]
                if told:
                    shares[question] = sum(told) / len(told)
            found.append(Coverage(setting.positives, setting.seeds, metric.name, shares, bool(each)))
    return found
