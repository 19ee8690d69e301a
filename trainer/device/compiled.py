"""The network of a training step as torch.compile makes it: layers fused into fewer passes over memory.

Compiled code serves all replicates and trials of a process that train alike, and through a folder all
processes of a machine: `compiled` in the cache of `trainer.data.cache`, or TORCHINDUCTOR_CACHE_DIR. Without
a cache a process has one of its own. What lies there is executed, so it is not torch's default: a folder in
/tmp, which others can make first.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from search_spaces.errors import InputError
from search_spaces.sizes import output_count
from trainer.compat import default_compiler_folder, settle_compiler
from trainer.data.cache import cache_folder
from trainer.device.environment import cpuinfo
from trainer.scratch import own_folder

FOLDER_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
# So many kinds of trials may be compiled in a process before it starts anew; torch admits 8, silently.
MOST_KINDS = 32

_kinds: set[tuple[object, ...]] = set()
_folder: str | None = None


def compiled(
    model: nn.Module, config: TrialConfig, image_shape: torch.Size, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """`model` compiled for batches of the configuration's size: its own weights, compiled when first called.

    `image_shape` is [C, H, W]. Raises InputError as `check_compiler` does.
    """
    check_compiler(device)
    _prepare_compiler()
    kind = (
        config.model,
        image_shape,
        config.loss.head,
        output_count(config),
        config.batch_size,
        config.precision,
        device,
    )
    if kind not in _kinds:
        if len(_kinds) >= MOST_KINDS:
            torch.compiler.reset()
            _kinds.clear()
        _kinds.add(kind)
    network: Callable[[Tensor], Tensor] = torch.compile(model, fullgraph=True, dynamic=False)
    return network


def check_compiler(device: torch.device) -> None:
    """Raise InputError where torch.compile lacks a compiler, Python's headers or, for a GPU, Triton."""
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise InputError("--compile: expected the package triton for a GPU, found none")
        kind, names = "C compiler", [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"]
    else:
        usual = "clang++" if sys.platform == "darwin" else "g++"
        kind, names = "C++ compiler", [os.environ.get("CXX", usual)]
    if not any(shutil.which(name) for name in names):
        raise InputError(f"--compile: expected the {kind} {' or '.join(names)}, found none")
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise InputError(
            f"--compile: expected Python's headers (python3-dev), found no Python.h in {headers}"
        )


def _prepare_compiler() -> None:
    """Tell torch where compiled code goes, how many processes make it, and to choose it by no stop-watch."""
    global _folder
    settle_compiler(most_recompilations=2 * MOST_KINDS, threads=torch.get_num_threads())
    if os.environ.get(FOLDER_VARIABLE) in (None, default_compiler_folder(), _folder):
        folder = cache_folder()
        # Code is made for the processor and the threads that torch finds, but may not be named by them.
        capability = torch.backends.cpu.get_cpu_capability()
        made_for = f"{platform.machine()}-{capability}-{_instructions()}-{torch.get_num_threads()}"
        _folder = _own_folder() if folder is None else str(folder / "compiled" / made_for)
        os.environ[FOLDER_VARIABLE] = _folder


def _instructions() -> str:
    """A short name of all instructions that this processor has: code is compiled for each of them.

    "AVX512" says too little: one such processor has bf16 instructions, another lacks them.
    """
    flags = cpuinfo("flags", "Features") or platform.processor()
    return hashlib.sha256(flags.encode()).hexdigest()[:8]


@cache
def _own_folder() -> str:
    return str(own_folder("compiled-"))
