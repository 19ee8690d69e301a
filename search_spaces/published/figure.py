"""What a published figure is, and of which trials it says something.

It stands beside rows of the same data, loss, sampler and augmentation, trained on all images and with nothing
held out: whatever was chosen on a part of the images is another thing. Nothing is selected by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from search_spaces.config import Task, TrialConfig
from search_spaces.labels import flat, spelled_out

# Source and classes by name; CIFAR-50 are the even classes of CIFAR-100.
_KNOWN = {
    "cifar10": ("cifar10", range(10)),
    "cifar50": ("cifar100", range(0, 100, 2)),
    "cifar100": ("cifar100", range(100)),
}


@dataclass(frozen=True)
class Published:
    """Figures of one row of a published table.

    source     who published them
    data       "cifar10", "cifar50", "cifar100", or what a space calls its own images by `label`
    tail       the long tail as a label has it ("cui 1:10"); None where the images are as they are
    steps      names of the augmentation's steps
    settings   by dotted name what else a trial must be; of several values one of them
    macro_f1   0 to 1; several where one configuration was published under several names
    accuracy   0 to 1, likewise
    """

    source: str
    data: str
    tail: str | None
    steps: frozenset[str]
    settings: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    macro_f1: tuple[float, ...] = ()
    accuracy: tuple[float, ...] = ()

    def is_of(self, config: TrialConfig) -> bool:
        """Whether a trial is what was published, as far as that is known."""
        data = config.data
        if data.validates or data.train_share != 1 or config.constraint is not None:
            return False
        if not _is_called(data, self.data) or (self.tail or "all data") != data.ratio_words():
            return False
        if _steps(config) != self.steps:
            return False
        known = flat({"trial": spelled_out(config)})
        return all(known.get(f"trial.{name}") in values for name, values in self.settings.items())


def _is_called(data: Task, name: str) -> bool:
    if name not in _KNOWN:
        return data.label == name
    source, classes = _KNOWN[name]
    return data.source.name == source and set(data.labels) == set(classes)


def _steps(config: TrialConfig) -> frozenset[str]:
    """Names of the augmentation's steps that do something."""
    augmentation = config.augmentation
    names = {step.name for step in augmentation.then}
    if augmentation.crop_padding:
        names.add("random_crop")
    if augmentation.horizontal_flip:
        names.add("horizontal_flip")
    return frozenset(names)
