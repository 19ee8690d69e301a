"""Ready settings of long-tailed data sets, in two protocols.

held out     `cifar10-longtail`, ...: 50 images of each class (CIFAR-10: 500) leave for validation, the same
             ones whatever the seed and the tail, and the tail is cut from all that is left. For every table
             that chooses, and for the constraint, whose penalty follows validation
published    `cifar10-longtail-published`, ...: all images train, nothing is held out, the last epoch is
             scored, nothing is chosen. For rows that stand beside published ones

`ratio` is the tail's factor: examples of the first class per example of the last. CIFAR-50 is CIFAR-100's
50 even classes, whose tail is that part of CIFAR-100's (Cui et al., CVPR 2019). The critical classes are the
rarest: five of CIFAR-50 and CIFAR-100, two of CIFAR-10.

`breast-histopathology` is the medical case of the document on re-weighted sampling, split 60 / 20 / 20 by
patient (see the space `histopathology`). Its last epoch is scored.
"""

from __future__ import annotations

from search_spaces.config import (
    AugmentationConfig,
    Cifar10,
    Cifar100,
    Groups,
    ImageFolder,
    Imbalance,
    MultiClass,
    ResNet32,
    Sgd,
    SmallCnn,
    SourceConfig,
)

# Of factor 1, which is no tail: `ratio` sets the factor and leaves the profile.
_PART_OF_A_TAIL = Imbalance(profile="cui", factor=1)


def _task(
    source: SourceConfig,
    classes: range,
    critical: int,
    validation: int,
    imbalance: Imbalance | None = None,
) -> MultiClass:
    """All that is not held out trains. The last `critical` of the classes are critical."""
    return MultiClass(
        source=source,
        classes=tuple(classes),
        critical=tuple(classes)[-critical:],
        imbalance=imbalance,
        steering="macro_f1",
        validation_per_class=validation,
        train_share=1.0,
    )


# Patches without (0) and with (1) a tumour, below a folder per patient.
_HISTOPATHOLOGY = MultiClass(
    source=ImageFolder(folder="breast-histopathology", size=50, groups=Groups(level=1)),
    classes=("0", "1"),
    critical=("1",),
    steering="macro_f1",
    # Of the published patches about 772 without a tumour, as many as the document has.
    train_share=0.0065,
    validation_share=0.2,
    test_share=0.2,
)

# The task of each preset.
TASKS: dict[str, MultiClass] = {
    "cifar50-longtail": _task(Cifar100(), range(0, 100, 2), 5, 50, _PART_OF_A_TAIL),
    "cifar10-longtail": _task(Cifar10(), range(10), 2, 500),
    "cifar100-longtail": _task(Cifar100(), range(100), 5, 50),
    "cifar50-longtail-published": _task(Cifar100(), range(0, 100, 2), 5, 0, _PART_OF_A_TAIL),
    "cifar10-longtail-published": _task(Cifar10(), range(10), 2, 0),
    "cifar100-longtail-published": _task(Cifar100(), range(100), 5, 0),
    "breast-histopathology": _HISTOPATHOLOGY,
}

# The document on re-weighted sampling: cross-entropy, SGD, momentum 0.9, batches of 32, 50 epochs. It says
# nothing of weight decay, and its network is lost: ours is three blocks of 32, 64 and 128 channels.
_DOCUMENT: dict[str, object] = {
    "model": SmallCnn(width=32, blocks=3),
    "augmentation": AugmentationConfig(crop_padding=0, horizontal_flip=0.0),
    "optimizer": Sgd(learning_rate=1e-4, momentum=0.9, weight_decay=0.0),
    "epochs": 50,
    "patience": None,
    "batch_size": 32,
}
# Cao et al., NeurIPS 2019, as later papers on CIFAR's long tails have it.
_LITERATURE: dict[str, object] = {
    "model": ResNet32(),
    "augmentation": AugmentationConfig(crop_padding=4, horizontal_flip=0.5),
    "optimizer": Sgd(
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        nesterov=True,
        schedule="step",
        milestones=(160, 180),
        decay=0.01,
        warmup_epochs=5,
    ),
    "epochs": 200,
    "patience": None,
    "batch_size": 128,
}


_CHOSEN: dict[str, object] = {"scored": "best_epoch"}
_LAST: dict[str, object] = {"scored": "last"}

# Fields of TrialConfig by data set, but for its task.
_SETTINGS: dict[str, dict[str, object]] = {
    "cifar50-longtail": {**_DOCUMENT, **_CHOSEN},
    "cifar10-longtail": {**_LITERATURE, **_CHOSEN},
    "cifar100-longtail": {**_LITERATURE, **_CHOSEN},
    "cifar50-longtail-published": {**_DOCUMENT, **_LAST},
    "cifar10-longtail-published": {**_LITERATURE, **_LAST},
    "cifar100-longtail-published": {**_LITERATURE, **_LAST},
    "breast-histopathology": {**_DOCUMENT, **_LAST},
}
PRESETS: dict[str, dict[str, object]] = {
    name: {"data": TASKS[name], **settings} for name, settings in _SETTINGS.items()
}
