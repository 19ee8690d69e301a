"""Where and how a sweep runs; imports neither Ray nor torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from analysis.select import DEFAULT_RULE


@dataclass(frozen=True)
class RunOptions:
    """Where and how a sweep runs, as opposed to what it computes: scores follow from the trials alone,
    but for rounding, which differs with the device, the number of threads, and `compile`.

    output           result store: a path or a URI
    data_dir         where data sets lie, the same path on every node
    download         whether a missing data set may be downloaded, on every node
    address          a running Ray cluster ("auto", "host:port", "ray://…"); None starts Ray on this machine
    cpus_per_trial   CPUs, and threads, per trial
    gpus_per_trial   share of a GPU per trial; None decides from measured memory where the cluster has any
    max_concurrent   most trials at a time; None lets resources and measured memory decide
    keep_weights     "selected" keeps the weights of the best trial per cell, "all", or "none"
    rule             selection rule that says which trial of a cell is best
    tracking_uri     MLflow server or database; None is the SQLite database in the output folder
    track            False turns MLflow off
    take_over        take the sweep from a driver that holds its lease
    scheduler        "none", "asha" or "median": how trials are stopped early (`sweeps.search.schedulers`)
    grace_epochs     epochs before a trial may be stopped; None is a tenth of its epochs
    checkpoint_seconds  least time between two checkpoints of a trial
    compile          whether trials compile their network (see `trainer.device.compiled`)
    """

    output: str
    data_dir: Path | None = None
    download: bool = False
    address: str | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
    max_concurrent: int | None = None
    keep_weights: str = "selected"
    rule: str = DEFAULT_RULE
    tracking_uri: str | None = None
    track: bool = True
    take_over: bool = False
    scheduler: str = "none"
    grace_epochs: int | None = None
    checkpoint_seconds: float = 60.0
    compile: bool = False

    @property
    def store_uri(self) -> str:
        """The result store, for processes that stand in another folder."""
        return self.output if "://" in self.output else str(Path(self.output).absolute())

    @property
    def data_folder(self) -> str | None:
        """The data sets' folder, for processes that stand in another folder."""
        return None if self.data_dir is None else str(self.data_dir.absolute())

    @property
    def cluster_address(self) -> str | None:
        """The running cluster that the sweep joins; None where it starts a Ray of its own."""
        return self.address or os.environ.get("RAY_ADDRESS")
