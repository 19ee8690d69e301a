"""What a trial costs besides its training: `python -m benchmarks.overhead`.

Runs a sweep of small digits trials with `almsweep run` and compares the time that Ray's slots were held with
the training time in the trials' results. `--tree` runs other checkouts too, in turns: before and after.

    slot seconds   time between the first and the last result's DONE marker, times trials at a time, per trial
    training       `wall_seconds` of the trial's replicates: epochs of training and validation
    overhead       the difference: Ray, start of a trial, scoring of the test split, result files
    CPU            of the driver (Tune, display, weights, MLflow) and of the workers, between the same moments
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks import report

ROOT = Path(__file__).parent.parent
SAMPLE_SECONDS = 0.2
# What the first trials of a process pay once: imports, data, the first call of every operator.
WARM_TRIALS = 4
TITLE = "A trial's cost besides its training, milliseconds per trial"
HEADINGS = ("code", "trials", "slot", "training", "overhead", "share", "CPU driver", "CPU workers", "whole s")


@dataclass(frozen=True)
class Overhead:
    """Per trial and in seconds, after the first WARM_TRIALS; `share` is of the slot's time."""

    tree: str
    trials: int
    slot: float
    training: float
    driver_cpu: float
    worker_cpu: float
    whole_seconds: float

    @property
    def overhead(self) -> float:
        """Seconds of a slot that were not training."""
        return self.slot - self.training

    @property
    def share(self) -> float:
        """The overhead's share of the slot's time."""
        return self.overhead / self.slot


def space(trials: int, epochs: int, train_share: float) -> dict[str, Any]:
    """So many trials of the demo's size, three replicates each; they differ in margin."""
    fixed = {"dataset": "digits", "ratio": 20, "seeds": [1, 2, 3], "loss": "baseline_BCE"}
    fixed |= {"alm": "ALM_14_beg", "epochs": epochs, "data.train_share": train_share}
    margins = [round(0.001 * n, 3) for n in range(1, trials + 1)]
    return {"name": "overhead", "fixed": fixed, "grid": {"delta": margins}}


def measure(tree: Path, content: Mapping[str, Any], slots: int) -> Overhead:
    """Run the space with the code in `tree`. Raises RuntimeError, with the output's end, when that fails."""
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        path, output = Path(folder, "space.yaml"), Path(folder, "output")
        path.write_text(yaml.safe_dump(dict(content)))
        command = [sys.executable, "-m", "sweeps.cli", "run", str(path), "--output", str(output), "--yes"]
        command += ["--max-concurrent", str(slots)]
        environment = {
            **os.environ,
            "PYTHONPATH": str(tree),
            "OMP_NUM_THREADS": "1",
            "ALMSWEEP_COMMIT": "benchmark",
        }
        started = time.perf_counter()
        with Path(folder, "log.txt").open("w+") as log:
            process = subprocess.Popen(command, cwd=tree, env=environment, stdout=log, stderr=log)
            samples = _watch(process, output)
            if process.returncode != 0:
                log.seek(0)
                raise RuntimeError(f"{tree}: almsweep run failed:\n{log.read()[-4000:]}")
        return _overhead(tree, output, slots, samples, time.perf_counter() - started)


def _watch(process: subprocess.Popen[bytes], output: Path) -> list[tuple[float, float, float]]:
    """Until it ends: times, with the CPU seconds of the driver and of all its descendants so far."""
    driver, used, samples = psutil.Process(process.pid), {}, []
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            for child in driver.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    times = child.cpu_times()
                    used[child.pid] = times.user + times.system
            own = driver.cpu_times()
            samples.append((time.time(), own.user + own.system, sum(used.values())))
        time.sleep(SAMPLE_SECONDS)
    return samples


def _overhead(
    tree: Path, output: Path, slots: int, samples: Sequence[tuple[float, float, float]], seconds: float
) -> Overhead:
    done: dict[str, float] = {}
    for marker in output.glob("trials/*/replicates/*/DONE"):
        trial = marker.parts[-4]
        done[trial] = max(done.get(trial, 0.0), marker.stat().st_mtime)
    order = sorted(done, key=lambda trial: done[trial])
    first, last = done[order[WARM_TRIALS - 1]], done[order[-1]]
    measured = order[WARM_TRIALS:]
    training = [_training_seconds(output / "trials" / trial) for trial in measured]
    (_, driver0, workers0), (_, driver1, workers1) = (
        min(samples, key=lambda sample: abs(sample[0] - moment)) for moment in (first, last)
    )
    return Overhead(
        tree=str(tree),
        trials=len(measured),
        slot=slots * (last - first) / len(measured),
        training=statistics.fmean(training),
        driver_cpu=(driver1 - driver0) / len(measured),
        worker_cpu=(workers1 - workers0) / len(measured),
        whole_seconds=seconds,
    )


def _training_seconds(folder: Path) -> float:
    results = folder.glob("replicates/*/result.*.json")
    return sum(float(json.loads(path.read_text())["wall_seconds"]) for path in results)


def rows(found: Sequence[Overhead]) -> list[list[str]]:
    """The numbers under `HEADINGS`, a row per run; times in milliseconds per trial."""
    return list(map(_row, found))


def _row(one: Overhead) -> list[str]:
    return [
        "this checkout" if Path(one.tree) == ROOT else Path(one.tree).name,
        str(one.trials),
        _milliseconds(one.slot),
        _milliseconds(one.training),
        _milliseconds(one.overhead),
        f"{100 * one.share:.1f} %",
        _milliseconds(one.driver_cpu),
        _milliseconds(one.worker_cpu),
        f"{one.whole_seconds:.0f}",
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f}"


def table(found: Sequence[Overhead]) -> Table:
    """The numbers for a terminal."""
    grid = Table(title=TITLE)
    for heading in HEADINGS:
        grid.add_column(heading, justify="left" if heading == HEADINGS[0] else "right")
    for row in rows(found):
        grid.add_row(*row)
    return grid


def markdown(found: Sequence[Overhead]) -> str:
    """The numbers as a page of the documentation."""
    where = f"{os.cpu_count()} CPUs. What the columns are: [benchmarks](benchmarks.md#around-the-training)."
    return f"# {TITLE}\n\n{where}\n\n{report.table(HEADINGS, rows(found))}\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure this checkout and those named, in turns."""
    parser = argparse.ArgumentParser(prog="overhead", description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--tree", type=Path, action="append", default=[], help="another checkout to measure too"
    )
    parser.add_argument("--trials", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=12, help="default: %(default)s, the demo's")
    parser.add_argument("--train-share", type=float, default=0.9, help="default: %(default)s, the demo's")
    parser.add_argument("--rounds", type=int, default=1, help="how often each is run; default: %(default)s")
    parser.add_argument(
        "--slots", type=int, default=os.cpu_count() or 1, help="trials at a time; default: cores"
    )
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument("--markdown", type=Path, help="file for the table")
    options = parser.parse_args(arguments)
    content = space(options.trials + WARM_TRIALS, options.epochs, options.train_share)
    trees = [*(tree.absolute() for tree in options.tree), ROOT]
    found = [measure(tree, content, options.slots) for _ in range(options.rounds) for tree in trees]
    Console(width=120).print(table(found))
    if options.markdown is not None:
        options.markdown.write_text(markdown(found))
    if options.json is not None:
        numbers = [{**asdict(one), "overhead": one.overhead, "share": one.share} for one in found]
        options.json.write_text(json.dumps({"load": os.getloadavg(), "runs": numbers}, indent=1))


if __name__ == "__main__":
    main()
