"""The folder of an exported model, and the file that says how it is used.

model.pt2      the network, as `torch.export` saves it
model.onnx     the same as ONNX; not with --no-onnx
model.json     what it takes, what its outputs are, and its thresholds: the entries below
MODEL_CARD.md  data, counts, metrics, intended use and limits
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from search_spaces.config import DataConfig, Frozen
from search_spaces.errors import InputError
from trainer.tasks.thresholds import NotResolved, Threshold

FACTS_FILE, CARD_FILE = "model.json", "MODEL_CARD.md"


class ScaledBy(Frozen):
    """The values that become 0 and 255, of images whose grey values have this depth ("16-bit")."""

    low: float
    high: float
    depth: str


class ModelFacts(Frozen):
    """What stands beside an exported network.

    format          of this file
    trial           id of the trial, and `seeds` whose networks are averaged
    data            the trial's task, with its classes
    classes         names of the task's classes or labels, in its order
    outputs         what the network's outputs are: "score", or a class or label each
    channels        of the images, and `size`, their side length
    input           what the network takes
    limits          how grey values of more than 8 bits become bytes, where that was by the training images
    mean            per channel, in 0..1 units, and the deviation `std`; the network normalises by itself
    thresholds      from which score on an example counts as positive
    not_resolved    thresholds that there were too few validation positives for
    difference      of each file from the trainer's float32 scores, largest |difference| / max(1, |score|)
    files           SHA-256 of each file
    versions        of what wrote them
    """

    format: Literal[1] = 1
    trial: str
    seeds: tuple[int, ...]
    data: DataConfig
    classes: tuple[str, ...]
    outputs: tuple[str, ...]
    channels: int
    size: int
    input: str = "images: float32 [N, channels, size, size] of values 0 to 1; normalised inside"
    limits: ScaledBy | None = None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    thresholds: tuple[Threshold, ...] = ()
    not_resolved: tuple[NotResolved, ...] = ()
    difference: dict[str, float]
    files: dict[str, str]
    versions: dict[str, str]


def read_facts(folder: Path) -> ModelFacts:
    """What a folder says of its model. Raises InputError where it is none."""
    path = folder / FACTS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{folder}: expected the folder of an exported model, with {FACTS_FILE}: {error}"
        ) from error
    try:
        return ModelFacts.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: expected what `almsweep export` writes, {where}: {first['msg']}"
        ) from error
