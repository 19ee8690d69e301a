"""What a sweep would do: which trials are done, partial, failed or pending, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from search_spaces.config import TrialConfig
from search_spaces.labels import BlockLabels
from search_spaces.rows import DEFAULT_ROWS, CellKey, cell_key
from search_spaces.sizes import weight_count
from trainer.store import Store, TrialFiles, wanted_seeds

STATUSES = ("done", "partial", "failed", "pending", "pruned")
BYTES_PER_FLOAT = 4
# Scores, curves and summary of one replicate, as long as the store holds none to measure.
ASSUMED_RESULT_BYTES = 30_000


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and what the store holds of it.

    `status` is one of STATUSES, that of its `trainer.store.Standing`; a trial that diverged counts as failed.
    `missing` are the seeds that are still to be trained.
    """

    config: TrialConfig
    trial_id: str
    block: str
    status: str
    missing: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """The trials of a sweep, ordered so that those of a block follow one another; what they are called."""

    name: str
    trials: tuple[PlannedTrial, ...]
    labels: BlockLabels = field(default_factory=BlockLabels, compare=False, repr=False)

    def counts(self) -> dict[str, int]:
        """Number of trials per status; every status is present."""
        found = Counter(t.status for t in self.trials)
        return {status: found[status] for status in STATUSES}

    def to_run(self) -> list[PlannedTrial]:
        """Trials with replicates that have not ended: what `run` starts."""
        return [t for t in self.trials if t.missing]

    def failed(self) -> list[PlannedTrial]:
        """Trials whose last attempt failed, or with replicates that diverged."""
        return self.of("failed")

    def of(self, *statuses: str) -> list[PlannedTrial]:
        """Trials of these statuses."""
        return [t for t in self.trials if t.status in statuses]

    def replicates(self) -> int:
        """Number of replicates that the sweep wants in all."""
        return sum(len(t.config.seeds) for t in self.trials)

    def missing_replicates(self) -> int:
        """Number of replicates that have not ended."""
        return sum(len(t.missing) for t in self.trials)


def make_plan(name: str, trials: Iterable[TrialConfig], store: Store, *, trust_index: bool = True) -> Plan:
    """Compare what a sweep wants with what the store holds.

    The store's index tells it in a few requests; without `trust_index` every DONE marker is listed.
    """
    wanted = list(trials)
    labels = BlockLabels(config.data for config in wanted)
    held = store.scan(wanted_seeds(wanted)) if trust_index else store.scan()
    blocks: dict[str, list[PlannedTrial]] = {}
    for config in wanted:
        planned = _planned(config, held, labels)
        blocks.setdefault(planned.block, []).append(planned)
    return Plan(name, tuple(chain.from_iterable(blocks.values())), labels)


def _planned(config: TrialConfig, held: Mapping[str, TrialFiles], labels: BlockLabels) -> PlannedTrial:
    trial_id = config.trial_id  # a hash, computed whenever it is asked for
    found = held.get(trial_id, TrialFiles()).standing(config.seeds)
    status: str = found.status
    if status == "diverged":
        status = "failed"
    return PlannedTrial(config, trial_id, labels.block(config.data), status, found.missing)


@dataclass(frozen=True)
class DiskNeed:
    """Bytes that a sweep's results take in the end, and that checkpoints take in passing."""

    results: int
    weights: int
    checkpoints: int
    measured: bool


def disk_need(
    plan: Plan, store: Store, *, keep_weights: str, concurrent: int, rows: tuple[str, ...] = DEFAULT_ROWS
) -> DiskNeed:
    """Disk for a whole sweep under a weight policy: "all", "selected" (one trial per cell) or "none".

    `rows` says what makes a row of the table, and so a cell.
    A replicate's weights are one set per epoch that it is scored by.
    Scores and curves count as the stored replicates' mean size when there are any, else as an assumed one.
    """
    sets = {t.trial_id: _set_of_weights(t.config) for t in plan.trials}
    weights = {t.trial_id: t.config.scored_epochs * sets[t.trial_id] for t in plan.trials}
    if keep_weights == "all":
        kept = sum(weights.values())
    elif keep_weights == "selected":
        cells: dict[CellKey, int] = {}
        for t in plan.trials:
            cell = cell_key(t.config, rows)
            cells[cell] = max(cells.get(cell, 0), weights[t.trial_id])
        kept = sum(cells.values())
    else:
        kept = 0
    size = _mean_result_bytes(plan, store)
    return DiskNeed(
        results=(size or ASSUMED_RESULT_BYTES) * plan.replicates(),
        weights=kept,
        # weights, their momentum, the scored epochs' weights: of the trials that run side by side
        checkpoints=max((2 * sets[i] + weights[i] for i in sets), default=0) * concurrent,
        measured=size is not None,
    )


def _set_of_weights(config: TrialConfig) -> int:
    """Bytes of the weights of a trial's networks, at one epoch."""
    return BYTES_PER_FLOAT * weight_count(config) * len(config.seeds)


def _mean_result_bytes(plan: Plan, store: Store, sample: int = 20) -> int | None:
    """Mean size of a finished replicate's scores, curves and summary; None where none is finished."""
    done = [trial.config for trial in plan.of("done")[:sample]]
    sizes = []
    for markers in store.all_replicates(wanted_seeds(done)).values():
        for marker in markers.values():
            sizes.append(sum(entry.bytes for kind, entry in marker.files.items() if kind != "weights"))
    if not sizes:
        return None
    return sum(sizes) // len(sizes)


def block_counts(plan: Plan) -> Mapping[str, Mapping[str, int]]:
    """Per block: number of trials, and of trials per status."""
    blocks: dict[str, Counter[str]] = {}
    for t in plan.trials:
        blocks.setdefault(t.block, Counter()).update(["trials", t.status])
    shown = {}
    for label, counts in blocks.items():
        shown[label] = {key: counts[key] for key in ("trials", *STATUSES)}
    return shown
