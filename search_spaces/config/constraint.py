"""The critical-class constraint as configuration. It is computed in `trainer.losses.constraint`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from search_spaces.config.base import Frozen, NonNegative
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.tasks.base import Comparison
from search_spaces.limits import LARGEST


class ConstraintConfig(Frozen):
    """The critical-class constraint, solved with an augmented Lagrangian (paper, section 3).

    penalty            initial mu, the weight of the squared violation
    growth             rho, the factor by which the penalty is raised
    margin             delta, by how much a positive's score should exceed each negative's
    introduce_at       first epoch (from 0) in which the constraint is active
    growth_rule        "no_improvement": raise when the task's steering metric on the validation split (of a
                       binary task the AUROC) did not improve over the previous epoch (the paper);
                       "released_code": raise once at epoch `introduce_at + 2`
                       without comparing, and after that epoch when it fell by more than 0.05
    max_growth_steps   how often the penalty may be raised; None is the paper's 5 for mu < 1e-3, else 3
    comparison         of several classes: a critical class against all others ("one_vs_rest"), or against
                       one other class at a time ("pairwise")
    """

    penalty: float = Field(gt=0, le=LARGEST)
    growth: float = Field(default=2.0, ge=1, le=LARGEST)
    margin: NonNegative = Field(default=0.25, le=LARGEST)
    introduce_at: int = Field(default=0, ge=0)
    growth_rule: Literal["no_improvement", "released_code"] = "no_improvement"
    max_growth_steps: int | None = Field(default=None, ge=0)
    comparison: Annotated[Comparison, ADDED_LATER] = "one_vs_rest"

    @property
    def growth_step_limit(self) -> int:
        """How often the penalty may be raised; by default to mu * rho^5 if mu < 1e-3, else to mu * rho^3."""
        if self.max_growth_steps is not None:
            return self.max_growth_steps
        return 5 if self.penalty < 1e-3 else 3
