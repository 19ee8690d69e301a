"""Mosaics with the document's prevalences, and its recipe.

The document: 224,000 images, four labels A to D on 19,000, 65,000, 38,000 and 105,000 of them; A and C are
found almost never. DenseNet-121 with Adam, 1e-4 divided by ten after every epoch, four epochs.
"""

from __future__ import annotations

from search_spaces.config import (
    Adam,
    AugmentationConfig,
    Cifar10Mosaic,
    DigitMosaic,
    MultiLabel,
    ResNet10,
    Sgd,
    SmallCnn,
)

# Of A, B, C and D.
PREVALENCES = (0.085, 0.29, 0.17, 0.469)

_DIGITS = DigitMosaic(classes=(8, 3, 9, 0), prevalences=PREVALENCES, train=2400, validation=800, test=800)
# Cat, ship, horse, frog.
_CIFAR10 = Cifar10Mosaic(
    classes=(3, 8, 7, 6), prevalences=PREVALENCES, train=20_000, validation=5_000, test=5_000
)


def _task(source: DigitMosaic | Cifar10Mosaic) -> MultiLabel:
    """A and C are critical."""
    first, _, third, _ = source.classes
    return MultiLabel(source=source, classes=source.classes, critical=(first, third))


# The task of each preset.
TASKS: dict[str, MultiLabel] = {
    "digits-multilabel": _task(_DIGITS),
    "cifar10-multilabel": _task(_CIFAR10),
}

# Fields of TrialConfig by data set. A digit learns in seconds on one core.
PRESETS: dict[str, dict[str, object]] = {
    "digits-multilabel": {
        "data": TASKS["digits-multilabel"],
        "model": SmallCnn(width=16),
        "optimizer": Sgd(learning_rate=0.05, momentum=0.9, weight_decay=2e-4),
        "augmentation": AugmentationConfig(crop_padding=0, horizontal_flip=0.0),
        "epochs": 12,
        "patience": None,
        "batch_size": 32,
    },
    "cifar10-multilabel": {
        "data": TASKS["cifar10-multilabel"],
        "model": ResNet10(width=64),
        "optimizer": Adam(learning_rate=1e-4, schedule="exponential"),
        "augmentation": AugmentationConfig(crop_padding=4, horizontal_flip=0.5),
        "epochs": 10,
        "patience": None,
        "batch_size": 64,
    },
}
