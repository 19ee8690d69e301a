"""How a trial stands: decided here, from its markers alone, for everyone who asks."""

from __future__ import annotations

from dataclasses import dataclass, field

STATES = ("completed", "diverged", "pruned")


@dataclass
class TrialFiles:
    """What one listing tells about a trial: the state of each ended replicate, and which files stand."""

    replicates: dict[int, str] = field(default_factory=dict)
    checkpoint: bool = False
    failure: bool = False
