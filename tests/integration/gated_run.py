"""`almsweep` with trials that wait at two gates: `python gated_run.py GATES run SPACE ...`.

Every trial waits before epoch `MIDDLE` until GATES/middle.open stands; those that GATES/late.trials lists
wait again before epoch `LATE` until GATES/late.open does. A file GATES/<gate>/<trial id> says that a trial
has come there. So a test decides what happens when, however fast the machine is. A script of its own, so
that Ray ships the function to its processes. See test_postgres.py.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import sweeps.driver.tuning
from sweeps.driver.worker import train_trial

MIDDLE, LATE = 3, 6
PATIENCE = 1000.0


def gated_trial(params: dict[str, Any], *, gates: str, options: Any, **rest: Any) -> None:
    """`train_trial` that reports every epoch and stops at the gates."""
    from trainer.replicate import Replicate

    plain, trial_id = Replicate.begin_epoch, params["trial_id"]
    waits_late = trial_id in Path(gates, "late.trials").read_text().split()

    def begin_epoch(self: Replicate) -> None:
        for name, epoch in (("middle", MIDDLE), ("late", LATE)):
            if self.epoch == epoch and (name == "middle" or waits_late):
                came = Path(gates) / name / trial_id
                came.parent.mkdir(parents=True, exist_ok=True)
                came.touch()
                deadline = time.monotonic() + PATIENCE
                while not Path(gates, f"{name}.open").exists() and time.monotonic() < deadline:
                    time.sleep(0.05)
        plain(self)

    Replicate.begin_epoch = begin_epoch  # type: ignore[method-assign]
    try:
        train_trial(params, options=replace(options, report_seconds=0.0), **rest)
    finally:
        Replicate.begin_epoch = plain  # type: ignore[method-assign]


def main() -> None:
    gates = sys.argv.pop(1)

    def injected(params: dict[str, Any], **rest: Any) -> None:
        gated_trial(params, gates=gates, **rest)

    setattr(sweeps.driver.tuning, "train_trial", injected)  # noqa: B010 (it stands there for this alone)
    from sweeps.cli.main import app

    app()


if __name__ == "__main__":
    main()
