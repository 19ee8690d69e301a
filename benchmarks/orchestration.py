"""What running trials costs when training costs nothing: `python -m benchmarks.orchestration`.

Runs the contestants of `orchestration_runs` one after the other, prints a table with ratios and writes all
numbers as JSON. A default Tune starts a process per trial: fewer of its trials are run, and projected.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import report
from benchmarks.orchestration_runs import Measured, measure

ROOT = Path(__file__).parent.parent
CONTESTANTS = ("ours", "tune-bare", "tune-reused", "tune-default")
PAPER_TRIALS = 3284
HEADINGS = (
    "contestant",
    "run",
    "seconds",
    "trials/s",
    "begin",
    "tail",
    "ms/trial",
    "CPU ms/trial",
    "driver's",
    "peak MiB",
    "KiB/trial",
    "in MLflow",
    "ours is",
    "by CPU",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark, or one contestant for it."""
    options = _parser().parse_args(arguments)
    if options.contestant:
        found = measure(options.contestant, options.trials, options.folder)
        options.json.write_text(json.dumps(found))
        return
    measured = _read(options.from_files) if options.from_files else _measured(options)
    summary = summarize(measured, options.trials)
    Console(width=130).print(table(summary))
    if options.markdown is not None:
        options.markdown.write_text(markdown(summary))
    if options.json is not None:
        options.json.write_text(json.dumps(summary, indent=1))
        print(f"written: {options.json}", file=sys.stderr)


def _measured(options: argparse.Namespace) -> list[Measured]:
    measured = []
    for name in options.contestants:
        fewer = {"tune-default": options.default_trials, "tune-reused": options.reused_trials}
        count = min(options.trials, fewer.get(name) or options.trials)
        print(f"{name}: {count} trials ...", file=sys.stderr, flush=True)
        measured.append(in_own_process(name, count))
    return measured


def _read(files: Sequence[Path]) -> list[Measured]:
    """Contestants of earlier runs, of this machine; of two of one name the later one."""
    names = [field.name for field in fields(Measured)]
    by_name = {}
    for file in files:
        for one in json.loads(file.read_text())["contestants"]:
            by_name[one["name"]] = Measured(**{name: one[name] for name in names})
    return [by_name[name] for name in CONTESTANTS if name in by_name]


def summarize(measured: Sequence[Measured], trials: int) -> dict[str, Any]:
    """All numbers: per contestant, the ratios that matter, and the machine."""
    by_name = {one.name: one for one in measured}
    ours, bare = by_name.get("ours", measured[0]), by_name.get("tune-bare")
    return {
        "trials": trials,
        "contestants": [
            {
                **vars(one),
                "projected_seconds": one.projected_seconds(trials),
                "trials_per_second": one.rate(trials),
                "ours_times_as_fast": ours.rate(trials) / one.rate(trials),
                "times_cpu_of_ours": (one.all_cpu / one.trials) / (ours.all_cpu / ours.trials),
            }
            for one in measured
        ],
        "growth_beyond_bare_kib": ours.growth_kib - bare.growth_kib if bare else math.nan,
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count(), "load": os.getloadavg()},
        "versions": {name: version(name) for name in ("ray", "mlflow", "torch")},
    }


def rows(summary: dict[str, Any]) -> list[list[str]]:
    """The numbers under `HEADINGS`, a row per contestant; a star: projected from fewer trials."""
    found = []
    for one in summary["contestants"]:
        star = "*" if one["trials"] < summary["trials"] else ""
        found.append(
            [
                one["name"],
                str(one["trials"]),
                f"{one['projected_seconds']:.0f}{star}",
                f"{one['trials_per_second']:.2f}{star}",
                f"{one['begin']:.1f}",
                f"{one['tail']:.1f}",
                f"{one['trial_ms']:.1f}",
                f"{1000 * one['all_cpu'] / one['trials']:.0f}",
                f"{1000 * one['driver_cpu'] / one['trials']:.0f}",
                f"{one['peak_mib']:.0f}",
                f"{one['growth_kib']:.1f}",
                str(one["logged"]),
                f"{one['ours_times_as_fast']:.2f} x{star}",
                f"{one['times_cpu_of_ours']:.2f} x",
            ]
        )
    return found


def texts(summary: dict[str, Any]) -> tuple[str, str]:
    """Title and caption of the table."""
    return (
        f"{summary['trials']} trials without training, one replicate each",
        "* projected from fewer trials. Driver's memory growth of ours beyond bare Tune: "
        f"{summary['growth_beyond_bare_kib']:.1f} KiB a trial.",
    )


def table(summary: dict[str, Any]) -> Table:
    """The numbers for a terminal."""
    title, caption = texts(summary)
    grid = Table(title=title, caption=caption)
    for heading in HEADINGS:
        grid.add_column(heading, justify="left" if heading == HEADINGS[0] else "right")
    for row in rows(summary):
        grid.add_row(*row)
    return grid


def markdown(summary: dict[str, Any]) -> str:
    """The numbers as a page of the documentation."""
    title, caption = texts(summary)
    machine = summary["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in summary["versions"].items())
    where = f"{machine['cpus']} CPUs, {libraries}"
    explained = "What the rows are: [benchmarks](benchmarks.md#around-the-training)."
    return f"# {title}\n\n{where}. {explained}\n\n{report.table(HEADINGS, rows(summary))}\n\n{caption}\n"


def in_own_process(name: str, trials: int) -> Measured:
    """Run one contestant in a new process and a new folder. Ends the program when that fails."""
    with tempfile.TemporaryDirectory(prefix=f"orchestration-{name}-") as folder:
        report = Path(folder, "report.json")
        output = Path(folder, "output")
        output.mkdir()
        command = [sys.executable, "-m", "benchmarks.orchestration", "--contestant", name]
        command += ["--trials", str(trials), "--folder", str(output), "--json", str(report)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with Path(folder, "log.txt").open("w+") as log:
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False)
            if done.returncode != 0:
                log.seek(0)
                raise SystemExit(f"{name} failed:\n{log.read()[-4000:]}")
        return Measured(**json.loads(report.read_text()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orchestration", description=__doc__)
    parser.add_argument("--trials", type=int, default=PAPER_TRIALS, help="default: %(default)s")
    parser.add_argument(
        "--default-trials", type=int, default=100, help="trials run by tune-default; default: %(default)s"
    )
    parser.add_argument("--reused-trials", type=int, help="trials run by tune-reused; default: all")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument("--markdown", type=Path, help="file for the table")
    parser.add_argument(
        "--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS, help="default: all"
    )
    parser.add_argument(
        "--from",
        dest="from_files",
        type=Path,
        nargs="+",
        default=[],
        help="measure nothing: join the numbers of these JSON files, of one machine",
    )
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
