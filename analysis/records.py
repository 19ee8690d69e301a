"""What analysis knows about a trial, validation and test apart.

`ValidationRecord` is all that selection ever receives; `TestRecord` is read later, for the trials chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.bootstrap import Interval, bootstrap_intervals
from search_spaces.config import TrialConfig
from trainer.store import Done, Standing

OPERATING_POINTS = (98, 95, 90)  # true positive rates, in percent, at which false positive rates are given


@dataclass(frozen=True)
class ReplicateSource:
    """Where the numbers of one completed replicate come from.

    device           the GPU's name or "cpu (x86_64)"; "unknown" where the result does not say
    processor        the processor's model; None where the result does not say, as for all that follow
    cpu_capability   the vector instructions of torch's kernels ("AVX2")
    gpu_driver       the GPU driver's version; None on a CPU too
    threads          the number of CPU threads
    compiled         whether its network was compiled for training
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


@dataclass(frozen=True)
class Missing:
    """A wanted replicate without a score: "diverged", "pruned", "failed" or "pending", and why.

    `pruned_by` is the metric by which a pruned one fell behind ("val/auroc"); None where none is stored.
    """

    seed: int
    state: str
    reason: str
    pruned_by: str | None = None


@dataclass(frozen=True)
class ValidationRecord:
    """A trial on the validation examples.

    metrics     of the ensemble (scores averaged over replicates), by their names in `trainer.metrics.binary`
    mean_auroc  mean over replicates of each one's own AUROC
    undefined   why metrics are NaN, or None
    """

    trial_id: str
    found: int
    expected: int
    metrics: Mapping[str, float]
    mean_auroc: float
    undefined: str | None = None

    @property
    def complete(self) -> bool:
        """True when every wanted replicate has been found."""
        return self.found == self.expected


@dataclass(frozen=True)
class TestRecord:
    """A trial on the test examples, which are sorted by example id.

    targets           [examples] int8, 1 = positive
    scores            [replicates, examples] float32, a row per seed in `seeds`
    metrics           of the ensemble (scores averaged over replicates)
    replicate_auroc   [replicates] float64
    auroc_mean, _std  over replicates; the deviation has ddof 0, as in the reference
    undefined         why metrics are NaN, or None
    intervals         of the ensemble's metrics over test examples (`analysis.bootstrap`); made when asked for
    """

    __test__ = False  # tells pytest that this is no test class

    trial_id: str
    seeds: tuple[int, ...]
    targets: NDArray[np.int8]
    scores: NDArray[np.float32]
    metrics: Mapping[str, float]
    replicate_auroc: NDArray[np.float64]
    auroc_mean: float
    auroc_std: float
    undefined: str | None = None

    @cached_property
    def intervals(self) -> Mapping[str, Interval]:
        """95 % intervals of the ensemble's AUROC and FPR at each target TPR, by the metrics' names."""
        return bootstrap_intervals(self.targets, ensemble_scores(self.scores))


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
    def complete(self) -> bool:
        """True when every wanted replicate completed."""
        return self.standing.status == "done"

    @property
    def pruned(self) -> bool:
        """True when the trial was stopped early, in competition against others."""
        return self.standing.status == "pruned"

    @property
    def final(self) -> bool:
        """True when a relaunch would add nothing: each replicate completed, diverged or was pruned."""
        return not self.standing.missing


def ensemble_scores(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean over replicates of scores [replicates, examples], as float64; NaN where infinities cancel."""
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = scores.mean(axis=0, dtype=np.float64)
    return mean


def shortfall(missing: tuple[Missing, ...]) -> str:
    """Why replicates are missing, in words: "2 diverged (loss is nan), 1 failed (out of memory)"."""
    counts = Counter(m.state for m in missing)
    parts = []
    for state in ("diverged", "pruned", "failed", "pending"):
        if counts[state]:
            reasons = sorted({m.reason for m in missing if m.state == state and m.reason})
            more = f"; and {len(reasons) - 2} other reasons" if len(reasons) > 2 else ""
            told = f" ({'; '.join(reasons[:2])}{more})" if reasons else ""
            parts.append(f"{counts[state]} {state}{told}")
    return ", ".join(parts)
