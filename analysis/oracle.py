"""What the oracle goes by: every candidate on the test examples.

It is no selection: a choice by test results is too good by its luck there. Nothing but a table that says so
is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from analysis.load import read_test
from analysis.records import TrialRecord, ValidationRecord
from search_spaces.config import Targets
from trainer.store import Store


def judged_on_test(
    store: Store, trials: Iterable[TrialRecord], rates: Targets
) -> dict[str, ValidationRecord]:
    """What rules read, of test in place of validation, by the ids of the trials that have a result.

    Raises StoreError as `read_test` does.
    """
    found = {}
    for trial in trials:
        test = read_test(store, trial, rates)
        if test is not None:
            found[trial.trial_id] = ValidationRecord(
                trial_id=trial.trial_id,
                found=trial.found,
                expected=trial.expected,
                metrics=test.metrics,
                mean_steering=test.steering_mean,
                undefined=test.undefined,
            )
    return found
