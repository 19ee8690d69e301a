"""One command that measures how fast trials train, beside the usual way: `python -m benchmarks.speed`.

Needs torch, torchvision, NumPy, Pillow, scikit-learn, pyarrow, pydantic and PyYAML, for a figure matplotlib;
neither Ray nor MLflow. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import options, report, summary
from benchmarks.mps import Mps
from benchmarks.sections import SECTIONS, Run
from search_spaces.errors import AlmsweepError, InputError

log = logging.getLogger("benchmark")


def merged(files: Sequence[Path]) -> dict[str, Any]:
    """The sections of several results as one. Raises InputError for other files, or those of two machines."""
    try:
        results = [json.loads(path.read_text()) for path in files]
        whole: dict[str, Any] = dict(results[0])
        for path, other in zip(files[1:], results[1:], strict=True):
            for fact in ("device", "processor", "gpu"):
                if other["machine"].get(fact) != whole["machine"].get(fact):
                    given = f"{other['machine'].get(fact)} and {whole['machine'].get(fact)}"
                    raise InputError(f"{path}: expected results of one machine, given {fact} {given}")
            for section in SECTIONS:
                whole[section] = whole[section] + other[section]
            whole["bf16"] = whole["bf16"] or other["bf16"]
            for part, values in other["floor"].items():
                whole["floor"][part] = {**values, **whole["floor"][part]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"--from: expected JSON files of this command, given {files}: {error!r}") from error
    return whole


def write(result: dict[str, Any], chosen: argparse.Namespace) -> None:
    """Summarise, and write the files that were asked for."""
    result["summary"] = summary.summarise(result)
    for path in (chosen.json, chosen.markdown, chosen.figure):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")
    if chosen.markdown is not None:
        figure = chosen.figure and os.path.relpath(chosen.figure, chosen.markdown.parent)
        chosen.markdown.write_text(report.markdown(result, figure))
    if chosen.figure is not None and result["summary"]["scaling"]:
        from benchmarks.figure import draw_scaling

        draw_scaling(result, chosen.figure)


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run the sections; the files are written after each, so that an interruption keeps the earlier ones."""
    with tempfile.TemporaryDirectory(prefix="almsweep-bench-") as folder:
        mps = Mps(Path(folder), wanted=chosen.device == "cuda" and chosen.processes > 1)
        try:
            run = Run(chosen, mps)
            for _ in run.sections():
                write(run.result, chosen)
        finally:
            mps.stop()
    return run.result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or read what was measured; write and print. Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        chosen = options.parse(arguments)
        result = merged(chosen.from_files) if chosen.from_files else measured(chosen)
        if chosen.from_files and chosen.trial_overhead is not None:
            result["settings"]["trial_overhead"] = chosen.trial_overhead
        write(result, chosen)
        print(report.markdown(result))
    except AlmsweepError as error:
        log.error("error: %s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
