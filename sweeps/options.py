"""Where and how a sweep runs; imports neither Ray nor torch."""

from __future__ import annotations

import os
from typing import Literal

from search_spaces.config.base import Frozen
from trainer.options import TrialOptions

Scheduler = Literal["none", "asha", "median"]


class RunOptions(Frozen):
    """Where and how a sweep runs, as opposed to what it computes.

    Scores follow from the trials alone, but for rounding, which differs with the device and with what
    `TrialOptions` says.

    trial            how each trial is run; a trial takes as many CPUs as it has threads
    address          a running Ray cluster ("auto", "host:port", "ray://…"); None or "local" starts Ray here
    gpus_per_trial   share of a GPU per trial; None decides from measured memory where the cluster has any
    max_concurrent   most trials at a time; None lets resources and measured memory decide
    rule             selection rule that says which trial of a cell is best; None is that of its task
    tracking_uri     MLflow server or database; None is the SQLite database in the output folder
    no_tracking      True turns MLflow off
    take_over        take the sweep from a driver that holds its lease
    scheduler        "none", "asha" or "median": how trials are stopped early (`sweeps.search.schedulers`)
    racing           True gives more replicates only to trials that could still be their cell's best
                     (`sweeps.search.race`)
    grace_epochs     epochs before a trial may be stopped; None is a tenth of its epochs
    """

    trial: TrialOptions = TrialOptions()
    address: str | None = None
    gpus_per_trial: float | None = None
    max_concurrent: int | None = None
    rule: str | None = None
    tracking_uri: str | None = None
    no_tracking: bool = False
    take_over: bool = False
    scheduler: Scheduler = "none"
    racing: bool = False
    grace_epochs: int | None = None

    @property
    def cluster_address(self) -> str | None:
        """The running cluster that the sweep joins; None where it starts a Ray of its own."""
        address = (self.address or os.environ.get("RAY_ADDRESS") or "").strip()
        return None if address in ("", "local") else address
