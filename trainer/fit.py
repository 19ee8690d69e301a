"""The training loop of one trial: its replicates in lockstep, one record per epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.replicate import Replicate
from trainer.setup import TrialSetup


@dataclass(frozen=True)
class Round:
    """One epoch of every replicate under way.

    records     each such replicate's record, by seed
    ensemble    metrics of the averaged validation scores, each replicate as it would be scored if it ended
    ended       the seeds that ended in this round
    """

    epoch: int
    records: Mapping[int, Mapping[str, float]]
    ensemble: Mapping[str, float]
    ended: tuple[int, ...]
    seconds: float


def fit(
    replicates: Sequence[Replicate], ended: Mapping[int, NDArray[np.float32]] | None = None
) -> Iterator[Round]:
    """Train replicates to their end, epoch by epoch, and yield a `Round` after each.

    `ended` holds validation outputs [N] or [N, K], by seed, of replicates that ended before: they count in
    the ensemble. A replicate's own numbers depend on none of the others. A replicate that diverges leaves it.
    """
    earlier = list((ended or {}).values())
    while running := [r for r in replicates if r.state == "running"]:
        started = time.perf_counter()
        train_epoch(running)
        validated = [r for r in replicates if r.scored.held and r.state != "diverged"]
        scores = [r.scored.validation_scores() for r in validated]
        ensemble = _ensemble_metrics(running[0].setup, [*earlier, *scores])
        for replicate in running:
            replicate.records[-1].update(ensemble)
        records = {replicate.seed: replicate.records[-1] for replicate in running}
        epoch = max(int(record["epoch"]) for record in records.values())
        ended_now = tuple(replicate.seed for replicate in running if replicate.state != "running")
        yield Round(epoch, records, ensemble, ended_now, seconds=time.perf_counter() - started)


def train_epoch(replicates: Sequence[Replicate]) -> list[dict[str, float]]:
    """One epoch of each, batch by batch in turn, so that a GPU works on all of them; returns their records.

    A record's "seconds" is the replicate's equal share of the time.
    """
    started = time.perf_counter()
    under_way = []
    for replicate in replicates:
        replicate.begin_epoch()
        if replicate.train_batch():  # so that the device works while the next one draws
            under_way.append(replicate)
    while under_way:
        under_way = [replicate for replicate in under_way if replicate.train_batch()]
    for replicate in replicates:
        replicate.begin_validation()
    records = [replicate.end_epoch() for replicate in replicates]
    share = (time.perf_counter() - started) / len(replicates)
    for replicate, record in zip(replicates, records, strict=True):
        record["seconds"] = share
        replicate.seconds += share
    return records


def _ensemble_metrics(setup: TrialSetup, outputs: list[NDArray[np.float32]]) -> dict[str, float]:
    """The headline metrics of the mean of several replicates' validation outputs; NaN of none."""
    found = dict.fromkeys(setup.arrays.names("headline"), math.nan)
    if outputs:
        mean = np.mean(outputs, axis=0, dtype=np.float64)
        summary = setup.arrays.summarize(setup.validation_labels, mean)
        found = {name: summary[name] for name in found}
    return {f"ensemble/val/{name}": value for name, value in found.items()}
