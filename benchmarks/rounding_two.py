"""The same trials trained twice, on two processors or with two numbers of threads, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rounding_figures import FPR, Labels, scores_of
from benchmarks.rounding_runs import Curve, test_scores_of
from search_spaces.config import ScoredBy, TrialConfig
from search_spaces.errors import InputError
from search_spaces.labels import trial_label
from trainer.metrics import binary as metrics

OPTION: ScoredBy = "best_epoch"
_ARRAYS = [field.name for field in fields(Curve) if field.name not in ("trial_id", "seed", "rounding")]


def save_curves(path: Path, curves: Sequence[Curve]) -> None:
    """Write the unrounded curves into one file of arrays, which holds no objects."""
    arrays = {}
    for curve in curves:
        if curve.rounding == 0:
            for name in _ARRAYS:
                arrays[f"{curve.trial_id}/{curve.seed}/{name}"] = getattr(curve, name)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def load_curves(path: Path, configs: Sequence[TrialConfig]) -> list[Curve]:
    """The curves of these trials' replicates. Raises InputError for a file that has not all of them."""
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a file that --save wrote: {error}") from error
    curves = []
    for config in configs:
        for seed in config.seeds:
            key = f"{config.trial_id}/{seed}"
            if f"{key}/test" not in arrays:
                raise InputError(f"{path}: expected trial {config.trial_id} seed {seed}, found no such one")
            found: dict[str, Any] = {name: arrays[f"{key}/{name}"] for name in _ARRAYS}
            curves.append(Curve(trial_id=config.trial_id, seed=seed, rounding=0, **found))
    return curves


def compare(
    configs: Sequence[TrialConfig],
    here: Sequence[Curve],
    there: Sequence[Curve],
    targets: Mapping[str, tuple[Labels, Labels]],
    data_dir: str | None,
) -> str:
    """A Markdown table of the ensembles' test metrics in both, and the largest differences below it."""
    lines = [
        "| trial | AUC there | AUC here | FPR@98 there (%) | FPR@98 here (%) |",
        "|---|---:|---:|---:|---:|",
    ]
    furthest = {"auroc": 0.0, FPR: 0.0}
    for config in configs:
        first = _ensemble(config, there, targets)
        second = _ensemble(config, here, targets)
        for name in furthest:
            furthest[name] = max(furthest[name], abs(first[name] - second[name]))
        numbers = [f"{first['auroc']:.4f}", f"{second['auroc']:.4f}"]
        numbers += [f"{100 * one[FPR]:.1f}" for one in (first, second)]
        lines.append(f"| {trial_label(config)} | {' | '.join(numbers)} |")
    lines += ["", _differences(here, there)]
    lines.append(
        f"Ensembles: AUC up to {furthest['auroc']:.4f} apart, FPR at 98 % TPR up to "
        f"{100 * furthest[FPR]:.1f} points."
    )
    by_id = {config.trial_id: config for config in configs}
    same = [np.abs(test_scores_of(by_id[c.trial_id], c.weights, data_dir) - c.test[-1]).max() for c in there]
    lines.append(f"The same weights, scored here and there: up to {max(same):.2g} apart.")
    return "\n".join(lines)


def _ensemble(
    config: TrialConfig,
    curves: Sequence[Curve],
    targets: Mapping[str, tuple[Labels, Labels]],
) -> dict[str, float]:
    scores = [scores_of(curve, OPTION)[1] for curve in curves if curve.trial_id == config.trial_id]
    return metrics.summarize(targets[config.trial_id][1], np.mean(scores, axis=0, dtype=np.float64))


def _differences(here: Sequence[Curve], there: Sequence[Curve]) -> str:
    known = {(curve.trial_id, curve.seed): scores_of(curve, OPTION)[1] for curve in there}
    found = [np.abs(scores_of(c, OPTION)[1] - known[c.trial_id, c.seed]).max() for c in here]
    largest = max(float(np.abs(scores).max()) for scores in known.values())
    equal = sum(difference == 0 for difference in found)
    return (
        f"{equal} of {len(found)} replicates equal; test scores up to {max(found):.2g} apart, "
        f"the largest of them {largest:.1f}."
    )
