"""A sweep that needs no download and shows all there is to see in a minute or two."""

from __future__ import annotations

from search_spaces.space import Axes, SearchSpace, product


def demo() -> SearchSpace:
    """Four losses with and without two constraints on scikit-learn's digits: 3, 8, 9 against others, 1:40."""
    task: Axes = {"dataset": ["digits-critical"], "ratio": [40], "seeds": [[1, 2, 3, 4, 5, 6]]}
    losses: Axes = {"loss": ["baseline_BCE", "baseline_s_LM_m05", "baseline_cb_BCE_99", "baseline_LDAM"]}
    constraints: Axes = {"constraint": ["none", "ALM_14_beg", "ALM_16_beg"], "delta": [0.25]}
    settings = product(task, losses, constraints)
    return SearchSpace.of(
        "demo", settings, "Digits 3, 8, 9 against the others; needs no download, runs in a minute or two"
    )
