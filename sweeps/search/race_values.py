"""What a race judges by: a rule's value of a trial's first replicates, and without each of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.alignment import ExamplesError, SplitAligner
from analysis.records import ensemble_outputs
from analysis.select import Rule
from search_spaces.config import Targets, Task, TrialConfig
from search_spaces.errors import DamagedError
from trainer.store import Done, Store
from trainer.tasks.base import task_arrays

log = logging.getLogger(__name__)


class Jackknifed(NamedTuple):
    """More is better: the value of all replicates, and without each of them, [replicates]."""

    whole: float
    without: NDArray[np.float64]


class ValidationValues:
    """Of stored validation outputs at the rates at which a sweep is read."""

    def __init__(self, store: Store, rates: Targets) -> None:
        self._store, self._rates = store, rates
        self._aligners: dict[Task, SplitAligner] = {}

    def values(self, trial: TrialConfig, done: Sequence[Done], rule: Rule) -> Jackknifed | None:
        """Of two replicates at least; None where the value is undefined, or files are damaged."""
        aligner = self._aligners.setdefault(trial.data, SplitAligner("val"))
        try:
            rows = []
            for one in done:
                origin = f"trial {one.trial_id} seed {one.seed}"
                rows.append(aligner.align(self._store.replicates.read_scores(one), origin))
        except (DamagedError, ExamplesError) as error:
            log.warning("%s: the race goes on without this trial", error)
            return None
        outputs = np.stack(rows)
        if rule.averaged:
            own = self._measured(trial, aligner, outputs, rule)
            found = Jackknifed(float(own.mean()), (own.sum() - own) / (len(own) - 1))
        else:
            without = [ensemble_outputs(np.delete(outputs, place, axis=0)) for place in range(len(outputs))]
            first, *others = self._measured(trial, aligner, [ensemble_outputs(outputs), *without], rule)
            found = Jackknifed(float(first), np.array(others))
        return found if np.isfinite([found.whole, *found.without]).all() else None

    def _measured(
        self, trial: TrialConfig, aligner: SplitAligner, rows: ArrayLike, rule: Rule
    ) -> NDArray[np.float64]:
        """The rule's metric of each row of outputs, more being better."""
        arrays = task_arrays(trial.data, self._rates)
        at_zero = trial.loss.decides_at_zero
        found = arrays.summarize_rows(aligner.targets(), rows, decides_at_zero=at_zero)
        return np.array([rule.metric.gain(float(value)) for value in found[rule.metric.name]])
