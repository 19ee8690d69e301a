"""Other names that papers give to losses of long tails."""

from __future__ import annotations

from search_spaces.config import LogitAdjusted, LossConfig

# Ren et al., NeurIPS 2020, is Menon et al., ICLR 2021, with tau = 1: one loss and one trial id.
OTHER_NAMES: dict[str, LossConfig] = {"balanced_softmax": LogitAdjusted(tau=1.0)}
