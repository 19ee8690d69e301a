"""Runs a small sweep with a fault in one trial: `python faulty_run.py FAULT OUTPUT`; see test_faults.py.

A script of its own, so that Ray ships the faulty worker function to its processes.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

import sweeps.run
from search_spaces.space import SearchSpace, product
from sweeps.cli.report import print_outcome
from sweeps.run import RunOptions, run_sweep
from sweeps.worker import train_trial
from trainer.store import SweepManifest

FAULTS = ("none", "memory-once", "memory-always", "hang-once", "die-once", "same-error")


def space() -> SearchSpace:
    task = {"dataset": ["digits"], "ratio": [20], "epochs": [4], "seeds": [[1, 2]]}
    grid = {"loss": ["baseline_BCE", "baseline_s_LM_m05"], "alm": ["none", "ALM_14_beg"], "delta": [0.25]}
    return SearchSpace.of("faulty", product(task, grid))


def faulty_trial(params: dict[str, Any], *, fault: str, victim: str, folder: str, **rest: Any) -> None:
    """`train_trial` with a fault in the second epoch of the victim, or in the first epoch of every trial."""
    import torch

    import sweeps.watchdog
    from trainer.replicate import Replicate

    marker = Path(folder) / "fault-happened"
    plain = Replicate.begin_epoch

    def begin_epoch(self: Replicate) -> None:
        if fault == "same-error":
            raise ZeroDivisionError("injected")
        hit = (
            params["trial_id"] == victim
            and self.epoch == 1
            and (fault == "memory-always" or not marker.exists())
        )
        if fault == "none" or not hit:
            return plain(self)
        marker.touch()
        if fault == "die-once":
            os._exit(1)
        if fault == "hang-once":
            time.sleep(600)
        raise torch.OutOfMemoryError("injected: out of memory")

    sweeps.watchdog.FIRST_EPOCH_SECONDS = 60.0
    sweeps.watchdog.LEAST_SECONDS, sweeps.watchdog.TIMES_MEDIAN = 10.0, 2.0
    Replicate.begin_epoch = begin_epoch  # type: ignore[method-assign]
    try:
        train_trial(params, **rest)
    finally:
        Replicate.begin_epoch = plain  # type: ignore[method-assign]


def main() -> None:
    fault, folder = sys.argv[1:]
    if fault not in FAULTS:
        raise SystemExit(f"fault: expected one of {', '.join(FAULTS)}, given {fault!r}")
    trials = space().trials
    victim = trials[1].trial_id

    def injected(params: dict[str, Any], **rest: Any) -> None:
        faulty_trial(params, fault=fault, victim=victim, folder=folder, **rest)

    sweeps.run.train_trial = injected
    Path(folder).mkdir(parents=True, exist_ok=True)
    outcome = run_sweep(
        SweepManifest("faulty", trials), RunOptions(output=folder, checkpoint_seconds=0.0), Console()
    )
    print_outcome(Console(), outcome)


if __name__ == "__main__":
    main()
