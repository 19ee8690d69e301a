"""What makes results on a task's data doubtful, though they can be trained on: too few of something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search_spaces.config import Task
from search_spaces.config.metrics import Rate, percent
from trainer.data.survey import Survey, class_name
from trainer.metrics.resolution import positives_to_resolve
from trainer.metrics.thresholds import LEAST_POSITIVES
from trainer.tasks.base import task_arrays

# Of the classes of one doubt so many are named.
_NAMED = 12


def doubts(task: Task, survey: Survey, rates: Sequence[Rate]) -> list[str]:
    """A line for each: positives for true positive rates, classes that a split lacks, classes nearly empty.

    `rates` are the true positive rates that are asked for.
    """
    held_out = {"validation": survey.validation.counts, "test": survey.test.counts}
    if not task.validates:
        del held_out["validation"]
    splits = {"training": survey.train, **held_out}
    lines = list(_in_few_splits(task, splits))
    for split, counts in splits.items():
        rare = [place for place, number in enumerate(counts) if 0 < number < LEAST_POSITIVES]
        if rare:
            named = [f"{class_name(task, place)} ({counts[place]})" for place in rare[:_NAMED]]
            more = f" and {len(rare) - _NAMED} more" if len(rare) > _NAMED else ""
            lines.append(f"nearly empty in {split} (fewer than {LEAST_POSITIVES}): {', '.join(named)}{more}")
    for split, counts in held_out.items():
        lines += _unresolved(task, split, counts, rates)
    return lines


def _in_few_splits(task: Task, splits: dict[str, tuple[int, ...]]) -> Iterator[str]:
    """Classes that a split lacks, or that stand in one alone."""
    for place in range(len(task.labels)):
        there = [split for split, counts in splits.items() if counts[place]]
        lacking = [split for split in splits if split not in there]
        if len(there) == 1:
            yield f"{class_name(task, place)} is in {there[0]} alone"
        elif there and lacking:
            yield f"{class_name(task, place)} is not in {' and '.join(lacking)}"


def _unresolved(task: Task, split: str, counts: Sequence[int], rates: Sequence[Rate]) -> Iterator[str]:
    """Columns with too few positives for the false positive rate at a true positive rate."""
    for name, positives in task_arrays(task).positives(counts).items():
        needs = []
        for rate in rates:
            least = positives_to_resolve(rate)
            if positives < least:
                needs.append(f"{least} for {percent(rate)} %")
        if needs:
            whose = "" if name == "positive" else f" of {name}"
            yield (
                f"too few positives{whose} in {split} for the asked TPR: {positives}, expected at least "
                f"{', '.join(needs)}; tables mark what is read there as not resolved"
            )
