"""The sections of a benchmark: each measures one thing and adds its raw numbers to the result."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.cases import Case, Row, comparison_rows, uncaptured_row
from benchmarks.floor import flop_per_image
from benchmarks.machine import EnergyMeter, describe, load_average
from benchmarks.mps import Mps
from benchmarks.worker import WorkerError
from trainer.data.task import load_task

log = logging.getLogger(__name__)

SCHEMA = 1
SECTIONS = ("comparisons", "quality", "scaling")
MATMUL_SIZES = {"cpu": 2048, "cuda": 8192}


class Run:
    """A benchmark under way: `result` holds what was measured so far and is written after every section."""

    def __init__(self, chosen: argparse.Namespace, mps: Mps) -> None:
        self.chosen, self.mps = chosen, mps
        self.clock = measure.Clock(chosen.minutes)
        self.meter = EnergyMeter(chosen.device)
        self.patience = 120.0 if chosen.device == "cuda" else 3600.0
        config = self.base(chosen.bf16_width, constrained=True).config()
        task = load_task(config.data, Path(chosen.data))  # decoded once here, for all processes
        self.result: dict[str, Any] = {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": f"python -m benchmarks.speed {shlex.join(chosen.arguments)}",
            "machine": describe(chosen.device),
            "load_average_before": load_average(),
            "sections_left_out": 0,
            "settings": {
                k: v for k, v in vars(chosen).items() if not isinstance(v, Path) and k != "from_files"
            },
            "train_images": len(task.train_indices(1)),
            "data_sha256": task.sha256,
            "energy": self.meter.source,
            "mps": mps.state,
            "floor": {"matmul": {}, "flop_per_image": {}},
            "bf16": None,
            **{section: [] for section in SECTIONS},
        }

    def base(self, width: int, *, constrained: bool) -> Case:
        """A case of ours with one replicate, which the others are variations of."""
        chosen = self.chosen
        return Case(
            kind="ours",
            width=width,
            constrained=constrained,
            device=chosen.device,
            threads=chosen.threads,
            seeds=(1,),
            precision=chosen.precision,
            data_dir=chosen.data,
            ratio=chosen.ratio,
            train_share=chosen.train_share,
        )

    def rules(self, rounds: int) -> measure.Rules:
        """How the rows of one section are measured."""
        return measure.Rules(rounds, self.chosen.seconds, self.clock, self.meter, self.patience)

    def floor(self) -> None:
        """Operations per image of every width, and the device's matrix rate in the precisions in use."""
        device = self.chosen.device
        for width in self.chosen.widths:
            self.result["floor"]["flop_per_image"][str(width)] = flop_per_image(width)
        for precision in sorted({"float32", self.chosen.precision}):
            rate = measure.measure_matmul(
                device, precision, self.chosen.threads, size=MATMUL_SIZES[device], seconds=1.0
            )
            self.result["floor"]["matmul"][precision] = rate
            log.info("matrix products in %s: %.3g TFLOP/s", precision, rate / 1e12)

    def comparison(self, width: int, *, constrained: bool) -> None:
        """The usual loop and ours, in turns."""
        chosen = self.chosen
        rows = comparison_rows(
            self.base(width, constrained=constrained),
            replicates=chosen.replicates,
            processes=chosen.processes,
            per_process=chosen.process_replicates,
            mps=self.mps.environment,
            compiles=chosen.compile,
        )
        if chosen.uncaptured:
            rows.append(uncaptured_row(self.base(width, constrained=constrained), chosen.replicates))
        measured = measure.measure_rows(rows, self.rules(chosen.pairs))
        self.result["comparisons"].append({"width": width, "constrained": constrained, "rows": measured})

    def quality(self, width: int, *, constrained: bool) -> None:
        """Validation AUROC of each loop after the same epochs; the usual loop trains seed after seed."""
        base = self.base(width, constrained=constrained)
        seeds = range(1, self.chosen.quality_seeds + 1)
        for row in comparison_rows(base, replicates=len(seeds), processes=1, per_process=1, mps=None):
            case = row.cases[0]
            if case.kind == "ours" and len(case.seeds) < len(seeds):
                continue
            groups = [case.seeds] if case.kind == "ours" else [(seed,) for seed in seeds]
            found: dict[str, Any] = {"width": width, "constrained": constrained, "row": row.name}
            found |= {"epochs": self.chosen.quality_epochs, "auroc": {}, "failure": None}
            found["train_images"] = self.result["train_images"]
            cases = [replace(case, seeds=group) for group in groups]
            try:
                for one in measure.run_epochs(
                    cases, self.chosen.quality_epochs, scores=False, patience=self.patience
                ):
                    found["auroc"] |= one["auroc"]
            except WorkerError as error:
                found["failure"] = str(error)
            log.info("quality of %s at width %d: %s", row.name, width, found["auroc"])
            self.result["quality"].append(found)

    def scaling(self, width: int) -> None:
        """One trial in one process with more and more replicates, with the constraint."""
        base = self.base(width, constrained=True)
        rows = [
            Row(f"{count} replicate{'s'[: count > 1]}", (replace(base, seeds=tuple(range(1, count + 1))),))
            for count in self.chosen.scaling
        ]
        measured = measure.measure_rows(rows, self.rules(self.chosen.scaling_rounds))
        self.result["scaling"].append({"width": width, "rows": measured})

    def bf16(self) -> None:
        """Trials of ours in either precision over the same seeds, with the constraint."""
        chosen = self.chosen
        base = self.base(chosen.bf16_width, constrained=True)
        seeds = tuple(range(1, chosen.bf16_seeds + 1))
        found: dict[str, Any] = {"width": chosen.bf16_width, "epochs": chosen.bf16_epochs}
        found["train_images"] = self.result["train_images"]
        cases = [replace(base, seeds=seeds, precision=precision) for precision in ("float32", "bf16")]
        patience = self.patience * len(seeds)
        try:
            for case, one in zip(
                cases,
                measure.run_epochs(cases, chosen.bf16_epochs, scores=True, patience=patience),
                strict=True,
            ):
                found[case.precision] = one
            self.result["bf16"] = found
        except WorkerError as error:
            log.warning("no bf16 check: %s", error)

    def sections(self) -> Iterator[None]:
        """Measure what was asked for, section by section, as far as the time reaches; yields after each."""
        chosen = self.chosen
        self.floor()
        kinds = [(width, {"constrained": c == "with"}) for width in chosen.widths for c in chosen.constraint]
        todo: list[Callable[[], None]] = []
        if chosen.pairs:
            todo += [partial(self.comparison, width, **kind) for width, kind in kinds]
        if chosen.scaling:
            todo += [partial(self.scaling, width) for width in chosen.widths]
        if chosen.bf16_check:
            todo.append(self.bf16)
        if chosen.quality_epochs:
            todo += [partial(self.quality, width, **kind) for width, kind in kinds]
        for number, section in enumerate(todo):
            if self.clock.is_up():
                log.warning("time is up after %d of %d sections", number, len(todo))
                self.result["sections_left_out"] = len(todo) - number
                return
            section()
            self.result["load_average_after"] = load_average()
            yield
