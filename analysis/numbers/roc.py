"""The numbers behind a ROC figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.records import TestRecord
from analysis.render.roc import corners
from analysis.statistics.bands import Band
from trainer.metrics.binary import roc_points
from trainer.tasks.base import Column

_COLUMNS = ("curve", "of", "tpr", "fpr", "fpr_low", "fpr_high")


def roc_frame(test: TestRecord, bands: Mapping[str, Band]) -> pd.DataFrame:
    """The corners of a trial's ROC curves on test, and the points of its bands.

    curve      "ensemble"; "seed 1" of a replicate, where there is one column; "band" of the ensemble's band
    of         the class or label that is told from others
    tpr        true positive rate, 0 to 1
    fpr        false positive rate there, 0 to 1
    fpr_low    of a band, lower end of its 95 % interval over test examples, at this rate alone
    fpr_high   upper end
    """
    parts = []
    if test.undefined is None:
        for column in test.columns.values():
            parts.append(_curve("ensemble", column, column.scores[0]))
        if len(test.columns) == 1:
            (column,) = test.arrays.columns(test.targets, test.outputs)
            for seed, scores in zip(test.seeds, column.scores, strict=True):
                parts.append(_curve(f"seed {seed}", column, scores))
    for name, band in bands.items():
        ends = {"tpr": band.tpr, "fpr": band.fpr, "fpr_low": band.low, "fpr_high": band.high}
        parts.append(pd.DataFrame({"curve": "band", "of": name, **ends}, columns=list(_COLUMNS)))
    if not parts:
        return pd.DataFrame(columns=list(_COLUMNS))
    return pd.concat(parts, ignore_index=True)


def _curve(curve: str, column: Column, scores: NDArray[Any]) -> pd.DataFrame:
    taken = column.positive | column.negative
    points = corners(roc_points(column.positive[taken].astype(np.int8), scores[taken]))
    content = {"tpr": points.tpr, "fpr": points.fpr, "fpr_low": np.nan, "fpr_high": np.nan}
    return pd.DataFrame({"curve": curve, "of": column.name, **content}, columns=list(_COLUMNS))
