"""What a trial's thresholds, chosen on validation, come to on other examples."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.render.document import MISSING
from search_spaces.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from search_spaces.config import Targets, TrialConfig
    from trainer.evaluate import Evaluation
    from trainer.store import Store
    from trainer.tasks.thresholds import NotResolved, Threshold


def rates_of_trial(store: Store, config: TrialConfig) -> Targets:
    """The rates of the first sweep of the store that holds the trial, else the usual ones."""
    from search_spaces.config import DEFAULT_TARGETS

    for name in store.sweep_names():
        with suppress(StoreError):  # a sweep that cannot be read is not needed
            sweep = store.read_sweep(name)
            if config.trial_id in {trial.trial_id for trial in sweep.trials}:
                return sweep.reading.targets
    return DEFAULT_TARGETS


def print_thresholds(
    console: Console, config: TrialConfig, store: Store, found: Evaluation, rates: Targets
) -> None:
    """The ensemble's thresholds as its validation split chose them, judged on what was evaluated."""
    from trainer.export.trial import exported
    from trainer.tasks.thresholds import judge, usual_rules

    rules = usual_rules(config.data, rates.tpr)
    thresholds = exported(config, store, None).thresholds(rules)
    if thresholds.chosen:
        judged = judge(config.data, found.targets, found.outputs, thresholds.chosen)
        table = Table("threshold chosen on validation", "score of at least", "TPR", "FPR")
        for one in judged:
            table.add_row(Text(f"{one.column} {one.rule}"), f"{one.value:.4f}", *rates_of(one))
        console.print(table)
    for line in unresolved_lines(thresholds.unresolved):
        console.print(Text(line), soft_wrap=True)


def rates_of(one: Threshold) -> tuple[str, str]:
    """True and false positive rate with their counts, as text."""
    return _rate(one.true_positives, one.positives), _rate(one.false_positives, one.negatives)


def unresolved_lines(unresolved: Iterable[NotResolved]) -> list[str]:
    """A line for each threshold that there are too few validation positives for."""
    lines = []
    for one in unresolved:
        lines.append(f"{one.column} {one.rule}: no threshold, not resolved: {one.reason}")
    return lines


def _rate(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} % ({part:,}/{whole:,})" if whole else MISSING
