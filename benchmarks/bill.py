"""What the paper's studies cost at a measured rate: training images of a search space, and hours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from search_spaces.config import Cifar10, Cifar100, ResNet10, Task, TrialConfig
from search_spaces.errors import InputError
from search_spaces.spaces.paper import paper
from search_spaces.spaces.two_stage import paper_two_stage, stand_ins
from trainer.tasks.base import task_arrays

# Krizhevsky 2009: published training images of each class.
PER_CLASS = {"cifar10": 5000, "cifar100": 500}


def studies() -> dict[str, list[TrialConfig]]:
    """The studies by name: the whole space `paper`, and its two-stage version, whose second stage is told by
    stand-ins: which loss a row sends there depends on results, what it costs does not."""
    first = paper_two_stage().trials
    return {"paper": list(paper()), "two-stage": [*first, *stand_ins(first)]}


def train_images(data: Task) -> int:
    """Training images of one epoch of one replicate. Raises InputError for anything but CIFAR."""
    if not isinstance(data.source, Cifar10 | Cifar100):
        raise InputError(f"training images of {data.source.name}: known without reading it for CIFAR only")
    size = PER_CLASS[data.source.name] - (data.validation_per_class or 0) - (data.test_per_class or 0)
    sizes = [size] * len(data.labels)
    return sum(task_arrays(data).class_counts(sizes, sizes, data.source.name))


def workload(trials: Iterable[TrialConfig]) -> dict[str, Any]:
    """Trials, replicates and training images (all epochs, without early stopping), with and without the
    constraint; and the width of the network, which all must share."""
    totals: dict[str, Any] = {"trials": 0, "replicates": 0, "constrained_images": 0, "other_images": 0}
    widths = set()
    for trial in trials:
        images = train_images(trial.data) * trial.epochs * len(trial.seeds)
        totals["trials"] += 1
        totals["replicates"] += len(trial.seeds)
        totals["other_images" if trial.constraint is None else "constrained_images"] += images
        widths.add(trial.model.width if isinstance(trial.model, ResNet10) else None)
    if len(widths) != 1 or None in widths:
        raise InputError(f"a bill needs trials of one ResNet-10, given widths {widths}")
    return {**totals, "width": widths.pop()}


def hours(work: Mapping[str, Any], rates: Mapping[bool, float], trial_overhead: float) -> dict[str, float]:
    """Device hours of a workload.

    rates            images per second of whole epochs, by whether the constraint is on; one stands for both
    trial_overhead   seconds per trial of all that is not training, while the device waits

    The overhead's share (0 to 1) stands beside the hours.
    """
    known = next(iter(rates.values()))
    training = work["constrained_images"] / rates.get(True, known)
    training += work["other_images"] / rates.get(False, known)
    overhead = work["trials"] * trial_overhead
    return {"hours": (training + overhead) / 3600, "overhead_share": overhead / (training + overhead)}
