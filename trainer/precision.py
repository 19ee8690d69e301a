"""In which precision a network computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """bf16 arithmetic where the trial asks for it; weights, statistics and constraint stay float32.

    Cast weights are not kept between uses: each is used once a step, and a captured step must not read
    one that lies outside of its graph.
    """
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
    return nullcontext()
