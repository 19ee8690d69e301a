"""How often the tables' intervals hold the truth, and how often their tests err: simulated, so it is known.

    python -m benchmarks.coverage [--simulations N] [--draws N] [--processes N] [--json FILE]

Scores of a network are normal, with unit deviation, the positives' mean higher by a distance. A seed has a
distance of its own. An example has a part that all networks of a trial share, and a part for each. So the
truth of every metric has a closed form:

    AUROC = Phi(d / sqrt 2)        FPR at TPR t = Phi(Phi^-1(t) - d)

of a distance d in deviations. *Ensemble*: the truth is that of these very networks on all examples. *Mean
over replicates*: the truth is the mean over all seeds.

The tests: 32 pairs of rows in one table, a fourth of them with a true effect or none at all, compared in the
ensembles' AUROC (DeLong) and FPR (paired bootstrap), corrected by Holm's method.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from analysis.statistics.comparison import bootstrap_p, holm
from analysis.statistics.delong import delong
from analysis.statistics.draws import example_draws, seed_draws
from analysis.statistics.intervals import Interval, expanded_interval, percentile_interval
from search_spaces.config import Targets
from trainer.metrics.resampled import ranking_metrics
from trainer.metrics.resolution import positives_to_resolve

TPRS = (0.98, 0.95, 0.9)
DISTANCE, OF_SEEDS, SHARED = 2.0, 0.25, 0.6  # mean, deviation over seeds; share of an example's variance
POSITIVES, SEEDS = (50, 100, 500, 1000), (6, 10)
NEGATIVES_PER_POSITIVE = 2
_RATES = Targets(tpr=TPRS, fpr=())
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """One line of the table: test positives, and seeds of a trial."""

    positives: int
    seeds: int


@dataclass(frozen=True)
class Coverage:
    """Of one setting and metric: in which share of simulations the interval held the truth."""

    positives: int
    seeds: int
    metric: str
    ensemble: float
    mean: float


def truth(distance: float) -> dict[str, float]:
    """Every metric of a population whose classes lie so many deviations apart."""
    found = {"auroc": float(norm.cdf(distance / math.sqrt(2)))}
    for tpr in TPRS:
        found[f"fpr_at_tpr_{100 * tpr:g}"] = float(norm.cdf(norm.ppf(tpr) - distance))
    return found


def mean_truth(distance: float) -> dict[str, float]:
    """The mean over seeds, whose distances are normal (Gauss-Hermite quadrature)."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    each = [truth(distance + OF_SEEDS * point) for point in points]
    return {name: float(sum(w * t[name] for w, t in zip(weights, each, strict=True))) for name in each[0]}


@dataclass(frozen=True)
class Trial:
    """Scores of a trial's networks on one test set, and the distance of its ensemble in deviations."""

    scores: Values
    ensemble_distance: float


def simulate(
    generator: np.random.Generator, targets: NDArray[np.int64], shared: Values, distances: Values
) -> Trial:
    """Networks of these distances; `shared` is the part of each example that all networks see alike."""
    own = generator.normal(size=(len(distances), len(targets)))
    noise = math.sqrt(SHARED) * shared + math.sqrt(1 - SHARED) * own
    scores = distances[:, None] * targets + noise
    deviation = math.sqrt(SHARED + (1 - SHARED) / len(distances))
    return Trial(scores, float(distances.mean()) / deviation)


def cover(setting: Setting, draws: int, number: int) -> dict[str, tuple[bool, bool]]:
    """One simulation: for each metric whether each of the two intervals holds its truth."""
    generator = np.random.default_rng([setting.positives, setting.seeds, number])
    targets = np.repeat([1, 0], [setting.positives, NEGATIVES_PER_POSITIVE * setting.positives])
    distances = DISTANCE + OF_SEEDS * generator.normal(size=setting.seeds)
    trial = simulate(generator, targets, generator.normal(size=len(targets)), distances)
    ensemble, replicates = resampled(trial, targets, draws, str(number))
    of_networks, of_method = truth(trial.ensemble_distance), mean_truth(DISTANCE)
    weights = seed_draws(setting.seeds, draws, str(number))
    held = {}
    for name, values in ensemble.items():
        of_mean = expanded_interval((weights * replicates[name]).sum(axis=0), setting.seeds)
        held[name] = (
            holds(percentile_interval(values), of_networks[name]),
            holds(of_mean, of_method[name]),
        )
    return held


def resampled(
    trial: Trial, targets: NDArray[np.int64], draws: int, key: str
) -> tuple[dict[str, Values], dict[str, Values]]:
    """Metrics of the ensemble [draws] and of each network [seeds, draws] over draws of examples."""
    positive = targets == 1
    strata = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    rows = np.vstack([trial.scores.mean(axis=0), trial.scores])
    parts: list[list[dict[str, Values]]] = []
    for counts in example_draws(strata, None, draws=draws, key=key):
        parts.append([ranking_metrics(row, positive, ~positive, counts, _RATES) for row in rows])
    found: dict[str, Values] = {}
    for name in parts[0][0]:
        found[name] = np.array(
            [np.concatenate([part[row][name] for part in parts]) for row in range(len(rows))]
        )
    return {name: values[0] for name, values in found.items()}, {n: v[1:] for n, v in found.items()}


