"""Rows of a block that the test examples cannot tell from the best one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analysis.statistics.intervals import LEVEL, Values


def tied_with_best(gains: Mapping[str, float], drawn: Mapping[str, Values]) -> frozenset[str]:
    """The best one, and every one whose simultaneous interval of the difference to it includes 0.

    gains   a number per name, higher = better
    drawn   the same over draws of test examples, the same draws for all [draws]; who has none is tied with
            nobody

    The intervals are of the max type: all of them together hold the truth in 95 % (Westfall and Young,
    "Resampling-based multiple testing", 1993). They take the best one as given. It says what other examples
    may turn round; it steers nothing.
    """
    if not gains:
        return frozenset()
    best = max(gains, key=gains.__getitem__)
    differences, errors, others = [], [], []
    for name, gain in gains.items():
        if name == best or name not in drawn or best not in drawn:
            continue
        draws = drawn[name] - drawn[best]
        if np.isnan(draws).any():
            continue
        others.append(name)
        differences.append(gain - gains[best])
        errors.append(draws - (gain - gains[best]))
    tied = {best} | {name for name, gain in gains.items() if gain == gains[best]}
    if others:
        deviations = np.std(errors, axis=1)
        scales = np.where(deviations > 0, deviations, np.inf)  # what never differs is decided above
        reach = np.quantile((np.abs(errors) / scales[:, None]).max(axis=0), LEVEL)
        for name, difference, deviation in zip(others, differences, deviations, strict=True):
            if difference + reach * deviation >= 0:
                tied.add(name)
    return frozenset(tied)
