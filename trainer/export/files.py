"""An exported network's files: `torch.export`'s and ONNX, and what scores images with them."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.errors import InputError
from trainer.export.network import ExportedNetwork

TORCH_FILE, ONNX_FILE = "model.pt2", "model.onnx"
# What writes ONNX; `onnxruntime`, which reads it, is needed by nobody.
ONNX_PACKAGES = ("onnx", "onnxscript")
INPUT, OUTPUT = "images", "outputs"

# From images float32 [N, C, H, W] of values 0 to 1 to outputs [N] or [N, K].
Scorer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def check_onnx_packages() -> None:
    """Raise InputError, with what installs them, where packages that write ONNX are missing."""
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"export: expected the packages {' and '.join(ONNX_PACKAGES)} to write ONNX, found no "
            f"{' and no '.join(missing)}; pip install 'almsweep[export]' brings them, --no-onnx does without"
        )


def write_files(network: ExportedNetwork, images: torch.Tensor, folder: Path, *, onnx: bool) -> list[str]:
    """Write the network's files to a folder; their names. `images` are two examples of what it takes."""
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        program = torch.export.export(network, (images,), dynamic_shapes={INPUT: {0: batch}})
        torch.export.save(program, folder / TORCH_FILE)
        if not onnx:
            return [TORCH_FILE]
        converted: Any = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
        )
        converted.save(folder / ONNX_FILE)
    return [TORCH_FILE, ONNX_FILE]


def torch_scorer(path: Path) -> Scorer:
    """The network of a file of `torch.export`. Raises InputError where it does not load."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = torch.export.load(path).module()
    except Exception as error:  # a damaged file may raise nearly anything
        raise InputError(f"{path}: expected a file of torch.export, could not load it: {error}") from error

    def score(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            outputs: NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
        return outputs

    return score


def onnx_scorer(path: Path) -> Scorer | None:
    """The network of an ONNX file; None where the package onnxruntime is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # likewise
        raise InputError(f"{path}: expected an ONNX file, could not load it: {error}") from error

    def score(images: NDArray[np.float32]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = session.run(None, {INPUT: images})[0]
        return outputs

    return score


def as_input(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a network takes, values 0 to 1, of images uint8."""
    return pixels.astype(np.float32) / np.float32(255)


def largest_difference(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """The largest |difference| / max(1, |wanted|) of two arrays of outputs; 0 of none.

    >>> largest_difference(np.array([1.0, 20.0]), np.array([1.5, 10.0]))
    1.0
    """
    if wanted.size == 0:
        return 0.0
    difference = np.abs(found.astype(np.float64) - wanted) / np.maximum(1, np.abs(wanted))
    return float(difference.max())
