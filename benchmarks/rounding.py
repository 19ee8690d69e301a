"""What one unit in the last place of the initial weights does to trained results, per way of scoring.

    python -m benchmarks.rounding                                  # the demo, nine roundings
    python -m benchmarks.rounding --roundings 0 --save here.npz    # this machine's own results
    python -m benchmarks.rounding --against here.npz               # another processor's beside them

`--against` trains without rounding and compares: which replicates are equal, how far scores and the
ensembles' metrics lie apart, and what the other machine's weights score here. To be another processor on the
same machine: `ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2` before the command, or `--threads 2`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cases import usable_cores
from benchmarks.rounding_figures import Figures, figures
from benchmarks.rounding_runs import train_all
from benchmarks.rounding_two import compare, load_curves, save_curves
from search_spaces.catalog import load_space
from search_spaces.config import SCORED_EPOCHS, ScoredBy, TrialConfig
from search_spaces.errors import AlmsweepError, InputError
from search_spaces.words import count
from trainer.data.task import load_task
from trainer.device.environment import machine_facts

HEADER = (
    "scored",
    "mean AUC",
    "deviation of AUC",
    "FPR@98 (%)",
    "deviation of FPR@98",
    "same choice (%)",
    "largest score difference",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, and print a table; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except AlmsweepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    configs = list(load_space(options.space).trials)
    if not configs:
        raise InputError(f"{options.space}: expected a space with trials, found a search")
    other = None if options.against is None else load_curves(options.against, configs)
    started = time.perf_counter()
    curves = train_all(
        configs,
        0 if options.against else options.roundings,
        data_dir=options.data_dir,
        threads=options.threads,
        processes=options.processes,
    )
    seconds = time.perf_counter() - started
    print(_where(options, len(configs), len(curves), seconds), end="\n\n")
    targets = {config.trial_id: _targets(config, options.data_dir) for config in configs}
    if options.save is not None:
        save_curves(options.save, curves)
        print(f"written: {options.save}")
    if other is not None:
        print(compare(configs, curves, other, targets, options.data_dir))
    elif options.roundings:
        found = {name: figures(configs, curves, targets, name) for name in SCORED_EPOCHS}
        print(table(found))


def _where(options: argparse.Namespace, trials: int, trainings: int, seconds: float) -> str:
    facts = machine_facts(torch.device("cpu"))
    return (
        f"{options.space}: {trials} trials, {trainings} trainings in {seconds:.0f} s; {facts['processor']}, "
        f"{facts['cpu_capability']}, {count(options.threads, 'thread')} a training, torch {torch.__version__}"
    )


def table(found: Mapping[ScoredBy, Figures]) -> str:
    """The figures of every option as a Markdown table, and what holds for all below it."""
    lines = [f"| {' | '.join(HEADER)} |", f"|---|{'---:|' * (len(HEADER) - 1)}"]
    for name, one in found.items():
        cells = [
            name,
            f"{one.auroc:.4f}",
            f"{one.auroc_deviation:.4f}",
            f"{one.fpr:.1f}",
            f"{one.fpr_deviation:.1f}",
            f"{100 * one.same_choice:.0f}",
            f"{one.difference:.2g} (largest score {one.largest:.1f})",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    one = next(iter(found.values()))
    lines += ["", f"{one.equal} of {one.replicates} rounded replicates equal the unrounded one."]
    lines += [
        f"One replicate's AUC: deviation {one.over_roundings:.4f} over roundings, {one.over_seeds:.4f} over "
        "seeds (best_epoch; means over trials)."
    ]
    lines += [f"Same choice: share of pairs of roundings, mean over {one.cells} cells with a choice."]
    return "\n".join(lines)


def _targets(config: TrialConfig, data_dir: str | None) -> tuple[Any, Any]:
    task = load_task(config.data, None if data_dir is None else Path(data_dir))
    return np.asarray(task.validation.targets), np.asarray(task.test.targets)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rounding", description="What rounding does")
    add = parser.add_argument
    add("--space", default="demo", help="a named space or a YAML file; default demo")
    add("--roundings", type=int, default=9, help="beside the unrounded weights; default 9")
    add("--data-dir", help="where data sets lie")
    add("--threads", type=int, default=1, help="of each training; default 1")
    add("--processes", type=int, default=usable_cores(), help="side by side; default one per core")
    add("--save", type=Path, help="write what was trained there (.npz)")
    add("--against", type=Path, help="compare with what --save wrote, without roundings")
    return parser


if __name__ == "__main__":
    sys.exit(main())
