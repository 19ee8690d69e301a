"""The paper's named losses and constraints, and the way back from a configuration to its name.

Names are those of the paper's configuration tables (Sangalli et al., NeurIPS 2021, released code); case does
not matter. W-BCE takes the exact factors c = 1/3, 2/3 and 1; the released code rounds the first two to 0.333
and 0.666.
"""

from __future__ import annotations

from search_spaces.config import (
    AsymmetricFocal,
    AsymmetricMargin,
    Bce,
    ClassBalancedBce,
    ConstraintConfig,
    Ldam,
    LossConfig,
    Mbauc,
    SymmetricFocal,
    SymmetricMargin,
    WeightedBce,
    number,
)
from search_spaces.errors import SpaceError, unknown_name

# In the row order of the paper's tables.
LOSSES: dict[str, LossConfig] = {
    "baseline_BCE": Bce(),
    "baseline_s_LM_m05": SymmetricMargin(margin=0.5),
    "baseline_s_LM_m2": SymmetricMargin(margin=2),
    "baseline_s_LM_m4": SymmetricMargin(margin=4),
    "baseline_s_FL_g05": SymmetricFocal(gamma=0.5),
    "baseline_s_FL_g1": SymmetricFocal(gamma=1),
    "baseline_s_FL_g2": SymmetricFocal(gamma=2),
    "baseline_a_LM_m05": AsymmetricMargin(margin=0.5),
    "baseline_a_LM_m2": AsymmetricMargin(margin=2),
    "baseline_a_LM_m4": AsymmetricMargin(margin=4),
    "baseline_a_FL_g05": AsymmetricFocal(gamma=0.5),
    "baseline_a_FL_g1": AsymmetricFocal(gamma=1),
    "baseline_a_FL_g2": AsymmetricFocal(gamma=2),
    "baseline_cb_BCE_99": ClassBalancedBce(beta=0.99),
    "baseline_cb_BCE_999": ClassBalancedBce(beta=0.999),
    "baseline_cb_BCE_9999": ClassBalancedBce(beta=0.9999),
    "baseline_WBCE_1_3": WeightedBce(weight_factor=1 / 3),
    "baseline_WBCE_2_3": WeightedBce(weight_factor=2 / 3),
    "baseline_WBCE_1": WeightedBce(weight_factor=1),
    "baseline_LDAM": Ldam(),
    "baseline_MBAUC": Mbauc(),
}

# "beg": active from the first epoch. The margin (delta) is not part of the name.
CONSTRAINTS: dict[str, ConstraintConfig] = {
    "ALM_12_beg": ConstraintConfig(penalty=1e-2, growth=2),
    "ALM_13_beg": ConstraintConfig(penalty=1e-3, growth=2),
    "ALM_14_beg": ConstraintConfig(penalty=1e-4, growth=2),
    "ALM_15_beg": ConstraintConfig(penalty=1e-5, growth=2),
    "ALM_16_beg": ConstraintConfig(penalty=1e-6, growth=2),
    "ALM_17_beg": ConstraintConfig(penalty=1e-7, growth=2),
    "ALM_18_beg": ConstraintConfig(penalty=1e-8, growth=2),
    "ALM_19_beg": ConstraintConfig(penalty=1e-9, growth=2),
}

NO_CONSTRAINT = "none"

# The paper's grid of delta.
MARGINS = (0.0, 0.1, 0.25, 0.5, 1.0)

_LOSS_BY_FOLDED_NAME = {name.casefold(): loss for name, loss in LOSSES.items()}
_CONSTRAINT_BY_FOLDED_NAME = {name.casefold(): constraint for name, constraint in CONSTRAINTS.items()}
_NAME_OF_LOSS = {loss: name for name, loss in LOSSES.items()}
_NAME_OF_CONSTRAINT = {constraint: name for name, constraint in CONSTRAINTS.items()}
_DEFAULTS = ConstraintConfig(penalty=1)


def loss_by_name(name: str) -> LossConfig:
    """The named base loss.

    Raises SpaceError for an unknown name.

    >>> loss_by_name("BASELINE_s_lm_M05")
    SymmetricMargin(name='s_lm', margin=0.5)
    """
    loss = _LOSS_BY_FOLDED_NAME.get(name.casefold())
    if loss is None:
        raise SpaceError(unknown_name("loss", name, list(LOSSES)))
    return loss


def constraint_by_name(name: str, margin: float | None = None) -> ConstraintConfig | None:
    """The named constraint with this margin (delta >= 0; None: the default margin); "none" gives None.

    Raises SpaceError for an unknown name or an impossible margin.
    """
    if name.casefold() == NO_CONSTRAINT:
        return None
    constraint = _CONSTRAINT_BY_FOLDED_NAME.get(name.casefold())
    if constraint is None:
        raise SpaceError(unknown_name("constraint", name, [NO_CONSTRAINT, *CONSTRAINTS]))
    if margin is None:
        return constraint
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin < float("inf"):
        raise SpaceError(f"constraint.margin: expected a finite number of at least 0, given {margin!r}")
    return ConstraintConfig(**{**constraint.model_dump(), "margin": margin})


def loss_name(loss: LossConfig) -> str:
    """The paper's name of the loss, or its type and parameters.

    >>> loss_name(SymmetricMargin(margin=0.5)), loss_name(SymmetricMargin(margin=3))
    ('baseline_s_LM_m05', 's_lm(margin=3)')
    """
    named = _NAME_OF_LOSS.get(loss)
    if named is not None:
        return named
    fields = loss.model_dump(mode="json", exclude={"name", "plugin"})
    if loss.plugin is not None:
        fields["plugin"] = loss.plugin.package
    arguments = _arguments(fields)
    return f"{loss.name}({arguments})" if arguments else loss.name


def constraint_name(constraint: ConstraintConfig | None) -> str:
    """The paper's name of the constraint whatever its margin, "none", or its parameters without the margin.

    >>> constraint_name(ConstraintConfig(penalty=0.5, margin=1))
    'ALM(penalty=0.5, growth=2)'
    """
    if constraint is None:
        return NO_CONSTRAINT
    unsaid = {"margin": _DEFAULTS.margin, "comparison": _DEFAULTS.comparison}
    plain = constraint.model_copy(update=unsaid)
    name = _NAME_OF_CONSTRAINT.get(plain)
    if name is None:
        shown: dict[str, object] = {}
        for key, value in plain:
            if key in ("penalty", "growth") or value != getattr(_DEFAULTS, key):
                shown[key] = value
        name = f"ALM({_arguments(shown)})"
    # A comparison that is not the default stands behind the name.
    return name if constraint.comparison == _DEFAULTS.comparison else f"{name} {constraint.comparison}"


def _arguments(fields: dict[str, object]) -> str:
    words = []
    for key, value in fields.items():
        text = number(value) if isinstance(value, float) else value
        words.append(f"{key}={text}")
    return ", ".join(words)
