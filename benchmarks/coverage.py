"""How often the tables' intervals hold the truth, how often tests err, and what a choice is too good by.

    python -m benchmarks.coverage --simulations 400 --tables 200 --choices 100 \\
        --markdown docs/benchmarks-intervals.md

All of it is simulated, so the truth is known, and all of it goes through the functions that make the tables.
The same numbers of simulations give the same page. `--kept FOLDER` keeps each simulation: a run that was
stopped, or asked for fewer, goes on where it was.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from analysis.statistics.draws import DRAWS
from benchmarks.coverage_choice import EPOCHS, NETWORKS, Optimism, choice_table
from benchmarks.coverage_intervals import QUESTIONS, Coverage, coverage_table
from benchmarks.coverage_scores import DISTANCE, METRICS, OF_SEEDS, SHARED
from benchmarks.coverage_tasks import (
    CLASSES,
    DISTANCES,
    LEAST,
    MORE,
    MOST,
    PREVALENCES,
    Covered,
    covered_table,
)
from benchmarks.coverage_tasks import SEEDS as SEEDS_OF_TASKS
from benchmarks.coverage_tests import BLOCKS, EVERY, PAIRS_OF_BLOCK, POSITIVES, Errors, error_table
from benchmarks.report import table

TITLE = "# What intervals, tests and corrected choices are worth"
_WORDS = {metric.name: metric.words for metric in METRICS}


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage")
    parser.add_argument("--simulations", type=int, default=400, help="of the intervals; default: %(default)s")
    parser.add_argument("--draws", type=int, default=2000, help="of a bootstrap; default: %(default)s")
    parser.add_argument("--tables", type=int, default=200, help="of the tests; default: %(default)s")
    parser.add_argument("--choices", type=int, default=100, help="of the choices; default: %(default)s")
    parser.add_argument("--processes", type=int, help="default: cores")
    parser.add_argument("--kept", type=Path, help="folder that keeps each simulation")
    parser.add_argument("--markdown", type=Path, help="file for the page")
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor(options.processes) as pool:
        covered = coverage_table(options.simulations, options.draws, pool, options.kept)
        of_tasks = covered_table(options.simulations, options.draws, pool, options.kept)
        errors = error_table(options.tables, options.draws, pool, options.kept)
        choices = choice_table(options.choices, pool, options.kept)
    parts = [
        TITLE,
        _about(options),
        _intervals(covered, options.simulations),
        _of_tasks(of_tasks),
        _tests(errors, options.tables),
        _choices(choices, options.choices),
    ]
    text = "\n\n".join(parts) + "\n"
    print(text)
    if options.markdown is not None:
        options.markdown.write_text(text)
    return 0


def error_of_share(share: float, simulations: int) -> float:
    """Half of the 95 % interval of a share over simulations, in points."""
    return 100 * 1.96 * math.sqrt(share * (1 - share) / simulations)


def _about(options: argparse.Namespace) -> str:
    return f"""Simulated, by the functions that make the tables; what the numbers mean there:
[tables](tables.md#what-the-numbers-are-worth). Made by

    python -m benchmarks.coverage --simulations {options.simulations} --draws {options.draws} \\
        --tables {options.tables} --choices {options.choices} --markdown docs/benchmarks-intervals.md

Scores of a network are normal, so the truth of every metric is known. The classes lie {DISTANCE:g} deviations
apart, from seed to seed with a deviation of {OF_SEEDS:g}. Networks share {100 * SHARED:.0f} % of an
example's variance. There are as many negatives as positives. {options.draws:,} draws each, where tables
make {DRAWS:,}."""


def _intervals(found: Sequence[Coverage], simulations: int) -> str:
    rows = []
    for one in found:
        cells = [_share(one, question) for question in QUESTIONS]
        rows.append([_WORDS[one.metric], str(one.positives), str(one.seeds), *cells])
    header = ["metric", "positives", "seeds", *QUESTIONS]
    return f"""## Coverage

In how many of {simulations} simulations the 95 % interval held the truth, in %. So few simulations leave
± {error_of_share(0.95, simulations):.1f} points open where the interval holds its level.

- *ensemble*: of these networks, over examples. *mean*: over replicates, over seeds and examples.
- *difference*, *mean difference*: the same of a pair of rows, with the constraint minus without.
- *none*: there is no interval of a mean over so few seeds. *unresolved*: there are too few positives for this
  rate, so tables print no interval.

{table(header, rows)}"""


def _share(one: Coverage, question: str) -> str:
    if not one.resolved:
        return "unresolved"
    share = one.held.get(question)
    return "none" if share is None else f"{100 * share:.1f}"


def _of_tasks(found: Sequence[Covered]) -> str:
    rows = []
    for one in found:
        cells = [f"{one.truth:.3f}", f"{100 * one.ensemble:.1f}"]
        cells.append("none" if math.isnan(one.mean) else f"{100 * one.mean:.1f}")
        rows.append([one.kind, one.metric.words, str(one.positives), *cells])
    header = ["task", "metric", "positives", "truth", "ensemble", "mean"]
    shares = ", ".join(f"{100 * prevalence:g} %" for prevalence in PREVALENCES)
    apart = " or ".join(f"{distance:g}" for distance in DISTANCES)
    return f"""### Several classes, several labels

The same of the headline metrics of other tasks, of {SEEDS_OF_TASKS} seeds each. *truth*: mean over all seeds.
*none*: replicates have no interval of this metric.

- *classes*: {CLASSES} of them, {LEAST:g} to {MOST:g} deviations apart from the others; *positives* test
  examples of each of the last {CLASSES - CLASSES // 2}, {MORE} times as many of the first {CLASSES // 2}.
- *labels*: images have each of {len(PREVALENCES)} labels with a prevalence of its own ({shares}),
  and lie {apart} deviations from those without it; *positives* of the last on average, which is critical.

{table(header, rows)}"""


def _tests(found: Sequence[Errors], tables: int) -> str:
    rows = []
    for one in found:
        shares = [f"{100 * share:.1f}" for share in (one.null, one.beside, one.found)]
        effect = f"{one.without:.3f} to {one.within:.3f}"
        rows.append([_WORDS[one.metric], one.test, *shares, effect])
    header = ["metric", "test", "false, no effect", "false, beside effects", "effects found", "effect"]
    pairs = BLOCKS * PAIRS_OF_BLOCK
    return f"""## Tests

{tables} tables of {pairs} pairs of rows without any effect, and as many with one in {pairs // EVERY} of them.
{POSITIVES} positives, after Holm's correction at 5 %.

- *false*: in how many tables, in %, a pair that differs in nothing is significant. So few tables leave
  ± {error_of_share(0.05, tables):.1f} points open at 5 %.
- *effects found*: how many of the pairs with an effect are significant, in %.

{table(header, rows)}"""


def _choices(found: Sequence[Optimism], simulations: int) -> str:
    rows = []
    for one in found:
        numbers = [f"{value:+.4f}" for value in (one.plain, one.corrected, one.of_epochs)]
        left = f"{one.left:+.4f} ± {1.96 * one.error:.4f}"
        rows.append([one.scored, str(one.positives), str(one.candidates), *numbers, left])
    header = ["scored", "positives", "candidates", "as chosen", "corrected", "epochs", "left"]
    return f"""## Choices

By how much the validation AUROC of the chosen candidate exceeds its truth, mean over {simulations}
simulations. Each candidate has {NETWORKS} networks of {EPOCHS} epochs.

- *as chosen*: the value that the rule goes by. *corrected*: for the choice among candidates.
- *epochs*: the same of all candidates, chosen or not: what the choice of epochs alone adds.
- *left*: *corrected* without that: what the correction leaves of the choice among candidates, with its 95 %
  interval over simulations. Below 0 it takes too much.

{table(header, rows)}"""


if __name__ == "__main__":
    raise SystemExit(main())
