"""The networks as configuration, told apart by `name`. They are built in `trainer.models`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from search_spaces.config.base import Frozen

Initialization = Literal["torch", "he_fan_out"]


class ResNet10(Frozen):
    """ResNet with basic blocks [1, 1, 1, 1] and `width`-2w-4w-8w channels; 3 x 3 stem, no max-pool.

    `initialization` says how the convolutions' first weights are drawn. "torch": torch's default, uniform
    with a = sqrt 5, variance 1 / (3 fan-in), which the paper's released code leaves as it is. "he_fan_out":
    normal with variance 2 / fan-out (He et al., ICCV 2015).

    It sets the effective learning rate: batch norm hides the weights' scale from the forward pass, but a
    step's effect goes with 1 / |w|^2. Under "he_fan_out" the rate is in effect 6 times smaller at first, 3
    times where a convolution doubles the channels, in all but the stem. CIFAR-100 1:100, BCE, width 16, 30
    epochs, seeds 1 to 3: test AUROC 0.720, 0.625 and 0.747, against 0.791, 0.683 and 0.794 with "torch"
    (docs/initial-weights.md).
    """

    name: Literal["resnet10"] = "resnet10"
    width: int = Field(default=64, ge=1, le=1024)
    initialization: Initialization = "torch"


class SmallCnn(Frozen):
    """Two 3 x 3 convolution blocks of `width` and 2 x `width` channels and a linear output.

    `initialization` is that of `ResNet10`, and has the same effect.
    """

    name: Literal["small_cnn"] = "small_cnn"
    width: int = Field(default=16, ge=1, le=1024)
    initialization: Initialization = "torch"


ModelConfig = Annotated[ResNet10 | SmallCnn, Field(discriminator="name")]
