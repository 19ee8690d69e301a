"""Early stopping of a replicate by its own validation AUROC."""

from __future__ import annotations

import math
from collections.abc import Mapping


class Patience:
    """Counts a replicate's epochs since the last one with a strictly better validation AUROC.

    epochs       so many without one end the training; None: it never ends early
    best_epoch   the last epoch (from 0) with a better AUROC than all before it; -1 before the first
    """

    def __init__(self, epochs: int | None) -> None:
        self.epochs = epochs
        self.best_epoch = -1
        self._best = -math.inf

    def is_out(self, epoch: int, auroc: float) -> bool:
        """Take in the AUROC of `epoch`; whether patience is at its end. An undefined AUROC is no better."""
        if self.best_epoch < 0 or auroc > self._best:
            self.best_epoch = epoch
            self._best = -math.inf if math.isnan(auroc) else auroc
        return self.epochs is not None and epoch - self.best_epoch >= self.epochs

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint must hold."""
        return {"best_epoch": self.best_epoch, "best": self._best}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Take over a `state_dict`."""
        self.best_epoch, self._best = int(state["best_epoch"]), state["best"]
