"""Runs the fault matrix and prints its table: `python -m tests.integration.faults [PART OF A NAME …]`.

The table goes to standard output, what came out otherwise than expected to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.integration.faults.calm import undisturbed_tables
from tests.integration.faults.cases import CASES
from tests.integration.faults.found import COLUMNS
from tests.integration.faults.play import Case, Unavailable, problems, run_case


def main() -> int:
    """Exit code 1 when a case came out otherwise than it may, or could not be played."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended
    words = sys.argv[1:]
    chosen = [case for name, case in CASES.items() if not words or any(word in name for word in words)]
    with tempfile.TemporaryDirectory(prefix="almsweep-faults-") as folder:
        os.environ["ALMSWEEP_CACHE"] = f"{folder}/cache"
        calm = undisturbed_tables(Path(folder, "undisturbed"))
        _print_row([*COLUMNS, "seconds"])
        _print_row(["---"] * (len(COLUMNS) + 1))
        well = [_play(case, Path(folder, str(n)), calm) for n, case in enumerate(chosen)]
    _say(f"{sum(well)} of {len(well)} faults as expected")
    return 0 if all(well) else 1


def _play(case: Case, folder: Path, undisturbed: dict[str, bytes]) -> bool:
    """Play a case and print its row; returns whether it came out as it should."""
    started = time.monotonic()
    try:
        found = run_case(case, folder, undisturbed)
    except Unavailable as reason:
        _say(f"{case.name}: not played: {reason}")
        return False
    except Exception as error:
        _say(f"{case.name}: {type(error).__name__}: {error}")
        return False
    _print_row([*found.cells(), f"{time.monotonic() - started:.0f}"])
    wrong = problems(case, found)
    if wrong:
        _say(f"{case.name}: not as expected: {'; '.join(wrong)}")
    return not wrong


def _print_row(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
