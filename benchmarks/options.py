"""The benchmark's command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import usable_cores
from search_spaces.errors import InputError
from trainer.device.compiled import check_compiler
from trainer.device.precision import has_bf16

DATA_VARIABLE = "ALMSWEEP_TEST_DATA"
# What --quick takes in place of other defaults, on any device.
_QUICK = {
    "constraint": ["with"],
    "pairs": 2,
    "seconds": 0.5,
    "minutes": 2.0,
    "quality_epochs": 2,
    "quality_seeds": 2,
    "compile": False,
}


def numbers(text: str) -> list[int]:
    """Whole numbers of at least 1, separated by commas."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers like 1,2,4, given {text!r}") from None
    if min(found) < 1:
        raise argparse.ArgumentTypeError(f"expected numbers of at least 1, given {text!r}")
    return found


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, with every default that depends on the machine filled in.

    Raises InputError where there is no data or no GPU; argparse exits for what it does not understand.
    """
    options = _parser().parse_args(arguments)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)
    if options.from_files:
        return options
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no CUDA device here")
    if options.uncaptured and options.device != "cuda":
        raise InputError("--uncaptured: expected a GPU, given --device cpu, where no step is captured")
    options.data = options.data or os.environ.get(DATA_VARIABLE)
    if not options.data:
        raise InputError(f"no data: expected --data or {DATA_VARIABLE}, a folder with cifar10/train.parquet")
    options.data = str(Path(options.data).absolute())
    _fill_in(options, gpu=options.device == "cuda")
    return options


def _fill_in(options: argparse.Namespace, *, gpu: bool) -> None:
    """Defaults by device, and those of --quick."""
    defaults: dict[str, Any] = {
        "widths": [64, 16],
        "constraint": ["with", "without"],
        "pairs": 5,
        "seconds": 1.0,
        "train_share": 0.9,
        "quality_epochs": 10,
        "quality_seeds": 10,
        "threads": usable_cores(),
        "processes": usable_cores(),
        "process_replicates": 1,
    }
    if gpu:
        defaults |= {"processes": 4, "process_replicates": 10}
    if options.quick:
        defaults |= _QUICK
        defaults["widths"] = [64] if gpu else [16]
        defaults["train_share"] = 0.9 if gpu else 0.1
    else:
        defaults["compile"] = _can_compile(options.device)
    defaults["precision"] = "bf16" if has_bf16(torch.device(options.device)) else "float32"
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def _can_compile(device: str) -> bool:
    try:
        check_compiler(torch.device(device))
    except InputError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description="How fast trials train, beside the usual way"
    )
    add = parser.add_argument
    add("--device", choices=["cpu", "cuda"], help="default: the GPU where there is one")
    add("--data", help=f"folder with cifar10/train.parquet and test.parquet; default: {DATA_VARIABLE}")
    add("--quick", action="store_true", help="under two minutes: one width, two rounds, with constraint")
    add("--minutes", type=float, help="start no further round or section after so long")
    add("--widths", type=int, nargs="+", help="of ResNet-10; default 64 16")
    add("--constraint", nargs="+", choices=["with", "without"], help="default both")
    add(
        "--precision",
        choices=["float32", "bf16"],
        help="of ours and of the tuned loop; default bf16 where the device has it",
    )
    add("--pairs", type=int, help="rounds in which every row takes a turn; default 5, 0 for no comparison")
    add("--seconds", type=float, help="least length of a turn, which is one epoch or more; default 1")
    add("--replicates", type=int, default=10, help="of a trial in one process; default 10")
    add(
        "--processes", type=int, help="trials side by side; default 4 on a GPU, else one per core; 1 for none"
    )
    add("--process-replicates", type=int, help="of each trial side by side; default 10 on a GPU, else 1")
    add(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="also compiled rows; default: where there is a compiler, but not with --quick",
    )
    add("--uncaptured", action="store_true", help="on a GPU also ours without CUDA graphs")
    add("--threads", type=int, help="of a single process; default all cores")
    add("--ratio", type=float, default=100.0, help="negatives per positive; default 100")
    add("--train-share", type=float, help="of the negatives that train; default 0.9, the paper's")
    quality = "beside speed; default 10, 0 for none"
    add("--epochs", "--quality-epochs", dest="quality_epochs", type=int, help=f"epochs of quality {quality}")
    add("--quality-seeds", type=int, help="seeds of quality; default 10")
    add("--scaling", type=numbers, default=[], help="replicates in one process, such as 1,2,4,8,16")
    add("--scaling-rounds", type=int, default=2, help="default 2")
    add("--bf16-check", action="store_true", help="bf16 against float32 over seeds")
    add("--bf16-seeds", type=int, default=10, help="default 10")
    add("--bf16-epochs", type=int, default=12, help="default 12, enough steps to amplify rounding")
    add("--bf16-width", type=int, default=16, help="default 16")
    add("--trial-overhead", type=float, help="seconds per trial that is not training, for bills")
    add("--json", type=Path, help="write all raw numbers and the summary there")
    add("--markdown", type=Path, help="write the printed report there")
    add("--figure", type=Path, help="write throughput and memory against replicates there (PNG)")
    add(
        "--from",
        dest="from_files",
        type=Path,
        nargs="+",
        default=[],
        help="measure nothing: report on the sections of these JSON files, of one machine",
    )
    return parser
