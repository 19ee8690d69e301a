"""In which precision a network computes, and whether a device multiplies bf16 in hardware."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

# Names in `torch.cpu.get_capabilities()`.
CPU_BF16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """bf16 arithmetic where the trial asks for it; weights, statistics and constraint stay float32.

    Cast weights are not kept between uses: each is used once a step, and a captured step must not read
    one that lies outside of its graph.
    """
    if precision == "bf16":
        return torch.autocast(_autocast_type(device), torch.bfloat16, cache_enabled=False)
    return nullcontext()


def no_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Arithmetic in the tensors' own precision, whatever was asked for outside."""
    return torch.autocast(_autocast_type(device), enabled=False)


def _autocast_type(device: torch.device) -> str:
    # Torch has no autocast on the meta device, where steps are checked; a CPU's changes nothing there.
    return "cpu" if device.type == "meta" else device.type


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 with instructions of its own, so that bf16 saves time there.

    torch takes bf16 everywhere, and where a processor lacks the instructions it computes in float32 between
    two conversions, which is slower than float32. A CPU has them by torch's own list of its features: AVX-512
    BF16 or AMX on x86, the dot products of ARMv8.6. A CUDA device has them from compute capability 8.0 on.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(bf16_instructions())


def bf16_instructions() -> list[str]:
    """Names of the bf16 instructions that this processor has; processors of one model may differ in them."""
    # Asked for by name: torch 2.11 has no such list, and is taken to have no such instructions.
    features: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return sorted(name for name in CPU_BF16 if features.get(name, False))
