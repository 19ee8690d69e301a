"""The device on which a command without Ray computes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from search_spaces.errors import InputError

Device = Annotated[
    str | None, typer.Option("--device", help="cpu or cuda; default: a GPU where there is one.")
]


def chosen_device(name: str | None, threads: int) -> Any:
    """The device of this name, or the first GPU, or the CPU, prepared for so many threads.

    Raises InputError for another name, and for a GPU where there is none.
    """
    import torch

    from trainer.device.cpu import prepare_cpu
    from trainer.device.environment import default_device

    prepare_cpu(threads)
    if name is None:
        return default_device()
    if name not in ("cpu", "cuda"):
        raise InputError(f"--device: expected cpu or cuda, given {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device: this machine offers torch no CUDA device")
    return torch.device(name)
