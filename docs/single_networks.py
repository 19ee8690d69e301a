"""What single networks reach on the test images, where tables have the ensemble: mean ± deviation over seeds.

    python -m docs.single_networks runs/histopathology breast-ultrasound recall/malignant macro_f1 accuracy

Each row of the sweep's table is a line; of a row in which trials compete, all of them are. Documents that
train one network per setting stand beside these.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from search_spaces.config import TrialConfig
from search_spaces.errors import AlmsweepError, InputError
from search_spaces.labels import BlockLabels
from search_spaces.rows import row_label
from search_spaces.words import count
from trainer.store import Store


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        lines = table(Store(options.output), options.sweep, options.metrics)
    except AlmsweepError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(lines))
    return 0


def table(store: Store, sweep: str, metrics: Sequence[str]) -> list[str]:
    """A Markdown table of the test metrics of a stored sweep's networks, a line per trial.

    Raises InputError for a metric that a trial's results lack, StoreError for a sweep that is not there.
    """
    manifest = store.read_sweep(sweep)
    blocks = BlockLabels(trial.data for trial in manifest.trials)
    lines = [
        f"| block | row | trial | networks | {' | '.join(metrics)} |",
        f"| --- | --- | --- | --- |{' --- |' * len(metrics)}",
    ]
    for trial in manifest.trials:
        results = _results(store, trial)
        cells = [_cell(trial, results, metric) for metric in metrics]
        words = [blocks.block(trial.data), row_label(trial, manifest.reading.rows), trial.trial_id[:8]]
        lines.append(f"| {' | '.join([*words, str(len(results)), *cells])} |")
    return lines


def _results(store: Store, trial: TrialConfig) -> list[dict[str, float | None]]:
    """The metrics of each wanted replicate that completed."""
    found = []
    for seed, done in sorted(store.replicates.ended(trial.trial_id).items()):
        if seed in trial.seeds and done.state == "completed":
            found.append(store.replicates.read_result(done)["metrics"])
    return found


def _cell(trial: TrialConfig, results: Sequence[dict[str, float | None]], metric: str) -> str:
    """Mean and deviation (ddof 0), of one network its value; a dash where there is none."""
    values = []
    for result in results:
        if f"test/{metric}" not in result:
            known = ", ".join(name.removeprefix("test/") for name in result if name.startswith("test/"))
            raise InputError(f"trial {trial.trial_id}: expected a metric, one of {known}, given {metric}")
        value = result[f"test/{metric}"]
        if value is not None:
            values.append(value)
    if not values:
        return "–"
    missing = len(results) - len(values)
    of_fewer = f" ({count(missing, 'undefined value')})" if missing else ""
    deviation = f" ± {statistics.pstdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{deviation}{of_fewer}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.single_networks")
    parser.add_argument("output", help="the output folder of the sweep")
    parser.add_argument("sweep", help="its name")
    parser.add_argument("metrics", nargs="+", help="as docs/reference/metrics.md has them, without test/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
