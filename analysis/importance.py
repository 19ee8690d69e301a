"""Which settings decide how well the trials of a block do on validation. The one module that needs Optuna.

PED-ANOVA (Watanabe, Bansal and Hutter, "PED-ANOVA: efficiently quantifying hyperparameter importance in
arbitrary subspaces", IJCAI 2023), as Optuna computes it, on a study that is rebuilt from the store: by how
much the best tenth of the trials differs from all of them in a setting. Settings that apply to some trials
alone, such as a constraint's penalty, are weighed by how many these are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.cells import Cell
from search_spaces.config import TrialConfig
from search_spaces.labels import flat, spelled_out
from search_spaces.paper.named import NO_CONSTRAINT

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Optuna asks for 5 trials in the best tenth.
LEAST_TRIALS = 50
_BEST = 0.1
_NOT_CHOSEN = ("data", "seeds")
# A setting whose values span more than this factor is weighed on a logarithmic scale.
_SPAN = 50
_COLUMNS = ("block", "setting", "importance", "trials", "values")


def importance_frame(cells: Sequence[Cell]) -> pd.DataFrame:
    """A row per setting that differs, of each block with 50 complete trials or more; the weightiest first.

    block        data set and ratio
    setting      a path into a trial's configuration; `constraint` is whether there is one
    importance   its share, 0 to 1; those of a block sum to 1
    trials       complete ones of the block that have the setting
    values       how many values it takes in them
    """
    blocks: dict[str, list[tuple[TrialConfig, float]]] = {}
    for cell in cells:
        for candidate in cell.candidates:
            if not candidate.complete or candidate.validation is None or not cell.rule.selects:
                continue
            gain = cell.rule.metric.gain(cell.rule.value(candidate.validation))
            if math.isfinite(gain):
                blocks.setdefault(cell.block, []).append((candidate.config, gain))
    rows = []
    for block, trials in blocks.items():
        if len(trials) >= LEAST_TRIALS:
            for name, share, having, values in _of_block(trials):
                rows.append((block, name, share, having, values))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _of_block(trials: Sequence[tuple[TrialConfig, float]]) -> list[tuple[str, float, int, int]]:
    settings = [_settings(config) for config, _ in trials]
    distributions = _distributions(settings)
    if not distributions:
        return []
    shares = _shares(settings, [gain for _, gain in trials], distributions)
    found = []
    for name in sorted(distributions, key=lambda name: (-shares[name], name)):
        values = [of_trial[name] for of_trial in settings if name in of_trial]
        found.append((name, shares[name], len(values), len(set(values))))
    return found


def _settings(config: TrialConfig) -> dict[str, str | float]:
    """What was chosen of a trial, by dotted names; a constraint's fields where it has one."""
    parts = {name: spelled_out(part) for name, part in config if name not in _NOT_CHOSEN}
    of_constraint = parts.pop("constraint")
    found: dict[str, str | float] = {"constraint": NO_CONSTRAINT}
    if of_constraint is not None:
        found["constraint"] = "ALM"
        parts["constraint"] = of_constraint
    for name, value in flat(parts).items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        found[name] = float(value) if is_number else str(value)  # type: ignore[arg-type]
    return found


def _distributions(settings: Sequence[Mapping[str, str | float]]) -> dict[str, BaseDistribution]:
    """Of every setting that takes several values, what these may be."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    seen: dict[str, list[str | float]] = {}
    for of_trial in settings:
        for name, value in of_trial.items():
            seen.setdefault(name, []).append(value)
    found: dict[str, BaseDistribution] = {}
    for name, values in seen.items():
        if len(set(values)) < 2:
            continue
        numbers = [value for value in values if isinstance(value, float)]
        if len(numbers) == len(values):
            low, high = min(numbers), max(numbers)
            found[name] = FloatDistribution(low, high, log=low > 0 and high > _SPAN * low)
        else:
            found[name] = CategoricalDistribution(sorted(set(map(str, values))))
    return found


def _shares(
    settings: Sequence[Mapping[str, str | float]],
    gains: Sequence[float],
    distributions: Mapping[str, BaseDistribution],
) -> dict[str, float]:
    """The importance of each setting."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for of_trial, gain in zip(settings, gains, strict=True):
        own = {name: one for name, one in distributions.items() if name in of_trial}
        values = {}
        for name in own:
            is_number = isinstance(own[name], optuna.distributions.FloatDistribution)
            values[name] = of_trial[name] if is_number else str(of_trial[name])
        study.add_trial(optuna.create_trial(params=values, distributions=own, value=gain))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=_BEST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a setting is missing in fewer than two trials
        shares = optuna.importance.get_param_importances(
            study, evaluator=evaluator, params=sorted(distributions)
        )
    return {name: float(share) for name, share in shares.items()}
