"""A space composed in Python, planned and run: `python docs/spaces/compose.py --plan`, then without it.

Settings that go together are a dictionary, every combination is `product`, alternatives are added with `+`.
On scikit-learn's digits, so nothing is downloaded: 3 losses alone, and two of them under 2 penalties x 2
margins, where the penalty is low only for the wider margin. A minute or two on two cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from analysis.tables import write_tables
from search_spaces.config import TrialConfig
from search_spaces.reading import Reading
from search_spaces.space import Axes, SearchSpace, product
from sweeps.driver.opened import open_space
from sweeps.options import RunOptions
from sweeps.plan import block_counts, make_plan
from trainer.store import Store


def composed() -> SearchSpace:
    """Losses with and without the constraint on the digits 3 and 8 against all others, 1:20."""
    task: Axes = {
        "dataset": ["digits"],
        "data.positive": [[3, 8]],
        "data.negative": ["rest"],  # every class that is not named
        "data.label": ["threes and eights"],  # what tables and titles call the data
        "ratio": [20],
        "seeds": [[1, 2]],
        "epochs": [4],
    }
    plain = product(task, {"loss": ["baseline_BCE", "baseline_LDAM", {"name": "s_lm", "margin": 3}]})
    constraints: Axes = {"constraint": ["ALM_14_beg", {"penalty": 1e-6, "growth": 3}], "delta": [0.1, 0.5]}
    constrained = product(task, {"loss": ["baseline_BCE", "baseline_LDAM"]}, constraints)
    reading = Reading(rows=("loss", "constraint"))
    space = SearchSpace.of("composed", plain + constrained, "A space composed in Python", reading)
    return space.filter(_is_wanted)


def _is_wanted(trial: TrialConfig) -> bool:
    """A condition over several settings, of which a grid knows nothing."""
    constraint = trial.constraint
    return constraint is None or constraint.penalty > 1e-5 or constraint.margin > 0.25


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what the store lacks; then, but with `--plan`, train it and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plan", action="store_true", help="start nothing")
    parser.add_argument("--output", type=Path, default=Path("results"), help="the result store")
    given = parser.parse_args(arguments)
    console, store = Console(), Store(given.output)
    sweep = open_space(composed(), store)
    plan = make_plan(sweep.name, sweep.manifest.trials, store)
    for block, counts in block_counts(plan).items():
        console.print(f"{block}: {counts['trials']} trials, {counts['done']} done", highlight=False)
    if given.plan:
        return 0
    from sweeps.driver.run import run_sweep

    outcome = run_sweep(sweep, RunOptions(), console)
    tables = write_tables(store, outcome.manifest, given.output / "tables" / sweep.name)
    console.print(tables.text, highlight=False, markup=False, soft_wrap=True)
    return 0 if not outcome.plan.to_run() else 1


if __name__ == "__main__":
    sys.exit(main())
