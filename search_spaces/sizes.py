"""How large a trial is, by arithmetic alone: what a plan needs to know without loading torch."""

from __future__ import annotations

from search_spaces.config import Source, TrialConfig

BYTES_PER_FLOAT = 4
# Generous: interpreter and libraries; copies of each replicate's weights (gradient, momentum, a scored epoch,
# a checkpoint in the making), and of each further scored epoch (held, and in the checkpoint); feature maps of
# `Model.map_size` per training image, or evaluation batch.
PROCESS_BYTES = 2 * 1000**3
COPIES_OF_WEIGHTS = 24
COPIES_OF_SCORED = 8
TRAINED_MAPS = 60
EVALUATED_MAPS = 4 * 512
# Channels and side length where only the files tell: grey and 28 x 28, as most of MedMNIST.
ASSUMED_SHAPE = (1, 28)


def image_shape(source: Source) -> tuple[int, int]:
    """Channels and side length of a source's images, or an assumption where only reading them tells."""
    return source.image_shape or ASSUMED_SHAPE


def output_count(config: TrialConfig) -> int:
    """How many outputs a trial's network has."""
    return config.loss.output_count(len(config.data.labels))


def weight_count(config: TrialConfig) -> int:
    """Number of trained weights of a trial's network."""
    channels, size = image_shape(config.data.source)
    return config.model.weight_count(
        channels=channels, image_size=size, outputs=output_count(config), head=config.loss.head
    )


def roomy_bytes(config: TrialConfig) -> int:
    """More host memory than a trial with all its replicates takes, by arithmetic.

    It orders trials by size, and tells where memory is so ample that a measurement would change nothing. It
    is no packing rule: where memory could be short, it is measured.
    """
    _, size = image_shape(config.data.source)
    maps = max(TRAINED_MAPS * config.batch_size, EVALUATED_MAPS)
    copies = COPIES_OF_WEIGHTS + COPIES_OF_SCORED * (config.scored_epochs - 1)
    replicates = copies * weight_count(config) * len(config.seeds)
    return PROCESS_BYTES + BYTES_PER_FLOAT * (replicates + maps * config.model.map_size(size))
