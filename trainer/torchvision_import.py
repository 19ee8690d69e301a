"""Import torchvision, also where its compiled operators do not fit the installed torch.

A torchvision built for CUDA beside a CPU build of torch cannot load its compiled part, and then fails on
import with `operator torchvision::nms does not exist`. This project needs its data sets' download only,
which is pure Python. So the two schemas that the import asks for are declared, without an implementation,
and the import is tried again. Detection operators and `torchvision.io` do not work then.

No module of this project imports torchvision at its top: the import takes more than a second.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []  # torch forgets a declaration when its Library object goes


def import_torchvision_datasets() -> ModuleType:
    """The module `torchvision.datasets`.

    Raises ImportError if torchvision is not installed, RuntimeError if it cannot be loaded for another reason
    than the missing compiled operators.
    """
    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error) or _declared:
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(operator + _BOXES)
    _declared.append(library)
    return importlib.import_module("torchvision.datasets")
