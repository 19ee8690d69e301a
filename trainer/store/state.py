"""How a trial stands: decided here, from its markers alone, for everyone who asks.

Plan, status, MLflow's view, searches and tables have words of their own for it, and none of them decides
anything. What a running process knows of itself (a trial that trains just now) is no marker and stands
nowhere here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

# How a replicate ends. One that has no such marker is "failed" or "pending".
STATES = ("completed", "diverged", "pruned")

Status = Literal["done", "diverged", "pruned", "failed", "partial", "pending"]


@dataclass(frozen=True)
class Standing:
    """How a trial stands.

    status    of the trial as a whole:
              "done"       every wanted replicate completed
              "diverged"   every wanted replicate ended, but not all by completing
              "pruned"     one was stopped early and the trial with it, whatever the others did
              "failed"     replicates are missing, and the last attempt failed
              "partial"    replicates are missing, others ended or have a checkpoint
              "pending"    replicates are missing, and nothing of them was begun
    states    of each wanted replicate by seed, in the order asked for: "completed", "diverged", "pruned",
              "failed" or "pending"; in a pruned trial those that never ended are pruned too
    missing   the seeds that a relaunch would train; of a pruned trial none
    """

    status: Status
    states: Mapping[int, str]
    missing: tuple[int, ...]


def standing(
    seeds: Sequence[int],
    ended: Mapping[int, str],
    *,
    failed: bool = False,
    failed_seeds: Collection[int] = (),
    checkpoint: bool = False,
) -> Standing:
    """How a trial stands of which `seeds` are wanted.

    `ended` are the states of ended replicates by seed, others than the wanted ones among them. `failed` says
    whether the last attempt left a failure, and `failed_seeds` which seeds that was about: without any, all
    that have not ended. `checkpoint` says whether one is stored.

    >>> standing((1, 2), {1: "completed"}, failed=True)
    Standing(status='failed', states={1: 'completed', 2: 'failed'}, missing=(2,))
    """
    missing = tuple(seed for seed in seeds if seed not in ended)
    states = {seed: ended.get(seed, "pending") for seed in seeds}
    if "pruned" in states.values():
        states.update(dict.fromkeys(missing, "pruned"))
        return Standing("pruned", states, ())
    if failed:
        for seed in missing:
            if not failed_seeds or seed in failed_seeds:
                states[seed] = "failed"
    return Standing(_status(states, missing, failed, checkpoint), states, missing)


def _status(states: Mapping[int, str], missing: Sequence[int], failed: bool, checkpoint: bool) -> Status:
    """The status of a trial that was not pruned."""
    if not missing:
        return "diverged" if "diverged" in states.values() else "done"
    if failed:
        return "failed"
    if checkpoint or len(missing) < len(states):
        return "partial"
    return "pending"


@dataclass
class TrialFiles:
    """What one listing tells about a trial: the state of each ended replicate, and which files stand."""

    replicates: dict[int, str] = field(default_factory=dict)
    checkpoint: bool = False
    failure: bool = False

    def standing(self, seeds: Sequence[int]) -> Standing:
        """How the trial stands of which these seeds are wanted."""
        return standing(seeds, self.replicates, failed=self.failure, checkpoint=self.checkpoint)
