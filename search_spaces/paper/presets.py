"""Ready settings per data set: the paper's binary tasks, BreastMNIST, and tasks on the embedded digits.

CIFAR-10 and CIFAR-100 follow the paper (Sangalli et al., NeurIPS 2021, section 4): the roles of the classes,
validation examples per class held out of the training set, SGD, ResNet-10, batches of 64, at most 100 epochs,
stop after 30 without a better validation AUROC. The paper's ratios are 100 and 200.
"""

from __future__ import annotations

from search_spaces.config import (
    AugmentationConfig,
    Binary,
    Cifar10,
    Cifar100,
    Digits,
    MedMnist,
    MultiClass,
    ResNet10,
    Sgd,
    SmallCnn,
    Task,
)

# The task of each preset. Without a ratio every class keeps all its training examples.
TASKS: dict[str, Task] = {
    # Negative: automobile. Positive: truck.
    "cifar10": Binary(source=Cifar10(), negative=(1,), positive=(9,), validation_per_class=100),
    # Negative: seal, beaver, whale, dolphin, otter. Positive: shark.
    "cifar100": Binary(
        source=Cifar100(), negative=(72, 4, 95, 30, 55), positive=(73,), validation_per_class=50
    ),
    # Negative: normal or benign. Positive: malignant. The published splits; every seed trains on all images.
    "breastmnist": Binary(
        source=MedMnist(subset="breastmnist"), negative=(1,), positive=(0,), train_share=1.0
    ),
    # Negative: digits that are taken for an 8. Positive: 8.
    "digits": Binary(
        source=Digits(), negative=(1, 2, 3, 5, 9), positive=(8,), validation_per_class=40, test_per_class=40
    ),
    # Negative: the other digits. Positive: 3, 8, 9, which are taken for each other and for many others. 180
    # positives in test and 60 in validation, so that 98 % of them are not all of them.
    "digits-critical": Binary(
        source=Digits(),
        negative=(0, 1, 2, 4, 5, 6, 7),
        positive=(3, 8, 9),
        validation_per_class=20,
        test_per_class=60,
    ),
    # All ten, 8 and 9 critical; a long tail makes these two the rarest.
    "digits-longtail": MultiClass(
        source=Digits(),
        classes=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        critical=(8, 9),
        validation_per_class=20,
        test_per_class=60,
    ),
}

_PAPER: dict[str, object] = {
    "model": ResNet10(width=64),
    "augmentation": AugmentationConfig(crop_padding=4, horizontal_flip=0.5),
    "epochs": 100,
    "patience": 30,
    "batch_size": 64,
}
# Learns in seconds on one core.
_DIGITS: dict[str, object] = {
    "optimizer": Sgd(learning_rate=0.05, momentum=0.9, weight_decay=2e-4),
    "augmentation": AugmentationConfig(crop_padding=1, horizontal_flip=0.0),
    "epochs": 12,
    "patience": None,
    "batch_size": 32,
}


def _paper_sgd(learning_rate: float) -> Sgd:
    return Sgd(learning_rate=learning_rate, momentum=0.9, weight_decay=2e-4)


# Fields of TrialConfig by data set.
PRESETS: dict[str, dict[str, object]] = {
    "cifar10": {"data": TASKS["cifar10"], "optimizer": _paper_sgd(0.01), **_PAPER},
    "cifar100": {"data": TASKS["cifar100"], "optimizer": _paper_sgd(0.001), **_PAPER},
    "breastmnist": {"data": TASKS["breastmnist"], "optimizer": _paper_sgd(0.01), **_PAPER},
    "digits": {"data": TASKS["digits"], "model": SmallCnn(width=16), **_DIGITS},
    # Narrower, so that the task is not solved and there is something to tell losses apart by.
    "digits-critical": {"data": TASKS["digits-critical"], "model": SmallCnn(width=8), **_DIGITS},
    "digits-longtail": {"data": TASKS["digits-longtail"], "model": SmallCnn(width=8), **_DIGITS},
}
