"""Simulations in their order, each kept as a line of a file, so that a run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any


def simulated(
    simulate: Callable[[int], Any], wanted: int, pool: ProcessPoolExecutor, kept: Path | None = None
) -> list[Any]:
    """What the simulations 0 to `wanted` - 1 give, each as JSON holds it.

    simulate   a simulation of a number, which gives the same each time
    kept       a file with a line per simulation: those that it holds are not made again, others are added
    """
    found = []
    if kept is not None and kept.exists():
        found = [json.loads(line) for line in kept.read_text().splitlines()]
    missing = pool.map(simulate, range(len(found), wanted))
    if kept is None:
        return found + list(missing)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a") as file:
        for one in missing:
            file.write(json.dumps(one) + "\n")
            file.flush()
            found.append(one)
    return found[:wanted]
