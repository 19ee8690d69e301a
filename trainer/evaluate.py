"""Score a stored trial's weights on a data set again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.config import TrialConfig
from search_spaces.errors import CheckpointError
from trainer import checkpoint
from trainer.data.augmentation import Augmenter
from trainer.data.task import BinaryTask
from trainer.losses import binary as losses
from trainer.metrics import binary as metrics
from trainer.models.scoring import EVALUATION_BATCH, build_replicate_model, logits_of
from trainer.scored import mean_scores
from trainer.store import Done, Store, layout


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a trial's weights on a split: of each replicate by seed, and of the averaged scores."""

    replicates: Mapping[int, Mapping[str, float]]
    ensemble: Mapping[str, float]
    examples: int
    positives: int


def evaluate(
    config: TrialConfig,
    store: Store,
    task: BinaryTask,
    device: torch.device,
    split: Literal["validation", "test"] = "test",
) -> Evaluation:
    """Score the stored weights of a trial's completed replicates on a split of `task`.

    A replicate's scores are averaged over its scored epochs, as when it ended.
    `task` may be another one than the trial's, with images of the same size and channels. Images are
    normalised as in training. Raises CheckpointError when there are no weights, or when they
    are damaged or of another trial; never starts afresh.
    """
    chosen = task.validation if split == "validation" else task.test
    targets = chosen.targets.cpu().numpy()
    done = {seed: d for seed, d in store.replicates.ended(config.trial_id).items() if d.state == "completed"}
    if not done:
        raise CheckpointError(
            f"trial {config.trial_id}: expected stored weights of a finished trial below "
            f"{store.storage.path(layout.TRIALS)}, found none"
        )
    scores = {seed: _scores(config, store, done[seed], task, chosen.pixels, device) for seed in sorted(done)}
    at_zero = config.loss.decides_at_zero
    mean = np.mean(list(scores.values()), axis=0, dtype=np.float64)
    return Evaluation(
        replicates={
            seed: metrics.summarize(targets, s, decides_at_zero=at_zero) for seed, s in scores.items()
        },
        ensemble=metrics.summarize(targets, mean, decides_at_zero=at_zero),
        examples=len(targets),
        positives=int(targets.sum()),
    )


def _scores(
    config: TrialConfig,
    store: Store,
    done: Done,
    task: BinaryTask,
    pixels: torch.Tensor,
    device: torch.device,
) -> NDArray[np.float32]:
    weights = checkpoint.load_weights(_weights_file(store, done), trial_id=done.trial_id, seed=done.seed)
    model = build_replicate_model(config, task, torch.Generator()).to(device)
    augmenter = Augmenter(pixels[:1].to(device), config.augmentation, weights.mean, weights.std)
    scores = []
    for state in weights.models:
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(
                f"weights of trial {done.trial_id} seed {done.seed} do not fit images of shape "
                f"{tuple(pixels.shape[1:])}: {error}"
            ) from error
        parts = (augmenter.eval_batch(part.to(device)) for part in pixels.split(EVALUATION_BATCH))
        scores.append(losses.score(logits_of(model, parts, config.precision)).cpu().numpy())
    return mean_scores(scores)


def _weights_file(store: Store, done: Done) -> bytes:
    if not store.replicates.has_weights(done):
        raise CheckpointError(
            f"trial {done.trial_id} seed {done.seed}: its weights were not kept; "
            "train it with weights kept (--keep-weights all)"
        )
    return store.replicates.read_file(done, "weights")
