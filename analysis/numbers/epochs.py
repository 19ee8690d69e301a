"""The numbers behind the figure of a constraint over epochs."""

from __future__ import annotations

import pandas as pd

from analysis.records import TestRecord

# The column of a replicate's epoch records, and its name here.
_TAKEN = {
    "epoch": "epoch",
    "train/violation": "violation",
    "train/multiplier_mean": "multiplier_mean",
    "train/multiplier_max": "multiplier_max",
    "train/penalty": "penalty",
}
QUANTITIES = ("violation", "multiplier_mean", "multiplier_max", "penalty")


def epochs_frame(test: TestRecord) -> pd.DataFrame:
    """A row per epoch of each replicate of a trial with the constraint; empty where none is stored.

    seed              of the replicate
    epoch             from 0
    violation         mean over positives of the constraint's violation q, while training
    multiplier_mean   mean over positives of the multipliers lambda
    multiplier_max    the largest of them
    penalty           mu at the epoch's end
    """
    parts = []
    for seed, records in test.epochs.items():
        if set(_TAKEN) <= set(records.column_names):
            part = records.select(list(_TAKEN)).to_pandas().rename(columns=_TAKEN)
            parts.append(part.assign(seed=seed))
    columns = ["seed", *_TAKEN.values()]
    if not parts:
        return pd.DataFrame(columns=columns)
    found: pd.DataFrame = pd.concat(parts, ignore_index=True)[columns]
    return found
