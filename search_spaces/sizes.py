"""How large a network is, by arithmetic alone: what a plan needs to know without loading torch."""

from __future__ import annotations

from search_spaces.config import (
    Cifar10,
    Cifar100,
    Digits,
    MedMnist,
    ModelConfig,
    SmallCnn,
    Source,
    TrialConfig,
)

BYTES_PER_FLOAT = 4
# Generous: interpreter and libraries; copies of each replicate's weights (gradient, momentum, a scored epoch,
# a checkpoint in the making), and of each further scored epoch (held, and in the checkpoint); feature maps of
# `width` x `size`^2 per training image, or evaluation batch.
PROCESS_BYTES = 2 * 1000**3
COPIES_OF_WEIGHTS = 24
COPIES_OF_SCORED = 8
TRAINED_MAPS = 60
EVALUATED_MAPS = 4 * 512


def image_shape(source: Source) -> tuple[int, int]:
    """Channels and side length of a source's images. MedMNIST files differ: grey, 28 x 28, is assumed."""
    if isinstance(source, Cifar10 | Cifar100):
        return 3, 32
    if isinstance(source, Digits):
        return 1, 8
    return (1, 28) if isinstance(source, MedMnist) else (source.channels, source.size)


def weight_count(config: TrialConfig) -> int:
    """Number of trained weights of a trial's network; LDAM's head has two outputs and no bias."""
    channels, size = image_shape(config.data.source)
    features = backbone_features(config.model, size)
    head = 2 * features if config.loss.name == "ldam" else features + 1
    return backbone_weights(config.model, channels) + head


def roomy_bytes(config: TrialConfig) -> int:
    """More host memory than a trial with all its replicates takes, by arithmetic.

    It orders trials by size, and tells where memory is so ample that a measurement would change nothing. It
    is no packing rule: where memory could be short, it is measured.
    """
    _, size = image_shape(config.data.source)
    maps = max(TRAINED_MAPS * config.batch_size, EVALUATED_MAPS)
    copies = COPIES_OF_WEIGHTS + COPIES_OF_SCORED * (config.scored_epochs - 1)
    replicates = copies * weight_count(config) * len(config.seeds)
    return PROCESS_BYTES + BYTES_PER_FLOAT * (replicates + maps * config.model.width * size**2)


def backbone_features(model: ModelConfig, size: int) -> int:
    """Number of inputs of the output layer, for images of `size` x `size`."""
    if isinstance(model, SmallCnn):
        return 2 * model.width * (size // 4) ** 2
    return 8 * model.width


def backbone_weights(model: ModelConfig, channels: int) -> int:
    """Number of trained weights before the output layer: 3 x 3 convolutions without bias, and batch norms."""
    width = model.width
    weights = _convolution(channels, width)
    if isinstance(model, SmallCnn):
        return weights + _convolution(width, 2 * width)
    inputs = width
    for outputs in (width, 2 * width, 4 * width, 8 * width):
        weights += _convolution(inputs, outputs) + _convolution(outputs, outputs)
        if inputs != outputs:
            weights += inputs * outputs + 2 * outputs
        inputs = outputs
    return weights


def _convolution(inputs: int, outputs: int) -> int:
    return 9 * inputs * outputs + 2 * outputs
