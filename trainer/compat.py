"""Doors into the inside of torch and torchvision: the one page to read when either is upgraded.

Each says what it uses, and what the public interface lacks.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from types import ModuleType
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []  # torch forgets a declaration when its Library object goes


def settle_compiler(*, most_recompilations: int, threads: int) -> None:
    """Settings of torch.compile that only its private modules take, for this process.

    A function is compiled for at most `most_recompilations` kinds of input, and by `threads` processes at a
    time, unless TORCHINDUCTOR_COMPILE_THREADS says how many.
    """
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    dynamo.recompile_limit = most_recompilations
    inductor.cpp_cache_precompile_headers = False  # they would lie in /tmp whatever the folder
    inductor.deterministic = True  # or a trial that goes on might round otherwise than before
    if "TORCHINDUCTOR_COMPILE_THREADS" not in os.environ:  # by default a process per core, for every trial
        inductor.compile_threads = threads


def default_compiler_folder() -> str:
    """Where torch.compile keeps code when nobody says so: a folder in /tmp.

    Torch writes its name into TORCHINDUCTOR_CACHE_DIR as soon as it is asked, as if a user had.
    """
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    return os.path.abspath(default_cache_dir())


def never_warn_of_capture(adam: torch.optim.Adam) -> None:
    """Keep a capturable Adam from warning of steps that are not captured, as the first ones never are."""
    adam._warned_capturable_if_run_uncaptured = True


def import_torchvision(part: str) -> ModuleType:
    """A module of torchvision, such as "datasets", also where its compiled part does not fit the torch here.

    One built for CUDA beside a CPU build of torch cannot load that part, and then fails on import with
    `operator torchvision::nms does not exist`. This project needs its data sets' download and its networks
    for classification, which are pure Python. So the two schemas that the import asks for are declared,
    without an implementation, and the import is tried again. Detection operators and `torchvision.io` do not
    work then. The import takes more than a second: nothing imports torchvision before it is needed.

    Raises ImportError if torchvision is not installed, RuntimeError if it cannot be loaded for another reason
    than the missing compiled operators.
    """
    name = f"torchvision.{part}"
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error) or _declared:
            raise
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == "torchvision"]:
        del sys.modules[loaded]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(operator + _BOXES)
    _declared.append(library)
    return importlib.import_module(name)


def import_torchvision_datasets() -> ModuleType:
    """The module `torchvision.datasets`."""
    return import_torchvision("datasets")


def tensor_of_mapped(array: NDArray[Any]) -> Tensor:
    """A tensor over an array that may not be written, such as a file mapped read-only; never write to it.

    torch warns of such arrays, as it has no tensors that cannot be written.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
