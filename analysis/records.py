"""What analysis knows about a trial, validation and test apart.

`ValidationRecord` is all that selection ever receives; `TestRecord` is read later, for the trials chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.adjusted import Adjusted
from analysis.tuned import Tuned
from search_spaces.config import Metric, Targets, TrialConfig
from search_spaces.search import objective_name
from trainer.store import Done, Standing
from trainer.tasks.base import Column, TaskArrays, task_arrays


@dataclass(frozen=True)
class ReplicateSource:
    """Where the numbers of one completed replicate come from.

    device           the GPU's name or "cpu (x86_64)"; "unknown" where the result does not say
    processor        the processor's model; None where the result does not say, as for all that follow
    cpu_capability   the vector instructions of torch's kernels ("AVX2")
    gpu_driver       the GPU driver's version; None on a CPU too
    threads          the number of CPU threads
    compiled         whether its network was compiled for training
    counts           training examples per class (`TaskArrays.drawn_counts`); None where the result has none
    seconds          its share of the time that training took; None where the result does not say
    label_pairs      training examples with both of two labels; None where the result has none
    """

    seed: int
    attempt: str
    scores_file: str
    scores_sha256: str
    data_sha256: str
    commit: str
    versions: Mapping[str, str]
    device: str = "unknown"
    processor: str | None = None
    cpu_capability: str | None = None
    gpu_driver: str | None = None
    threads: int | None = None
    compiled: bool = False
    counts: tuple[int, ...] | None = None
    seconds: float | None = None
    label_pairs: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True)
class Missing:
    """A wanted replicate without a score: "diverged", "pruned", "failed", "damaged" or "pending", and why.

    `pruned_by` is the metric by which a pruned one fell behind ("val/auroc"); None where none is stored.
    `raced_after` is after how many replicates it did so in a race; None where it was stopped otherwise.
    """

    seed: int
    state: str
    reason: str
    pruned_by: str | None = None
    raced_after: int | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """A trial's ensemble on the examples of a split, sorted by example id.

    targets   [examples], as the task has them
    outputs   [examples] or [examples, classes] float64
    groups    [examples], the hashed group of each; None of a source without groups
    """

    targets: NDArray[Any]
    outputs: NDArray[np.float64]
    groups: NDArray[np.str_] | None = None


@dataclass(frozen=True)
class ValidationRecord:
    """A trial on the validation examples.

    metrics        of the ensemble (outputs averaged over replicates), by their names in the task
    mean_steering  mean over replicates of each one's own value of the metric that steers
    undefined      why metrics are NaN, or None
    examples       what the metrics were computed of
    """

    trial_id: str
    found: int
    expected: int
    metrics: Mapping[str, float]
    mean_steering: float
    undefined: str | None = None
    examples: Scored | None = field(default=None, compare=False, repr=False)

    @property
    def complete(self) -> bool:
        """True when every wanted replicate has been found."""
        return self.found == self.expected


@dataclass(frozen=True)
class TestRecord:
    """A trial on the test examples, which are sorted by example id.

    rates       those at which ROC curves are read
    targets     [examples], whole numbers as the task has them; binary: 1 = positive
    outputs     [replicates, examples] or [replicates, examples, classes] float32, a row per seed in `seeds`
    metrics     of the ensemble (outputs averaged over replicates)
    replicates  metrics of each replicate, [replicates] for each name
    undefined   why metrics are NaN, or None
    batches     share of training batches that hold a critical example, mean over epochs and replicates; None
                without a constraint, and of results that do not tell it
    damage      which of its curves are damaged; None where none is
    adjusted    of the ensemble after post-hoc logit adjustment, where that makes sense
    tuned       of the ensemble at thresholds of each label, of a task with label sets
    groups      [examples], the hashed group of each, a patient for one; None of a source without groups
    epochs      the epoch records of each replicate, by seed; of trials with the constraint, where they can be
                read
    """

    __test__ = False  # tells pytest that this is no test class

    config: TrialConfig
    rates: Targets
    seeds: tuple[int, ...]
    targets: NDArray[Any]
    outputs: NDArray[np.float32]
    metrics: Mapping[str, float]
    replicates: Mapping[str, NDArray[np.float64]]
    undefined: str | None = None
    batches: float | None = None
    damage: str | None = None
    adjusted: Adjusted | None = None
    tuned: Tuned | None = None
    groups: NDArray[np.str_] | None = None
    epochs: Mapping[int, pa.Table] = field(default_factory=dict)

    def for_the_crew(self) -> TestRecord:
        """What another process needs to resample it: without epoch records, and what is known already."""
        return replace(self, epochs={})

    @property
    def trial_id(self) -> str:
        """The trial's id."""
        return self.config.trial_id

    @cached_property
    def arrays(self) -> TaskArrays:
        """The task, at the rates."""
        return task_arrays(self.config.data, self.rates)

    @cached_property
    def ensemble(self) -> NDArray[np.float64]:
        """The outputs averaged over replicates, [examples] or [examples, classes]."""
        return ensemble_outputs(self.outputs)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """What ROC curves of the ensemble are read of, by name."""
        return {column.name: column for column in self.arrays.columns(self.targets, self.ensemble)}

    @property
    def every_metric(self) -> dict[str, float]:
        """Those of the ensemble, and of its decisions by other rules."""
        values = dict(self.metrics)
        if self.adjusted is not None:
            values |= self.adjusted.metrics
        if self.tuned is not None:
            values |= self.tuned.metrics
        return values

    @property
    def steering(self) -> NDArray[np.float64]:
        """[replicates]: of each one, the metric that steers."""
        return self.replicates[self.config.data.steers]

    @property
    def steering_mean(self) -> float:
        """Mean over replicates of the metric that steers."""
        return float(self.steering.mean())

    @property
    def steering_std(self) -> float:
        """Its deviation over replicates, with ddof 0 as in the reference; NaN of a single one."""
        if len(self.steering) < 2:
            return math.nan
        return float(self.steering.std(ddof=0))

    @cached_property
    def unresolved(self) -> frozenset[str]:
        """Names of the metrics at a true positive rate for which there are too few positives.

        See `trainer.metrics.resolution`.
        """
        return self.arrays.unresolved(self.targets, self.outputs[0])


