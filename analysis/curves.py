"""A trial's metrics by epoch, from its replicates' epoch records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

_CONSTRAINT_CURVES = ("train/violation", "train/penalty", "train/multiplier_mean", "train/multiplier_max")
_MEAN_NAMES = {"train/multiplier_mean": "train/multiplier_mean", "learning_rate": "train/learning_rate"}

Curves = dict[int, dict[str, float]]


def curves(records: Iterable[Mapping[str, Any]], *, constrained: bool) -> Curves:
    """Metrics by epoch (from 0): the ensemble's under their own names, means over replicates with `_mean`.

    The ensemble's value of an epoch is the one that the last of its records carries; means leave out values
    that are not finite. A trial without constraint shows no curves of it: they would be 0.
    """
    by_epoch: dict[int, dict[str, list[float]]] = {}
    for record in records:
        values = by_epoch.setdefault(int(record["epoch"]), {})
        for name, value in record.items():
            if value is not None and math.isfinite(value):
                values.setdefault(name, []).append(float(value))
    return {epoch: _epoch_point(by_epoch[epoch], constrained) for epoch in sorted(by_epoch)}


def _epoch_point(values: Mapping[str, list[float]], constrained: bool) -> dict[str, float]:
    point: dict[str, float] = {}
    for name, numbers in values.items():
        if name.startswith("ensemble/"):
            point[name.removeprefix("ensemble/")] = numbers[-1]
        elif name == "train/multiplier_max" and constrained:
            point[name] = max(numbers)
        elif name in _CONSTRAINT_CURVES and not constrained:
            continue
        elif name in _MEAN_NAMES or name.startswith(("train/", "val/")):
            point[_MEAN_NAMES.get(name, f"{name}_mean")] = math.fsum(numbers) / len(numbers)
    return point
