"""An exported model's scores of a folder's images, decoded and resized as the trial's own were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import InputError
from trainer.data.scaling import scaled_pixels
from trainer.data.sources.decode import EXTENSIONS, decode_image, decode_values
from trainer.data.sources.depth import Limits
from trainer.data.sources.faults import Unreadable
from trainer.data.sources.paths import name_below, readable
from trainer.export.files import ONNX_FILE, TORCH_FILE, Scorer, as_input, onnx_scorer, torch_scorer
from trainer.export.folder import ModelFacts, read_facts
from trainer.tasks.thresholds import column_scores

BATCH = 64


@dataclass(frozen=True)
class ExportedModel:
    """A model of a folder, ready to score: by onnxruntime where it is there, else by torch."""

    facts: ModelFacts
    score: Scorer


@dataclass
class Predictions:
    """What a model says of a folder's images, row by row, and what was found there.

    passed     files that are no images by their ending
    unreadable images that could not be decoded
    """

    model: ExportedModel
    folder: Path
    passed: int = 0
    unreadable: int = 0
    images: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError(f"predict: expected a folder of images, found none at {readable(self.folder)}")
        for path in sorted(self.folder.rglob("*")):
            if not path.is_file():
                continue
            if path.suffix.lower() in EXTENSIONS:
                self.images.append(path)
            else:
                self.passed += 1
        if not self.images:
            raise InputError(f"predict: expected images in {readable(self.folder)}, found none")

    @property
    def header(self) -> list[str]:
        """Names of the columns: file, an output each, a decision per threshold, and what went wrong."""
        facts = self.model.facts
        decisions = [f"{one.column}@{one.rule}" for one in facts.thresholds]
        highest = ["highest"] if facts.data.decides_by_highest else []
        return ["file", *facts.outputs, *highest, *decisions, "error"]

    def rows(self) -> Iterator[list[str]]:
        """A row per image, in the order of their names."""
        for start in range(0, len(self.images), BATCH):
            yield from self._batch(self.images[start : start + BATCH])

    def _batch(self, paths: list[Path]) -> Iterator[list[str]]:
        decoded: list[NDArray[np.uint8] | str] = []
        for path in paths:
            try:
                decoded.append(self._pixels(path))
            except Unreadable as error:
                self.unreadable += 1
                decoded.append(str(error))
        told = iter(self._told([one for one in decoded if not isinstance(one, str)]))
        for path, one in zip(paths, decoded, strict=True):
            name = name_below(self.folder, path)
            if isinstance(one, str):
                yield [name, *[""] * (len(self.header) - 2), one]
            else:
                yield [name, *next(told), ""]

    def _pixels(self, path: Path) -> NDArray[np.uint8]:
        facts, where = self.model.facts, readable(path)
        if facts.limits is None:
            return decode_image(path, where, facts.channels, facts.size)
        values, depth = decode_values(path, where, facts.channels, facts.size)
        if depth != facts.limits.depth:
            raise Unreadable(
                where, f"of another depth than the training images: {depth}, not {facts.limits.depth}"
            )
        limits = Limits(facts.limits.low, facts.limits.high, facts.limits.depth)
        pixels: NDArray[np.uint8] = scaled_pixels(values[None], limits)[0]
        return pixels

    def _told(self, pixels: list[NDArray[np.uint8]]) -> list[list[str]]:
        """Outputs and decisions of images, as text."""
        if not pixels:
            return []
        facts = self.model.facts
        images = as_input(np.stack(pixels))
        outputs = self.model.score(images)

        columns = [[f"{value:.7g}" for value in part] for part in outputs.reshape(len(images), -1).T]
        if facts.data.decides_by_highest:
            columns.append([facts.classes[place] for place in outputs.argmax(axis=1)])
        scores = column_scores(facts.data, outputs)
        for one in facts.thresholds:
            columns.append([str(int(score >= one.value)) for score in scores[one.column]])
        return [list(row) for row in zip(*columns, strict=True)]


def read_model(folder: Path) -> ExportedModel:
    """The model of a folder. Raises InputError where there is none, or it does not load."""
    facts = read_facts(folder)
    onnx = folder / ONNX_FILE
    score = onnx_scorer(onnx) if onnx.exists() else None
    return ExportedModel(facts, score or torch_scorer(folder / TORCH_FILE))
