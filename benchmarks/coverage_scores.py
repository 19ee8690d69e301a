"""Scores of networks whose true metrics are known in closed form.

Scores of a network are normal, with unit deviation, the positives' mean higher by a distance. A seed has a
distance of its own. An example has a part that all networks of a table see alike, and a part for each. The
truth of every metric of a distance d, in deviations:

    AUROC = Phi(d / sqrt 2)        FPR at TPR t = Phi(Phi^-1(t) - d)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from analysis.records import TestRecord, TrialRecord, ValidationRecord, ensemble_outputs
from search_spaces.config import Bce, Binary, ConstraintConfig, ImageFolder, Metric, Targets, TrialConfig
from search_spaces.config.metrics import auroc, fpr_at_tpr
from trainer.store import Standing
from trainer.tasks.base import task_arrays

RATES = Targets(tpr=(0.98, 0.95, 0.9), fpr=())
DISTANCE, OF_SEEDS, SHARED = 2.0, 0.25, 0.6  # mean, deviation over seeds; share of an example's variance
NEGATIVES_PER_POSITIVE = 1
CONSTRAINT = ConstraintConfig(penalty=1e-6, margin=0.25)
METRICS: tuple[Metric, ...] = (auroc(), *map(fpr_at_tpr, RATES.tpr))
Values = NDArray[np.float64]
Labels = NDArray[np.int64]


def truth(distance: float) -> dict[str, float]:
    """Every metric of a population whose classes lie so many deviations apart, by its name."""
    found = {auroc().name: float(ndtr(distance / math.sqrt(2)))}
    for rate in RATES.tpr:
        found[fpr_at_tpr(rate).name] = float(ndtr(ndtri(rate) - distance))
    return found


def mean_truth(distance: float) -> dict[str, float]:
    """The mean over all seeds, whose distances are normal around this one."""
    return mean_over_seeds(lambda raised: truth(distance + raised))


def mean_over_seeds(of_seed: Callable[[float], dict[str, float]]) -> dict[str, float]:
    """The mean over all seeds of what a seed has whose distances are raised by so much (quadrature)."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    each = [of_seed(OF_SEEDS * float(point)) for point in points]
    return {name: float(sum(w * t[name] for w, t in zip(weights, each, strict=True))) for name in each[0]}


def ensemble_distance(distances: Values) -> float:
    """How far apart the classes are in the mean of these networks' scores, in its own deviations."""
    return float(distances.mean()) / ensemble_deviation(len(distances))


def ensemble_deviation(networks: int) -> float:
    """The deviation of the mean of so many networks' scores, of an example's around its class's."""
    return math.sqrt(SHARED + (1 - SHARED) / networks)


def labels(positives: int) -> Labels:
    """Targets of so many positives, and of the negatives beside them."""
    return np.repeat([1, 0], [positives, NEGATIVES_PER_POSITIVE * positives])


def networks(generator: np.random.Generator, targets: Labels, shared: Values, distances: Values) -> Values:
    """Scores [networks, N] of networks of these distances; `shared` [N] is what all of them see alike."""
    own = generator.normal(size=(len(distances), len(targets)))
    return distances[:, None] * targets + math.sqrt(SHARED) * shared + math.sqrt(1 - SHARED) * own


def task(name: str) -> Binary:
    """A data set of its own for each name: what is drawn of one says nothing of another."""
    return Binary(source=ImageFolder(folder=name), negative=("healthy",), positive=("ill",))


def trial(
    data: Binary, seeds: int, constraint: ConstraintConfig | None = None, number: int = 0
) -> TrialConfig:
    """A trial of the seeds 1 to `seeds`; each number is another trial."""
    wanted = tuple(range(1, seeds + 1))
    return TrialConfig(data=data, loss=Bce(), constraint=constraint, seeds=wanted, epochs=100 + number)


def complete(config: TrialConfig, validation: ValidationRecord | None = None) -> TrialRecord:
    """A trial whose replicates all ended."""
    standing = Standing("done", dict.fromkeys(config.seeds, "completed"), ())
    return TrialRecord(config, config.trial_id, standing, (), (), (), validation)


def tested(config: TrialConfig, targets: NDArray[Any], scores: Values, rates: Targets) -> TestRecord:
    """What is read of a trial whose networks gave these test scores [networks, N] or [networks, N, K]."""
    outputs = scores.astype(np.float32)
    arrays = task_arrays(config.data, rates)
    return TestRecord(
        config,
        rates,
        config.seeds,
        targets,
        outputs,
        arrays.summarize(targets, ensemble_outputs(outputs)),
        arrays.summarize_rows(targets, outputs),
    )
