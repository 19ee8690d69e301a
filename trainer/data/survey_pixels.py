"""What only pixels tell of a trial's data: copies, images that cannot be read, and the hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from search_spaces.config import Task
from search_spaces.errors import DataError
from trainer.data.survey import Finding, Survey, by_data_set, files_are_missing, look_at_labels
from trainer.data.task import TaskData, load_task, read_splits
from trainer.tasks.label_sets import of_strata


def look_at_pixels(
    findings: Mapping[Task, Finding], data_dir: Path | None, *, download: bool = False
) -> dict[Task, Finding]:
    """The findings of labels with what pixels tell; a data set is decoded once for all of its ratios.

    Tasks whose labels have told a fault stay as they are.
    """
    found = dict(findings)
    feasible = [task for task, finding in findings.items() if finding.survey is not None]
    for whole, group in by_data_set(feasible):
        try:
            read_splits(whole, data_dir, download)  # kept, and shared by the tasks of the group
        except Exception as error:  # as in `look_at_labels`
            found.update(dict.fromkeys(group, Finding.of_error(error, whole, data_dir)))
            continue
        for task in group:
            try:
                data = load_task(task, data_dir, download=download)
            except DataError as error:
                found[task] = Finding(fault=str(error))
            else:
                found[task] = Finding(survey=_with_pixels(findings[task].survey, data))
    return found


def look_at_data(
    tasks: Sequence[Task], if_there: Sequence[Task], data_dir: Path | None, *, download: bool = False
) -> list[Finding]:
    """All that labels and pixels tell of tasks, and then of those of `if_there` whose files are there.

    Of the others the finding is that they are missing. A data set is decoded once for all of both.
    """
    asked = list(tasks)
    for task in if_there:
        if task not in asked and not files_are_missing(task, data_dir):
            asked.append(task)
    labels = look_at_labels(asked, data_dir, download=download)
    found = look_at_pixels(labels, data_dir, download=download)
    absent = Finding(fault="not there", is_missing=True)
    return [found.get(task, absent) for task in (*tasks, *if_there)]


def _with_pixels(survey: Survey | None, data: TaskData) -> Survey:
    if survey is None:
        raise AssertionError("data of a task of which labels have told a fault")
    splits = data.splits
    groups = []
    for part in (splits.pool, splits.validation, splits.test):
        if part.groups is not None:
            groups.append(len(np.unique(part.groups)))
    sets = data.task.has_label_sets
    held_out = {}
    for name in ("validation", "test"):
        its = {"counts": getattr(splits.sizes, name), "images": len(getattr(splits, name)) if sets else None}
        held_out[name] = getattr(survey, name).model_copy(update=its)
    return survey.model_copy(
        update={
            "train": data.label_counts,
            "sizes": of_strata(splits.strata.sets, splits.strata.sizes),
            **held_out,
            "drawn": sum(data.counts) if sets else None,
            # Listed just now; a cached entry does not know of files that are no images.
            "left_out": (*survey.left_out, *splits.copies),
            "groups": tuple(groups),
            "sha256": data.sha256,
        }
    )
