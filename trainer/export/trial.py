"""A stored trial as an exported model: networks, thresholds, and how far the files are from the trainer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.config import TrialConfig
from search_spaces.errors import CheckpointError, InputError
from trainer import checkpoint
from trainer.data.pixels import Pixels
from trainer.data.sources.depth import Limits
from trainer.data.task import TaskData
from trainer.device.environment import library_versions, versions_of
from trainer.evaluate import replicate_outputs, weights_file
from trainer.export.files import (
    ONNX_FILE,
    ONNX_PACKAGES,
    TORCH_FILE,
    as_input,
    largest_difference,
    onnx_scorer,
    torch_scorer,
    write_files,
)
from trainer.export.folder import ModelFacts, ScaledBy
from trainer.export.network import exported_network
from trainer.metrics.ranking import Floats
from trainer.metrics.thresholds import ThresholdRule
from trainer.store import Done, Store
from trainer.store.outputs import outputs_of
from trainer.tasks.thresholds import Thresholds, choose_thresholds

# What every file has to agree with the trainer's float32 scores to.
TOLERANCE = 1e-4
# Images of noise by which a file is compared: nobody's data are needed for that.
COMPARED = 32


class Averaged(NamedTuple):
    """Ids [N], targets [N] or [N, L], and outputs [N] or [N, K] of a split, averaged over replicates.

    Sorted by id, as tables have them. And the hashed group of each example; None where there are no groups.
    """

    ids: NDArray[np.str_]
    targets: NDArray[np.int16]
    outputs: Floats
    groups: NDArray[np.str_] | None = None


@dataclass(frozen=True)
class Exported:
    """What of a trial leaves: its completed replicates, or one of them.

    done   their markers, by seed
    """

    config: TrialConfig
    store: Store
    done: dict[int, Done]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the replicates, ascending."""
        return tuple(sorted(self.done))

    def outputs(self, split: str) -> Averaged:
        """The stored outputs of a split ("val", "test"), averaged over the replicates."""
        parts = [outputs_of(self.store.replicates.read_scores(self.done[seed]), split) for seed in self.seeds]
        orders = [np.argsort(part.ids) for part in parts]
        rows = [part.outputs[order] for part, order in zip(parts, orders, strict=True)]
        mean: Floats = np.mean(rows, axis=0, dtype=np.float64)
        first, order = parts[0], orders[0]
        groups = None if first.groups is None else first.groups[order]
        return Averaged(first.ids[order], first.targets[order], mean, groups)

    def thresholds(self, rules: Sequence[ThresholdRule]) -> Thresholds:
        """Chosen on validation; none of data without a validation split."""
        if not self.config.data.validates:
            return Thresholds()
        found = self.outputs("val")
        return choose_thresholds(self.config.data, found.targets, found.outputs, rules)


def exported(config: TrialConfig, store: Store, seed: int | None) -> Exported:
    """A trial's completed replicates, or the one of `seed`. Raises CheckpointError where there is none."""
    ended = store.replicates.ended(config.trial_id)
    done = {number: one for number, one in ended.items() if one.state == "completed"}
    if seed is not None:
        done = {number: one for number, one in done.items() if number == seed}
    if not done:
        which = "a completed replicate" if seed is None else f"the completed replicate of seed {seed}"
        raise CheckpointError(f"trial {config.trial_id}: expected {which}, found none")
    return Exported(config, store, done)


def write_model(
    leaving: Exported,
    folder: Path,
    image_shape: tuple[int, int],
    *,
    rules: Sequence[ThresholdRule],
    limits: Limits | None,
    onnx: bool,
) -> ModelFacts:
    """Write a trial's networks to a folder, as one, and return what `model.json` is to say.

    image_shape   channels and side length

    Raises InputError where a written file differs by more than TOLERANCE from the trainer's float32 scores.
    """
    config = leaving.config
    shape = torch.Size((image_shape[0], image_shape[1], image_shape[1]))
    weights = []
    for seed in leaving.seeds:
        content = weights_file(leaving.store, leaving.done[seed])
        weights.append(checkpoint.load_weights(content, trial_id=config.trial_id, seed=seed))
    if len(weights[0].mean) != shape[0]:
        raise CheckpointError(
            f"trial {config.trial_id}: expected images of {len(weights[0].mean)} channels, found {shape[0]}"
        )
    network = exported_network(config, weights, shape)
    pixels = noise(shape)
    names = write_files(network, torch.from_numpy(as_input(pixels[:2])), folder, onnx=onnx)
    thresholds = leaving.thresholds(rules)
    classes = tuple(map(config.data.source.classes_told.name, config.data.labels))
    outputs: tuple[str, ...] = classes
    if leaving.outputs("test").outputs.ndim == 1:
        outputs = ("score",)
    versions = library_versions()
    if onnx:
        versions |= versions_of(*ONNX_PACKAGES)
    files = {}
    for name in names:
        files[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return ModelFacts(
        trial=config.trial_id,
        seeds=leaving.seeds,
        data=config.data,
        classes=classes,
        outputs=outputs,
        channels=shape[0],
        size=shape[1],
        limits=None if limits is None else ScaledBy(**limits._asdict()),
        mean=weights[0].mean,
        std=weights[0].std,
        thresholds=thresholds.chosen,
        not_resolved=thresholds.unresolved,
        difference=_differences(leaving, pixels, folder),
        files=files,
        versions=versions,
    )


def noise(shape: torch.Size) -> NDArray[np.uint8]:
    """COMPARED images of noise, uint8 [N, C, H, W], always the same."""
    return np.random.default_rng(1).integers(0, 256, (COMPARED, *shape), dtype=np.uint8)


def float32_outputs(leaving: Exported, pixels: Pixels) -> Floats:
    """The trainer's own float32 outputs of images uint8 [N, C, H, W], averaged over the replicates."""
    plain = leaving.config.model_copy(update={"precision": "float32"})
    rows = []
    for seed in leaving.seeds:
        rows.append(replicate_outputs(plain, leaving.store, leaving.done[seed], pixels, torch.device("cpu")))
    mean: Floats = np.mean(rows, axis=0, dtype=np.float64)
    return mean


def _differences(leaving: Exported, pixels: NDArray[np.uint8], folder: Path) -> dict[str, float]:
    """How far each file's outputs are from the trainer's; ONNX where onnxruntime is installed."""
    wanted = float32_outputs(leaving, Pixels(pixels))
    images = as_input(pixels)
    scorers = {TORCH_FILE: torch_scorer(folder / TORCH_FILE)}
    if (folder / ONNX_FILE).exists() and (runtime := onnx_scorer(folder / ONNX_FILE)) is not None:
        scorers[ONNX_FILE] = runtime
    found = {}
    for name, score in scorers.items():
        found[name] = largest_difference(score(images), wanted)
        if not found[name] <= TOLERANCE:
            raise InputError(
                f"trial {leaving.config.trial_id}: expected {name} within {TOLERANCE:g} of the trainer's "
                f"float32 scores, found a difference of {found[name]:g}; nothing was written"
            )
    return found


def stored_difference(leaving: Exported, data: TaskData) -> float:
    """How far the stored test outputs are from those in float32; of bf16 trials, what that changed."""
    order = np.argsort(data.test.ids.astype(np.str_))
    stored = leaving.outputs("test")
    computed = float32_outputs(leaving, data.test.pixels)[order]
    return largest_difference(computed, stored.outputs)
