"""One door to a trial's examples, resident or streamed."""

from __future__ import annotations

import logging

import torch

from search_spaces.config import AugmentationConfig
from trainer.data.batches import Examples, ResidentExamples
from trainer.data.residency import streams
from trainer.data.streaming import StreamedExamples
from trainer.data.task import TaskData
from trainer.data.where import ImagesWhere

log = logging.getLogger(__name__)


def make_examples(
    data: TaskData,
    augmentation: AugmentationConfig,
    device: torch.device,
    where: ImagesWhere,
    *,
    target_dtype: torch.dtype,
    memory_format: torch.memory_format,
) -> Examples:
    """A task's examples, for whoever trains on them and scores them."""
    kind: type[ResidentExamples] | type[StreamedExamples] = ResidentExamples
    if streams(data, device, where):
        kind = StreamedExamples
        log.info("%s: images are read batch by batch", data.task.source.title)
    return kind(data, augmentation, device, target_dtype=target_dtype, memory_format=memory_format)
