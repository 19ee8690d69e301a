"""Runs the fault matrix and prints its table: `python -m tests.integration.faults [PART OF A NAME]`."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from tests.integration.faults.cases import CASES
from tests.integration.faults.found import COLUMNS, Found
from tests.integration.faults.play import Unavailable, problems, run_case
from tests.integration.faults.scene import Scene


def main() -> int:
    """Exit code 1 when a case came out otherwise than it may, or could not be played."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended
    console = Console(stderr=True)
    words = sys.argv[1:]
    chosen = [case for name, case in CASES.items() if not words or any(word in name for word in words)]
    rows: list[Found] = []
    bad = 0
    with tempfile.TemporaryDirectory(prefix="almsweep-faults-") as folder:
        os.environ["ALMSWEEP_CACHE"] = f"{folder}/cache"
        calm = Scene(Path(folder, "undisturbed"))
        ended = calm.run()
        if ended.code != 0:
            console.print(escape(ended.text))
            return 1
        undisturbed = calm.tables()
        for number, case in enumerate(chosen):
            started = time.monotonic()
            try:
                found = run_case(case, Path(folder, str(number)), undisturbed)
            except Unavailable as reason:
                console.print(f"{case.name}: not played: {escape(str(reason))}")
                bad += 1
                continue
            except Exception as error:
                console.print(f"{case.name}: {escape(f'{type(error).__name__}: {error}')}")
                bad += 1
                continue
            wrong = problems(case, found)
            rows.append(found)
            bad += bool(wrong)
            told = "as expected" if not wrong else f"WRONG: {'; '.join(wrong)}"
            console.print(f"{case.name}: {escape(told)} ({time.monotonic() - started:.0f} s)")
    _print_table(rows)
    return 1 if bad else 0


def _print_table(rows: list[Found]) -> None:
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(row.cells() for row in rows)]
    for line in lines:
        print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
