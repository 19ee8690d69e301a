"""What one process of a benchmark trains, and the table rows that are made of such processes."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from search_spaces.config import Bce, Binary, ResNet10, TrialConfig
from search_spaces.paper.named import constraint_by_name
from search_spaces.presets import preset
from trainer.device.capture import CAPTURE_VARIABLE

# The constraint of the rows "with constraint".
CONSTRAINT, MARGIN = "ALM_16_beg", 0.5
# Rates are taken per epoch; no measurement lasts so long that a replicate ends.
ENDLESS = 1_000_000


@dataclass(frozen=True)
class Case:
    """One process: `kind` is the usual loop ("plain"), its tuned variant, or the trainer.

    The usual loop trains the first seed alone, the plain one always in float32. `compile` is the trainer's.
    """

    kind: Literal["plain", "tuned", "ours"]
    width: int
    constrained: bool
    device: Literal["cpu", "cuda"]
    threads: int
    seeds: tuple[int, ...]
    precision: Literal["float32", "bf16"]
    data_dir: str
    ratio: float = 100.0
    train_share: float = 0.9
    compile: bool = False

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Case:
        """The case that `dataclasses.asdict` and JSON made these fields of."""
        return cls(**{**fields, "seeds": tuple(fields["seeds"])})

    def config(self) -> TrialConfig:
        """The trial: CIFAR-10 of the paper with BCE, and no early stop."""
        fields: dict[str, Any] = preset("cifar10", self.ratio)
        fields["data"] = Binary(**{**dict(fields["data"]), "train_share": self.train_share})
        return TrialConfig(
            **{
                **fields,
                "model": ResNet10(width=self.width),
                "loss": Bce(),
                "constraint": constraint_by_name(CONSTRAINT, MARGIN) if self.constrained else None,
                "epochs": ENDLESS,
                "patience": None,
                "precision": self.precision,
                "seeds": self.seeds,
            }
        )

    @property
    def data_path(self) -> Path:
        """Where the data sets lie."""
        return Path(self.data_dir)


@dataclass(frozen=True)
class Row:
    """A row of the table: a name, its processes (side by side where there are several) and their
    environment."""

    name: str
    cases: tuple[Case, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def replicates(self) -> int:
        """Replicates that train at a time, in sum over the processes."""
        return sum(len(case.seeds) if case.kind == "ours" else 1 for case in self.cases)


def comparison_rows(
    base: Case,
    *,
    replicates: int,
    processes: int,
    per_process: int,
    mps: Mapping[str, str] | None,
    compiles: bool = False,
) -> list[Row]:
    """The rows of one width, with or without the constraint: the usual loop, and ours in several ways.

    `processes` trials side by side train `per_process` replicates each and share the threads of `base`;
    `mps` is the environment of an NVIDIA MPS server, None without one. With `compiles` the last ways of ours
    stand a second time, compiled.
    """
    one, many = tuple(range(1, 2)), tuple(range(1, replicates + 1))
    rows = [
        Row("plain", (dataclasses.replace(base, kind="plain", precision="float32", seeds=one),)),
        Row("plain, tuned", (dataclasses.replace(base, kind="tuned", seeds=one),)),
        Row("ours, 1 replicate", (dataclasses.replace(base, kind="ours", seeds=one),)),
    ]
    if replicates > 1:
        rows.append(
            Row(f"ours, {replicates} replicates", (dataclasses.replace(base, kind="ours", seeds=many),))
        )
    if compiles and base.device == "cuda":
        rows.append(_compiled(rows[-1]))
    if processes > 1:
        share = max(1, base.threads // processes)
        cases = tuple(
            dataclasses.replace(base, kind="ours", threads=share, seeds=_seeds(number, per_process))
            for number in range(processes)
        )
        name = f"ours, {processes} trials x {per_process}"
        rows.append(Row(name, cases))
        if mps is not None:
            rows.append(Row(f"{name}, MPS", cases, mps))
    if compiles and (processes > 1 or base.device == "cpu"):
        rows.append(_compiled(rows[-1]))
    return rows


def uncaptured_row(base: Case, replicates: int) -> Row:
    """A trial whose steps are called on a GPU as they are, without CUDA graphs."""
    seeds = tuple(range(1, replicates + 1))
    case = dataclasses.replace(base, kind="ours", seeds=seeds)
    return Row(f"uncaptured, {replicates} replicates", (case,), {CAPTURE_VARIABLE: "0"})


def _compiled(row: Row) -> Row:
    cases = tuple(dataclasses.replace(case, compile=True) for case in row.cases)
    return Row(f"{row.name}, compiled", cases, row.environment)


def _seeds(process: int, count: int) -> tuple[int, ...]:
    return tuple(range(1 + process * count, 1 + (process + 1) * count))


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
