"""How often intervals of tasks with several classes, or several labels, hold the truth.

A logit is normal, with unit deviation, and higher by a distance where it is that of the example's class, or
of a label that the example has. A seed adds the same to every distance of its network.

    classes   the classes' distances rise from `LEAST` to `MOST`; of the first half there are `MORE` times as
              many test examples as of the others
    labels    an example has each label with a prevalence of its own, whatever else it has. A network says
              yes where a label is as likely there as not

Two questions, as of binary tasks (`benchmarks.coverage_intervals`): `ensemble` and `mean`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from analysis.statistics.resampled import resample
from benchmarks.coverage_intervals import holds
from benchmarks.coverage_runs import simulated
from benchmarks.coverage_scores import (
    OF_SEEDS,
    SHARED,
    Values,
    ensemble_deviation,
    mean_over_seeds,
    tested,
)
from search_spaces.config import (
    CrossEntropy,
    ImageFolder,
    LossConfig,
    Manifest,
    Metric,
    MultiClass,
    MultiLabel,
    MultiLabelBce,
    Targets,
    Task,
    TrialConfig,
)

POSITIVES, SEEDS = (50, 100, 500), 6
RATES = Targets(tpr=(0.9,), fpr=())
CLASSES, LEAST, MOST, MORE = 10, 1.0, 3.0, 4
PREVALENCES, DISTANCES = (0.5, 0.2, 0.1, 0.05, 0.05), (2.0, 3.0)
_GRID = np.linspace(-9.0, 13.0, 4401)  # deviations, over which densities are integrated
Truth = dict[str, float]
Held = dict[str, dict[str, bool]]


@dataclass(frozen=True)
class Covered:
    """Of one kind of task and metric: in which share of simulations each interval held the truth.

    positives   test examples of the rarest class, or with the rarest label on average
    truth       of the metric, mean over all seeds
    """

    kind: str
    metric: Metric
    positives: int
    truth: float
    ensemble: float
    mean: float


@dataclass(frozen=True)
class Kind:
    """One kind of task.

    name       as the page has it
    task       of a number: a data set of its own for each, as what is drawn of one says nothing of another
    metrics    by name
    truth      of the network whose distances are raised by this, with noise of this deviation
    targets    of a generator and positives: [N], or [N, labels]
    raised     the logits of targets of the network whose distances are raised by this, without noise
    """

    name: str
    task: Callable[[int], Task]
    loss: LossConfig
    metrics: tuple[str, ...]
    truth: Callable[[float, float], Truth]
    targets: Callable[[np.random.Generator, int], NDArray[Any]]
    raised: Callable[[NDArray[Any], float], Values]


def class_truth(raised: float, deviation: float) -> Truth:
    """Of several classes: what follows from decisions.

    The highest of independent normals wins: with its mean at d, a class among K wins over the others, whose
    means are 0, with the integral of phi(t - d) Phi(t)^(K - 1); each other one with that of
    phi(t) Phi(t - d) Phi(t)^(K - 2).
    """
    distances = (np.linspace(LEAST, MOST, CLASSES) + raised) / deviation
    right, wrong = [], []
    for distance in distances:
        right.append(np.trapezoid(_density(_GRID - distance) * ndtr(_GRID) ** (CLASSES - 1), _GRID))
        others = ndtr(_GRID - distance) * ndtr(_GRID) ** (CLASSES - 2)
        wrong.append(np.trapezoid(_density(_GRID) * others, _GRID))
    sizes = np.asarray(_class_sizes(1), dtype=np.float64)
    hits = sizes * right
    taken = hits + np.sum(sizes * wrong) - sizes * wrong
    return {
        "macro_f1": float(np.mean(2 * hits / (sizes + taken))),
        "accuracy": float(hits.sum() / sizes.sum()),
        "balanced_accuracy": float(np.mean(right)),
        f"recall/{CLASSES - 1}": float(right[-1]),
    }


def label_truth(distance: float, raised: float, deviation: float) -> Truth:
    """Of several labels: areas and rates, and what follows from decisions."""
    apart, hits, false, wanted, precisions = (distance + raised) / deviation, [], [], [], []
    for prevalence in PREVALENCES:
        cut = _cut(prevalence, distance) / deviation
        hits.append(prevalence * ndtr(apart - cut))
        false.append((1 - prevalence) * ndtr(-cut))
        wanted.append(prevalence)
        true, called = prevalence * ndtr(apart - _GRID), (1 - prevalence) * ndtr(-_GRID)
        precision = np.divide(true, true + called, out=np.ones_like(true), where=true + called > 0)
        precisions.append(np.trapezoid(_density(_GRID - apart) * precision, _GRID))
    f1 = 2 * np.array(hits) / (np.array(hits) + false + wanted)
    last = len(PREVALENCES) - 1
    return {
        "mean_average_precision": float(np.mean(precisions)),
        "macro_auroc": float(ndtr(apart / math.sqrt(2))),
        f"auroc/{last}": float(ndtr(apart / math.sqrt(2))),
        "macro_f1": float(f1.mean()),
        "micro_f1": float(2 * np.sum(hits) / (np.sum(hits) + np.sum(false) + np.sum(wanted))),
        "critical_f1": float(f1[last]),
        f"fpr_at_tpr_90/{last}": float(ndtr(ndtri(RATES.tpr[0]) - apart)),
    }


@cache
def mean_truth(place: int) -> Truth:
    """Of a network of the kind at a place of `kinds`, the mean over all seeds."""
    return mean_over_seeds(lambda raised: kinds()[place].truth(raised, 1.0))


@cache
def kinds() -> tuple[Kind, ...]:
    """Several classes, and several labels whose distances are each of `DISTANCES`."""
    found = [
        Kind(
            "classes",
            _class_task,
            CrossEntropy(),
            ("macro_f1", "accuracy", "balanced_accuracy", f"recall/{CLASSES - 1}"),
            class_truth,
            _class_targets,
            _class_logits,
        )
    ]
    last = len(PREVALENCES) - 1
    areas = ("mean_average_precision", "macro_auroc", f"auroc/{last}")
    decided = ("macro_f1", "micro_f1", "critical_f1", f"fpr_at_tpr_90/{last}")
    for distance in DISTANCES:
        found.append(
            Kind(
                f"labels, {distance:g} apart",
                _label_task,
                MultiLabelBce(),
                areas + decided,
                partial(label_truth, distance),
                _label_targets,
                partial(_label_logits, distance),
            )
        )
    return tuple(found)


def cover(place: int, positives: int, draws: int, number: int) -> Held:
    """One simulation of the kind at a place of `kinds`: by metric and question whether it held the truth."""
    kind = kinds()[place]
    generator = np.random.default_rng([place, positives, number])
    targets = kind.targets(generator, positives)
    seeds = OF_SEEDS * generator.normal(size=SEEDS)
    plain = kind.raised(targets, 0.0)
    shared = math.sqrt(SHARED) * generator.normal(size=plain.shape)
    outputs = []
    for raised in seeds.tolist():
        own = math.sqrt(1 - SHARED) * generator.normal(size=plain.shape)
        outputs.append(kind.raised(targets, raised) + shared + own)
    config = TrialConfig(data=kind.task(number), loss=kind.loss, seeds=tuple(range(1, SEEDS + 1)), epochs=1)
    its = resample([tested(config, targets, np.stack(outputs), RATES)], draws)[config.trial_id]
    ensemble, mean = kind.truth(float(seeds.mean()), ensemble_deviation(SEEDS)), mean_truth(place)
    of_ensemble, of_mean = its.intervals(), its.mean_intervals()
    held: Held = {}
    for name in kind.metrics:
        held[name] = {"ensemble": holds(of_ensemble[name], ensemble[name])}
        if name in of_mean:
            held[name]["mean"] = holds(of_mean[name], mean[name])
    return held


def covered_table(
    simulations: int, draws: int, pool: ProcessPoolExecutor, kept: Path | None = None
) -> list[Covered]:
    """Every kind, number of positives and metric; `kept` is a folder for `simulated`."""
    found = []
    for place, kind in enumerate(kinds()):
        truths = mean_truth(place)
        metrics: Mapping[str, Metric] = {metric.name: metric for metric in kind.task(0).metrics(RATES)}
        for positives in POSITIVES:
            file = None if kept is None else kept / f"tasks-{draws}-{place}-{positives}.jsonl"
            made = simulated(partial(cover, place, positives, draws), simulations, pool, file)
            for name in kind.metrics:
                shares = {}
                for question in ("ensemble", "mean"):
                    told = [held[name][question] for held in made if question in held[name]]
                    shares[question] = sum(told) / len(told) if told else math.nan
                found.append(Covered(kind.name, metrics[name], positives, truths[name], **shares))
    return found


def _density(values: Values) -> Values:
    found: Values = np.exp(-(values**2) / 2) / math.sqrt(2 * math.pi)
    return found


def _cut(prevalence: float, distance: float) -> float:
    """The logit at which a label is as likely as not."""
    return distance / 2 + math.log((1 - prevalence) / prevalence) / distance


def _class_sizes(positives: int) -> list[int]:
    half = CLASSES // 2
    return [MORE * positives] * half + [positives] * (CLASSES - half)


def _class_task(number: int) -> MultiClass:
    names = tuple(map(str, range(CLASSES)))
    return MultiClass(source=ImageFolder(folder=f"simulation-{number}"), classes=names, critical=names[-1:])


def _class_targets(generator: np.random.Generator, positives: int) -> NDArray[Any]:
    return np.repeat(np.arange(CLASSES), _class_sizes(positives)).astype(np.int16)


def _class_logits(targets: NDArray[Any], raised: float) -> Values:
    distances = np.linspace(LEAST, MOST, CLASSES) + raised
    logits = np.zeros((len(targets), CLASSES))
    logits[np.arange(len(targets)), targets] = distances[targets]
    return logits


def _label_task(number: int) -> MultiLabel:
    names = tuple(map(str, range(len(PREVALENCES))))
    return MultiLabel(source=Manifest(file=f"{number}.csv"), classes=names, critical=names[-1:])


def _label_targets(generator: np.random.Generator, positives: int) -> NDArray[Any]:
    examples = round(positives / PREVALENCES[-1])
    return (generator.random((examples, len(PREVALENCES))) < np.array(PREVALENCES)).astype(np.uint8)


def _label_logits(distance: float, targets: NDArray[Any], raised: float) -> Values:
    cuts = [_cut(prevalence, distance) for prevalence in PREVALENCES]
    found: Values = (distance + raised) * targets - np.array(cuts)
    return found