def holds(interval: Interval, value: float) -> bool:
    """Whether a value lies between the two ends."""
    return interval.low <= value <= interval.high


def errors(
    draws: int, positives: int, number: int, *, planted: float, pairs: int = 32
) -> dict[str, list[bool]]:
    """One table of pairs: for each test, which of the pairs are significant after Holm's correction.

    `planted` is how much further apart the classes are in the last fourth of the pairs, in deviations.
    """
    generator = np.random.default_rng([positives, number, pairs])
    targets = np.repeat([1, 0], [positives, NEGATIVES_PER_POSITIVE * positives])
    positive = targets == 1
    p_values: dict[str, list[float]] = {"DeLong, AUROC": [], "bootstrap, FPR at 95 % TPR": []}
    for pair in range(pairs):
        effect = planted if pair >= 3 * pairs // 4 else 0.0
        shared = generator.normal(size=len(targets))
        ensembles = []
        for more in (0.0, effect):
            # The networks are what they are: only their examples are drawn.
            trial = simulate(generator, targets, shared, np.full(6, DISTANCE + more))
            ensembles.append(Trial(trial.scores.mean(axis=0)[None], 0.0))
        first, second = (one.scores[0] for one in ensembles)
        p_values["DeLong, AUROC"].append(delong(positive, ~positive, first, second).p_value)
        drawn = [resampled(one, targets, draws, f"{number}/{pair}")[0]["fpr_at_tpr_95"] for one in ensembles]
        p_values["bootstrap, FPR at 95 % TPR"].append(bootstrap_p(drawn[1] - drawn[0]))
    return {test: [p <= 0.05 for p in holm(values)] for test, values in p_values.items()}


def coverage_table(simulations: int, draws: int, pool: ProcessPoolExecutor) -> list[Coverage]:
    """Every setting and metric; a rate that the positives do not resolve has none."""
    found = []
    for positives in POSITIVES:
        for seeds in SEEDS:
            setting = Setting(positives, seeds)
            held = list(pool.map(partial(cover, setting, draws), range(simulations), chunksize=4))
            for name in held[0]:
                tpr = name.rpartition("_")[2]
                if name != "auroc" and positives < positives_to_resolve(float(tpr) / 100):
                    continue
                ensemble = sum(one[name][0] for one in held) / simulations
                mean = sum(one[name][1] for one in held) / simulations
                found.append(Coverage(positives, seeds, name, ensemble, mean))
                print(found[-1], flush=True)
    return found


def error_table(tables: int, draws: int, pool: ProcessPoolExecutor) -> dict[str, dict[str, float]]:
    """The share of tables with any false finding, and of planted effects that are found."""
    simulate_null = partial(errors, draws, 300, planted=0.0)
    simulate_effect = partial(errors, draws, 300, planted=1.0)
    nulls = list(pool.map(simulate_null, range(tables)))
    planted = list(pool.map(simulate_effect, range(tables)))
    found = {}
    for test in nulls[0]:
        false = sum(any(one[test]) for one in nulls) / tables
        beside = sum(any(one[test][:24]) for one in planted) / tables
        power = sum(sum(one[test][24:]) for one in planted) / (8 * tables)
        found[test] = {
            "tables with a false finding, no effect": false,
            "tables with a false finding, 8 of 32 effects": beside,
            "planted effects found": power,
        }
        print(test, found[test], flush=True)
    return found


def markdown(found: Sequence[Coverage], tests: dict[str, dict[str, float]], simulations: int) -> str:
    """Both tables, as docs/tables.md has them."""
    lines = [
        f"Coverage of 95 % intervals, {simulations} simulations (their own error at 95 %: ±"
        f"{100 * 1.96 * math.sqrt(0.95 * 0.05 / simulations):.1f} points).",
        "",
        "| positives | seeds | metric | ensemble (%) | mean over replicates (%) |",
        "|---:|---:|---|---:|---:|",
    ]
    for one in found:
        shares = f"{100 * one.ensemble:.1f} | {100 * one.mean:.1f}"
        lines.append(f"| {one.positives} | {one.seeds} | {one.metric} | {shares} |")
    lines += ["", f"| test | {' | '.join(next(iter(tests.values())))} |", "|---|---:|---:|---:|"]
    for test, found_in in tests.items():
        told = [f"{100 * share:.1f} %" for share in found_in.values()]
        lines.append(f"| {test} | {' | '.join(told)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage")
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--processes", type=int, default=None)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    with ProcessPoolExecutor(given.processes) as pool:
        found = coverage_table(given.simulations, given.draws, pool)
        tests = error_table(given.tables, given.draws, pool)
    if given.json is not None:
        given.json.write_text(json.dumps({"coverage": list(map(asdict, found)), "tests": tests}, indent=1))
    print(markdown(found, tests, given.simulations))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
