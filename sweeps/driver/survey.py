"""Look at the data of a sweep's blocks on this machine, before anything trains.

Labels are looked at here. Pixels are decoded in a process of their own, `python -m sweeps.driver.survey`, as
neither torch nor a data set is to stay in the driver's memory; what is decoded goes into the node's cache.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from search_spaces.config import DataConfig, Task
from search_spaces.config.base import Frozen
from sweeps.child import answer, ask, tell
from trainer.data.survey import Finding, files_are_missing, look_at_labels
from trainer.options import TrialOptions


class Request(Frozen):
    """Which tasks to look at, and in which folder; of `if_there` only those whose files are there."""

    tasks: tuple[DataConfig, ...]
    if_there: tuple[DataConfig, ...]
    data_dir: str | None
    download: bool


class Answer(Frozen):
    """What was found of each task, in their order."""

    findings: tuple[Finding, ...]


def labels_here(tasks: Sequence[Task], options: TrialOptions) -> dict[Task, Finding]:
    """What labels tell of tasks; nothing of those whose files may have to be downloaded first."""
    known = list(tasks)
    if options.download:
        known = [task for task in tasks if not files_are_missing(task, options.data_dir)]
    return look_at_labels(known, options.data_dir)


def look_here(
    tasks: Sequence[Task],
    if_there: Sequence[Task],
    labels: Mapping[Task, Finding],
    options: TrialOptions,
    hear: Callable[[str], None] | None = None,
) -> dict[Task, Finding]:
    """All that is known of tasks, and of those of `if_there` whose files are there.

    `labels` are the findings of `labels_here`. Where these leave nothing to decode nothing is started. `hear`
    is told how far decoding is. Raises InputError where the process that decodes is killed.
    """
    found = dict(labels)
    hopeful = [task for task in tasks if task not in labels or labels[task].survey is not None]
    there = []
    for task in if_there:
        finding = labels.get(task)
        if task not in hopeful and finding is not None and finding.survey is not None:
            there.append(task)
    if not hopeful and not there:
        return found
    data_dir = None if options.data_dir is None else str(options.data_dir)
    request = Request(
        tasks=tuple(hopeful), if_there=tuple(there), data_dir=data_dir, download=options.download
    )
    told = Answer.model_validate_json(json.dumps(ask("sweeps.driver.survey", request, "the data", hear)))
    found.update(zip((*hopeful, *there), told.findings, strict=True))
    return found


def main() -> None:
    """Answer the request on standard input."""
    from trainer.data.decoding.progress import heard_by
    from trainer.data.survey_pixels import look_at_data

    request = Request.model_validate_json(sys.stdin.read())
    data_dir = None if request.data_dir is None else Path(request.data_dir)
    with heard_by(tell):
        findings = look_at_data(request.tasks, request.if_there, data_dir, download=request.download)
    answer(Answer(findings=tuple(findings)).model_dump(mode="json"))


if __name__ == "__main__":
    main()
