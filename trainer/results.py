"""The result files of a trial's replicates: scores, curves, summary, weights.

The summary, `result.<attempt>.json`, holds:

trial_schema     what a configuration meant when it was trained
state            "completed", "diverged" or "pruned"
reason           why it ended before its last epoch; null where it did not
pruned_by        of a pruned one: the metric by which it fell behind
raced_after      of one that a race of replicates left out: after how many of the trial's it fell behind
scored_epochs    the epochs, from 0, over which its outputs are averaged
epochs           how many it was trained
metrics          of the scored epochs, under `val/` and `test/`; null where one is undefined
wall_seconds     the time that it took
node             the machine's host name
device           the GPU's name, or the processor's architecture
processor        the processor's model
cpu_capability   the vector instructions of torch's kernels
gpu_driver       the NVIDIA driver's version; null without a GPU
threads          of the processor, that torch computed with
compiled         whether its network went through `torch.compile`
versions         of Python and of the libraries that can change a number
commit           of the program
data_sha256      hash of pixels, targets, ids and groups of its splits
preparation      number of the way in which files were read; a version that reads them otherwise has another
counts           examples: of each role or class in training, of validation, of test
label_pairs      of label sets: training examples with both of two labels, a row per label, as the task orders
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from search_spaces.config import TrialConfig
from trainer import checkpoint
from trainer.data.preparation import PREPARATION
from trainer.data.task import TaskData
from trainer.device.environment import device_name, git_commit, library_versions, machine_facts, node_name
from trainer.options import TrialOptions
from trainer.pace import Pace
from trainer.replicate import Replicate
from trainer.store import Done, Store, new_attempt
from trainer.store import schema as trial_schema
from trainer.store.outputs import outputs_table
from trainer.writer import Writer


@dataclass
class Attempt:
    """One attempt at a trial: what it needs to write files, and the seeds whose results it has stored.

    `unasked` holds the states, by seed, of replicates in the checkpoint that are not wanted this time, and
    `replaced` the markers, by seed, of results that stand until those of this attempt take their place.
    """

    config: TrialConfig
    store: Store
    data: TaskData
    device: torch.device
    writer: Writer
    options: TrialOptions
    name: str = field(default_factory=new_attempt)
    pace: Pace = field(init=False)
    stored: set[int] = field(default_factory=set)
    unasked: dict[str, Any] = field(default_factory=dict)
    replaced: Mapping[int, Done] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checkpoints are paced from now on."""
        self.pace = Pace(self.options.checkpoint_seconds)


def store_replicate(attempt: Attempt, replicate: Replicate, *, pruned_by: str | None = None) -> None:
    """Score the test split, and have a replicate that ended written; it does not change any more.

    `pruned_by` is the metric by which a pruned one fell behind.
    """
    completed = replicate.state == "completed" and bool(replicate.scored.held)
    test_scores = replicate.score_test() if completed else None
    result = _result(attempt, replicate)  # here, as it tells of this thread
    if replicate.state == "pruned":
        result["pruned_by"] = pruned_by
    attempt.writer.submit(lambda: _write_replicate(attempt, replicate, result, test_scores))


def prune_unbegun(store: Store, other: Done, seed: int, reason: str, *, by: str, after: int) -> None:
    """Store that a trial was left behind in a race before this replicate was begun.

    other   a replicate of the trial that has ended: what else the result tells is what that one's does
    by      the metric by which it fell behind ("val/auroc")
    after   how many replicates of it have ended

    Its curves have no epoch. Raises DamagedError where the other's files are damaged.
    """
    result = {
        **store.replicates.read_result(other),
        "state": "pruned",
        "reason": reason,
        "pruned_by": by,
        "raced_after": after,
        "scored_epochs": [],
        "epochs": 0,
        "metrics": {},
        "wall_seconds": 0.0,
    }
    store.replicates.write(
        other.trial_id,
        seed,
        state="pruned",
        attempt=new_attempt(),
        epochs=store.replicates.read_epochs(other).slice(0, 0),
        scores=None,
        result=result,
    )
    store.index.write(other.trial_id)


def _write_replicate(
    attempt: Attempt,
    replicate: Replicate,
    result: dict[str, Any],
    test_scores: NDArray[np.float32] | None,
) -> None:
    data, scores = attempt.data, None
    if test_scores is not None:
        by_split = {"val": replicate.scored.validation_scores(), "test": test_scores}
        splits = {"val": data.validation, "test": data.test}
        targets = {name: split.targets.numpy() for name, split in splits.items()}
        scores = pa.concat_tables(
            outputs_table(name, split.ids, targets[name], by_split[name], split.groups)
            for name, split in splits.items()
        )
        result = {**result, "metrics": _summaries(replicate, targets, by_split)}
    weights = None
    if replicate.state == "completed" and attempt.options.keep_weights != "none":
        weights = checkpoint.dump_weights(replicate, trial_id=attempt.config.trial_id)
    attempt.store.replicates.write(
        attempt.config.trial_id,
        replicate.seed,
        state=replicate.state,
        attempt=attempt.name,
        epochs=pa.Table.from_pylist(replicate.records),
        scores=scores,
        result=result,
        weights=weights,
    )
    old = attempt.replaced.get(replicate.seed)
    if old is not None:
        attempt.store.replicates.drop_replaced(old, replicate.state)
    attempt.stored.add(replicate.seed)


def _result(attempt: Attempt, replicate: Replicate) -> dict[str, Any]:
    data = attempt.data
    facts: dict[str, Any] = {
        "state": replicate.state,
        "reason": replicate.reason,
        "scored_epochs": replicate.scored.epochs,
        "epochs": replicate.epoch,
        "metrics": {},
        "wall_seconds": replicate.seconds,
        "node": node_name(),
        "device": device_name(attempt.device),
        **machine_facts(attempt.device),
        "threads": torch.get_num_threads(),
        "compiled": attempt.options.compile,
        "versions": library_versions(),
        "commit": git_commit(),
        "data_sha256": data.sha256,
        "preparation": PREPARATION,
        "counts": {
            **replicate.counts,
            "validation": len(data.validation),
            "test": len(data.test),
        },
    }
    if replicate.label_pairs is not None:
        facts["label_pairs"] = replicate.label_pairs
    return trial_schema.labelled(facts)


def _summaries(
    replicate: Replicate,
    targets: Mapping[str, NDArray[np.generic]],
    outputs: Mapping[str, NDArray[np.float32]],
) -> dict[str, float | None]:
    """Metrics of the splits; one that is undefined stands as None, which JSON can hold, unlike NaN."""
    arrays, at_zero = replicate.setup.arrays, replicate.setup.config.loss.decides_at_zero
    counts = arrays.drawn_counts(replicate.counts)
    found: dict[str, float | None] = {}
    for split, values in outputs.items():
        summary = arrays.summarize(targets[split], values, decides_at_zero=at_zero, counts=counts)
        for name, value in summary.items():
            found[f"{split}/{name}"] = None if math.isnan(value) else value
    return found