@dataclass(frozen=True)
class TrialRecord:
    """A trial as far as it may be seen before selection. `validation` is None when no replicate was found."""

    config: TrialConfig
    trial_id: str
    standing: Standing
    done: tuple[Done, ...]
    sources: tuple[ReplicateSource, ...]
    missing: tuple[Missing, ...]
    validation: ValidationRecord | None

    @property
    def found(self) -> int:
        """Number of wanted replicates that completed."""
        return len(self.done)

    @property
    def expected(self) -> int:
        """Number of wanted replicates."""
        return len(self.config.seeds)

    @property
    def counts(self) -> tuple[int, ...] | None:
        """Training examples per class, the same for every seed; None where no result says so."""
        return next((source.counts for source in self.sources if source.counts is not None), None)

    @property
    def complete(self) -> bool:
        """True when every wanted replicate completed."""
        return self.standing.status == "done"

    @property
    def pruned(self) -> bool:
        """True when the trial was stopped early, in competition against others."""
        return self.standing.status == "pruned"

    def was_raced(self, metric: Metric) -> bool:
        """True when a race of replicates by this metric on validation left the trial behind."""
        by = objective_name(metric)
        return any(one.raced_after is not None and one.pruned_by == by for one in self.missing)

    @property
    def raced_after(self) -> int | None:
        """After how many replicates a race left the trial behind; None where none did."""
        found = [one.raced_after for one in self.missing if one.raced_after is not None]
        return max(found, default=None)

    @property
    def final(self) -> bool:
        """True when a relaunch would add nothing: each replicate completed, diverged or was pruned."""
        return not self.standing.missing


def ensemble_outputs(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean over replicates, the first axis, as float64; NaN where infinities cancel."""
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = outputs.mean(axis=0, dtype=np.float64)
    return mean


def shortfall(missing: Sequence[Missing]) -> str:
    """Why replicates are missing, in words: "2 diverged (loss is nan), 1 failed (out of memory)"."""
    parts = []
    for state in ("diverged", "pruned", "failed", "damaged", "pending"):
        alike = [m for m in missing if m.state == state]
        if alike:
            reasons = sorted({m.reason for m in alike if m.reason})
            parts.append(f"{len(alike)} {state}{_in_brackets(reasons)}")
    return ", ".join(parts)


def _in_brackets(reasons: Sequence[str]) -> str:
    """The first two reasons; how many more there are."""
    if not reasons:
        return ""
    more = f"; and {len(reasons) - 2} other reasons" if len(reasons) > 2 else ""
    return f" ({'; '.join(reasons[:2])}{more})"
