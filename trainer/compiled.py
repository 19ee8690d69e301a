"""The network of a training step as torch.compile makes it: layers fused into fewer passes over memory.

Compiled code is kept by torch on disk (TORCHINDUCTOR_CACHE_DIR), for all processes of a machine, and in a
process for all replicates and trials that train alike.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from search_spaces.errors import InputError

# What the compiled code in this process was made for.
_kind: tuple[object, ...] | None = None


def compiled(model: nn.Module, config: TrialConfig, device: torch.device) -> Callable[[Tensor], Tensor]:
    """`model` compiled for batches of the configuration's size: its own weights, compiled when first called.

    Code for an earlier kind of trial is dropped first: a process takes all kinds, torch keeps but a few.
    Raises InputError as `check_compiler` does.
    """
    global _kind
    check_compiler(device)
    outputs = config.loss.name == "ldam"
    kind = (config.model, config.data, outputs, config.batch_size, config.precision, device)
    if kind != _kind:
        if _kind is not None:
            torch.compiler.reset()
        _kind = kind
    if "TORCHINDUCTOR_COMPILE_THREADS" not in os.environ:  # by default a process per core, for every trial
        import torch._inductor.config as inductor

        inductor.compile_threads = torch.get_num_threads()
    network: Callable[[Tensor], Tensor] = torch.compile(model, fullgraph=True, dynamic=False)
    return network


def check_compiler(device: torch.device) -> None:
    """Raise InputError where torch.compile lacks what it needs: a C++ compiler and, for a GPU, Triton."""
    name = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name) is None:
        raise InputError(f"--compile: expected the C++ compiler {name}, or another in CXX, found none")
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise InputError("--compile: expected the package triton for a GPU, found none")
