"""When a constraint's penalty is raised, and by how much (paper, section 3, and the released code)."""

from __future__ import annotations

import math

from search_spaces.config import ConstraintConfig
from search_spaces.errors import CheckpointError

RELEASED_CODE_FALL = 0.05
# Counted from `introduce_at`: the epoch that raises whatever happened, and the first that is compared.
RELEASED_CODE_FORCED_EPOCH = 2
RELEASED_CODE_FIRST_COMPARED = 3


class PenaltySchedule:
    """The penalty mu of a run, raised by the factor `growth` (rho) after an epoch that calls for it.

    `update` is called once per epoch, after validation, with the metric that the task's `raises_penalty`
    names (of a binary task the AUROC). No growth before epoch `introduce_at`, none for an undefined metric,
    none once the cap is hit or once 1.0 was seen. The cap is `ConstraintConfig.growth_step_limit` steps: the
    paper's mu_0 * rho^5 for mu_0 < 1e-3, else mu_0 * rho^3.

    `no_improvement` (the paper) raises when the metric is not above the previous epoch's. `released_code`
    never raises before epoch `introduce_at + 2`, raises there without comparing, and from the next epoch on
    when it fell by more than 0.05. In that code `introduce_at` delays nothing else; here the constraint
    itself begins there too, under both rules.
    The previous epoch is the last one whose metric was defined, be it before `introduce_at`.

    >>> schedule = PenaltySchedule(ConstraintConfig(penalty=1.0, growth_rule="released_code"))
    >>> raised = [schedule.update(epoch, auroc) for epoch, auroc in enumerate([0.9, 0.8, 0.82, 0.8, 0.7])]
    >>> raised, schedule.penalty
    ([False, False, True, False, True], 4.0)
    """

    def __init__(self, config: ConstraintConfig) -> None:
        self.config = config
        self.steps = 0
        self._previous: float | None = None
        self._perfect = False

    @property
    def penalty(self) -> float:
        """mu_0 * rho^steps."""
        return self.config.penalty * self.config.growth**self.steps

    def active(self, epoch: int) -> bool:
        """Whether the constraint is part of the loss in that epoch (from 0)."""
        return epoch >= self.config.introduce_at

    def update(self, epoch: int, value: float) -> bool:
        """Take in the validation metric of `epoch` (from 0); returns whether the penalty was raised."""
        if math.isnan(value):
            return False
        previous, self._previous = self._previous, value
        self._perfect = self._perfect or value >= 1.0
        if self._perfect or not self.active(epoch) or self.steps >= self.config.growth_step_limit:
            return False
        if not self._calls_for_growth(epoch, value, previous):
            return False
        self.steps += 1
        return True

    def _calls_for_growth(self, epoch: int, value: float, previous: float | None) -> bool:
        if self.config.growth_rule == "no_improvement":
            return previous is not None and value <= previous
        age = epoch - self.config.introduce_at
        if age < RELEASED_CODE_FIRST_COMPARED:
            return age == RELEASED_CODE_FORCED_EPOCH
        return previous is not None and previous - value > RELEASED_CODE_FALL

    def state_dict(self) -> dict[str, int | float | bool | None]:
        """What a checkpoint must hold for the schedule to go on as if it had not been stopped."""
        return {"steps": self.steps, "previous": self._previous, "perfect": self._perfect}

    def load_state_dict(self, state: dict[str, int | float | bool | None]) -> None:
        """Take over a `state_dict`. Raises CheckpointError if it is not one of this configuration."""
        try:
            steps, previous, perfect = state["steps"], state["previous"], state["perfect"]
        except KeyError as error:
            raise CheckpointError(f"penalty schedule: expected key {error}, given {sorted(state)}") from None
        if not isinstance(steps, int) or not 0 <= steps <= self.config.growth_step_limit:
            raise CheckpointError(
                f"penalty schedule: expected 0 to {self.config.growth_step_limit} growth steps, "
                f"given {steps!r}"
            )
        self.steps = steps
        self._previous = None if previous is None else float(previous)
        self._perfect = bool(perfect)
