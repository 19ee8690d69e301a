"""Score a stored trial's weights on a data set again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.config import DEFAULT_TARGETS, Targets, Task, TrialConfig
from search_spaces.errors import CheckpointError, InputError
from trainer import checkpoint
from trainer.data.augmentation import Augmenter
from trainer.data.batches import parts_of
from trainer.data.pixels import Pixels
from trainer.data.task import TaskData
from trainer.losses.columns import task_tensors
from trainer.models.scoring import build_replicate_model, logits_of
from trainer.scored import mean_scores
from trainer.store import Done, Store, layout
from trainer.tasks.base import task_arrays


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a trial's weights on a split: of each replicate by seed, and of the averaged scores.

    classes    how many of the examples are of which class, in words
    targets    [N], as the task has them; of a task's split in the order in which tables have the examples
    outputs    float64 [N] or [N, K]: scores averaged over replicates, in the same order
    undefined  why metrics are NaN, or None
    groups     [N], the hashed group of each example, in the same order; None where there are no groups
    """

    replicates: Mapping[int, Mapping[str, float]]
    ensemble: Mapping[str, float]
    examples: int
    classes: str
    targets: NDArray[np.generic]
    outputs: NDArray[np.float64]
    undefined: str | None
    groups: NDArray[np.str_] | None = None


def evaluate(
    config: TrialConfig,
    store: Store,
    data: TaskData,
    device: torch.device,
    split: Literal["validation", "test"] = "test",
    rates: Targets = DEFAULT_TARGETS,
) -> Evaluation:
    """Score the stored weights of a trial's completed replicates on a split of `data`.

    A replicate's scores are averaged over its scored epochs, as when it ended.
    `rates` are those at which ROC curves are read.
    `data` may be another task's than the trial's, with images of the same size and channels. Images are
    normalised as in training. Raises InputError for a task of another kind, or of other classes where these
    are the network's outputs; CheckpointError when there are no weights, or when they are damaged or of
    another trial. It never starts afresh.
    """
    _check_task(config.data, data.task)
    chosen = data.validation if split == "validation" else data.test
    found = evaluate_images(config, store, chosen.pixels, chosen.targets.numpy(), device, rates)
    order = np.argsort(chosen.ids.astype(np.str_))
    groups = None if chosen.groups is None else chosen.groups[order]
    return replace(found, targets=found.targets[order], outputs=found.outputs[order], groups=groups)


def evaluate_images(
    config: TrialConfig,
    store: Store,
    pixels: Pixels,
    targets: NDArray[np.generic],
    device: torch.device,
    rates: Targets = DEFAULT_TARGETS,
) -> Evaluation:
    """Score the stored weights likewise on any images: uint8 [N, C, H, W], targets [N] as the task has them.

    Raises CheckpointError as `evaluate` does.
    """
    done = {seed: d for seed, d in store.replicates.ended(config.trial_id).items() if d.state == "completed"}
    if not done:
        raise CheckpointError(
            f"trial {config.trial_id}: expected stored weights of a finished trial below "
            f"{store.storage.path(layout.TRIALS)}, found none"
        )
    scores = {seed: replicate_outputs(config, store, done[seed], pixels, device) for seed in sorted(done)}
    arrays, at_zero = task_arrays(config.data, rates), config.loss.decides_at_zero
    mean: NDArray[np.float64] = np.mean(list(scores.values()), axis=0, dtype=np.float64)
    replicates = {}
    for seed, found in scores.items():
        replicates[seed] = arrays.summarize(targets, found, decides_at_zero=at_zero)
    return Evaluation(
        replicates=replicates,
        ensemble=arrays.summarize(targets, mean, decides_at_zero=at_zero),
        examples=len(targets),
        classes=arrays.count_words(targets),
        targets=targets,
        outputs=mean,
        undefined=arrays.undefined_reason(targets, mean),
    )


def without_weights(config: TrialConfig, store: Store) -> tuple[int, ...]:
    """The seeds of a trial that completed, and whose weights were not kept, ascending."""
    found = []
    for seed, done in store.replicates.ended(config.trial_id).items():
        if done.state == "completed" and not store.replicates.has_weights(done):
            found.append(seed)
    return tuple(sorted(found))


def _check_task(trained: Task, given: Task) -> None:
    """Raise InputError for a task whose targets are none of what the trial's network says."""
    if not trained.reads_targets_of(given):
        raise InputError(
            f"evaluate: expected a task as the trial's, {trained.kind} with the classes "
            f"{list(trained.labels)}, given {given.kind} with {list(given.labels)}"
        )


def replicate_outputs(
    config: TrialConfig,
    store: Store,
    done: Done,
    pixels: Pixels,
    device: torch.device,
) -> NDArray[np.float32]:
    """What one replicate's stored weights say of images uint8 [N, C, H, W], in the configuration's precision.

    Averaged over its scored epochs. Raises CheckpointError as `evaluate` does.
    """
    weights = checkpoint.load_weights(weights_file(store, done), trial_id=done.trial_id, seed=done.seed)
    channels = pixels.shape[1]
    if len(weights.mean) != channels:
        raise CheckpointError(
            f"weights of trial {done.trial_id} seed {done.seed} do not fit images of shape "
            f"{tuple(pixels.shape[1:])}: expected {len(weights.mean)} channels, found {channels}"
        )
    shape = torch.Size(pixels.shape[1:])
    model = build_replicate_model(config, shape, torch.Generator()).to(device)
    one = torch.zeros((1, *shape), dtype=torch.uint8, device=device)
    augmenter = Augmenter(one, config.augmentation, weights.mean, weights.std)
    tensors, scores = task_tensors(config, device), []
    for state in weights.models:
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(
                f"weights of trial {done.trial_id} seed {done.seed} do not fit images of shape "
                f"{tuple(pixels.shape[1:])}: {str(error).splitlines()[-1].strip()}"
            ) from error
        parts = (augmenter.eval_batch(part.to(device)) for part in parts_of(pixels))
        outputs = tensors.outputs(logits_of(model, parts, config.precision))
        scores.append(outputs.cpu().numpy())
    return mean_scores(scores)


def weights_file(store: Store, done: Done) -> bytes:
    """The stored weights of a replicate. Raises CheckpointError where they were not kept."""
    if not store.replicates.has_weights(done):
        raise CheckpointError(f"trial {done.trial_id} seed {done.seed}: its weights were not kept")
    return store.replicates.read_file(done, "weights")
