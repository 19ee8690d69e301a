"""The numbers behind a reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.statistics.calibration import Calibrated

_COLUMNS = (
    "of",
    "calibration",
    "bin",
    "examples",
    "positives",
    "mean_probability",
    "observed",
    "observed_low",
    "observed_high",
)


def reliability_frame(calibrated: Sequence[Calibrated]) -> pd.DataFrame:
    """A row per bin of each class under each calibration.

    of                 the class or label that is told from others
    calibration        "none", "offset" or "platt", as in `calibration.csv`
    bin                from 1, by rising probability; of about equally many test examples
    examples           in the bin
    positives          of these
    mean_probability   of these examples
    observed           their share of positives
    observed_low       lower end of its exact 95 % interval; empty where the data have groups
    observed_high      upper end
    """
    rows: list[dict[str, Any]] = []
    for one in calibrated:
        for number, part in enumerate(one.bins, start=1):
            row = {"of": one.column, "calibration": one.method, "bin": number}
            row |= {"examples": part.examples, "positives": part.positives}
            row |= {"mean_probability": part.mean_probability, "observed": part.observed}
            row |= {"observed_low": part.interval.low, "observed_high": part.interval.high}
            rows.append(row)
    return pd.DataFrame(rows, columns=list(_COLUMNS))
