"""A small sweep in a folder of its own: started, watched, disturbed, and what it left looked at."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil
from typer.testing import CliRunner

from search_spaces.catalog import load_space
from search_spaces.config import TrialConfig
from sweeps.cli.main import app
from sweeps.plan import make_plan
from sweeps.tracking.reconcile import ReconcileCounts, reconcile
from tests.processes import PATIENCE, end_family, kill_family, wait_until
from trainer.store import Store

ROOT = Path(__file__).parents[3]
DRIVER = Path(__file__).parent / "driver.py"
NAME = "faults"
SPACE = f"""
name: {NAME}
fixed: {{dataset: digits, ratio: 20, epochs: 6, seeds: [1, 2]}}
grid:
  loss: [baseline_BCE, baseline_s_LM_m05, baseline_LDAM]
  alm: [none, ALM_14_beg]
  delta: [0.25]
"""
SCENE_VARIABLE = "ALMSWEEP_FAULT_SCENE"
# How long processes that should be gone are waited for, before they count as left.
LEAVE_SECONDS = 60.0

Replicate = tuple[str, int]  # trial id, seed


@dataclass(frozen=True)
class Epoch:
    """A line of the journal: a process begins an epoch of a replicate."""

    pid: int
    trial_id: str
    seed: int
    epoch: int


@dataclass(frozen=True)
class Ended:
    """How a driver ended: its exit code and all that it printed."""

    code: int
    text: str


class Scene:
    """One sweep's folder and the processes that work on it.

    `output` is where its results go, by default below `folder`; `environment` is added to its processes'.
    """

    def __init__(
        self, folder: Path, *, output: str | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.output = str(folder / "output") if output is None else output
        self.space = folder / "space.yaml"
        self.space.write_text(SPACE)
        self.mark = uuid.uuid4().hex
        self.tracking_uri: str | None = None
        self.options: list[str] = []
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")},
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
            "NO_COLOR": "1",
            # Tables name the commit; the working tree may change while the matrix runs.
            "ALMSWEEP_COMMIT": "the same",
            SCENE_VARIABLE: self.mark,
            **(environment or {}),
        }
        self._drivers = 0

    # Running

    @contextmanager
    def driver(self, fault: str = "none") -> Iterator[subprocess.Popen[bytes]]:
        """A driver of the sweep; ended with all its processes, should it still live, on leaving."""
        self._drivers += 1
        arguments = ["run", str(self.space), "--output", self.output, "--max-concurrent", "2", *self.options]
        if self.tracking_uri is not None:
            arguments += ["--tracking-uri", self.tracking_uri]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, DRIVER, fault, self.folder, *arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                end_family(process)

    def driver_on(self, address: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """A driver that joins the Ray cluster at this address."""
        self.options = ["--address", address]
        # Else Ray takes the host's outer address for its loopback one, where this cluster does not listen.
        self.environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        return self.driver()

    def run(self, fault: str = "none") -> Ended:
        """Run the sweep to its end."""
        with self.driver(fault) as process:
            return self.wait(process)

    def wait(self, process: subprocess.Popen[bytes]) -> Ended:
        """How a driver ends that ends by itself. Raises RuntimeError when it does not."""
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            journal = self.journal()[-4:]
            said = self.log.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"the driver did not end; last epochs {journal}:\n{said}") from None
        return Ended(code, self.log.read_text(errors="replace"))

    @property
    def log(self) -> Path:
        """What the driver started last prints."""
        return self.folder / f"driver-{self._drivers}.log"

    def wait_for_middle(self, process: subprocess.Popen[bytes], *, trials: int = 2) -> Epoch:
        """Wait until so many trials are done and another has trained two epochs; returns its newest."""
        found: list[Epoch] = []

        def came() -> bool:
            counts = Counter(trial_id for trial_id, _ in self.attempts())
            finished = {trial_id for trial_id, count in counts.items() if count == 2}
            if len(finished) >= trials:
                found.extend(e for e in self.journal() if e.trial_id not in finished and 2 <= e.epoch <= 4)
            return bool(found)

        wait_until("the middle of the sweep", came, process=process, log=self.log)
        return found[-1]

    # What it left

    @property
    def store(self) -> Store:
        return Store(self.output)

    @cached_property
    def trials(self) -> tuple[TrialConfig, ...]:
        return load_space(str(self.space)).trials

    def attempts(self) -> dict[Replicate, str]:
        """Which attempt stands for each replicate that has ended."""
        found = self.store.all_replicates()
        return {(t, seed): done.attempt for t, by_seed in found.items() for seed, done in by_seed.items()}

    def journal(self) -> list[Epoch]:
        """All epochs that were begun, in order."""
        path = self.folder / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Epoch(int(p), t, int(s), int(e)) for p, t, s, e in map(str.split, lines)]

    def tables(self) -> dict[str, bytes]:
        """The tables as the last driver wrote them, without the provenance, which names attempts."""
        local = Path(self.output) if "://" not in self.output else self.folder
        folder = local / "tables" / NAME
        return {p.name: p.read_bytes() for p in sorted(folder.glob("*")) if p.name != "provenance.json"}

    def states(self) -> dict[str, int]:
        """Number of trials per status: done, partial, failed, pending, pruned."""
        return make_plan(NAME, self.trials, self.store, trust_index=False).counts()

    def mlflow_states(self) -> Counter[str]:
        """Number of MLflow's runs per status, read from the database."""
        with closing(sqlite3.connect(self.database)) as database:
            query = "select status from runs where lifecycle_stage = 'active'"
            return Counter(status for (status,) in database.execute(query))

    def mlflow_tags(self, name: str) -> list[str]:
        """Values of a tag of MLflow's runs, read from the database."""
        with closing(sqlite3.connect(self.database)) as database:
            return [value for (value,) in database.execute("select value from tags where key = ?", (name,))]

    def status_failed(self) -> str:
        """What `almsweep status --failed` prints."""
        told = CliRunner().invoke(app, ["status", NAME, "--failed", "--output", self.output])
        return told.output

    @property
    def database(self) -> Path:
        local = Path(self.output) if "://" not in self.output else self.folder
        uri = self.tracking_uri or ""
        return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite") else local / "mlflow.db"

    def reconcile(self) -> ReconcileCounts:
        """Bring MLflow level with the store; what that had to change."""
        return reconcile(self.store, self.store.read_sweep(NAME), self.tracking_uri)

    def processes(self) -> list[psutil.Process]:
        """Living processes of this scene, by the mark in their environment."""
        return [p for p in psutil.process_iter() if _environment(p).get(SCENE_VARIABLE) == self.mark]

    def processes_left(self) -> int:
        """How many processes of this scene still live after a while."""
        with suppress(AssertionError):
            wait_until("all processes end", lambda: not self.processes(), seconds=LEAVE_SECONDS)
        return len(self.processes())

    def clear_processes(self) -> None:
        """End what a failed case has left."""
        for process in self.processes():
            kill_family(process.pid)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return {}
        return process.environ()
    except psutil.Error:
        return {}
