"""A long look at a sweep's data, in a process of its own: survey, headers, copies, and sheets of examples.

As `sweeps.driver.survey` it keeps torch and the data out of the caller's memory: `python -m
sweeps.driver.data_look` reads a request and gives an answer.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.config import AugmentationConfig, DataConfig, Task
from search_spaces.config.base import Frozen
from search_spaces.errors import InputError, StoreError
from search_spaces.labels import BlockLabels
from search_spaces.policies import policy_name
from sweeps.child import answer, ask, tell
from trainer.data.look import Look, look_at
from trainer.data.survey import Finding, by_data_set
from trainer.options import TrialOptions

if TYPE_CHECKING:
    from trainer.data.sheet import Row

_NO_NAME = re.compile(r"[^\w.+-]+")
# Longer names of files are cut.
_LONGEST = 80
# Of images with label sets those with none of them.
_WITHOUT = "none of these"


class Request(Frozen):
    """Which tasks to look at, and in which folder.

    sheets     where sheets are written
    policies   of each data set, in the order of `by_data_set`, the augmentations that have a sheet each
    """

    tasks: tuple[DataConfig, ...]
    policies: tuple[tuple[AugmentationConfig, ...], ...]
    data_dir: str | None
    download: bool
    sheets: str


class Seen(Frozen):
    """What was looked at of a data set, None where its labels cannot be read; and its sheets."""

    look: Look | None
    sheets: tuple[str, ...] = ()


class Answer(Frozen):
    """A finding per task, in their order, and what was seen of each data set, in that of `by_data_set`."""

    findings: tuple[Finding, ...]
    seen: tuple[Seen, ...]


def look_long(
    tasks: Sequence[Task],
    policies: Sequence[Sequence[AugmentationConfig]],
    sheets: Path,
    options: TrialOptions,
    hear: Callable[[str], None] | None = None,
) -> Answer:
    """All that is told of tasks. `hear` is told how far decoding is.

    Raises InputError where the process that looks is killed, or sheets cannot be written.
    """
    request = Request(
        tasks=tuple(tasks),
        policies=tuple(map(tuple, policies)),
        data_dir=None if options.data_dir is None else str(options.data_dir),
        download=options.download,
        sheets=str(sheets),
    )
    return Answer.model_validate_json(json.dumps(ask("sweeps.driver.data_look", request, "the data", hear)))


def look(request: Request) -> Answer:
    """What a request asks for. Raises InputError where a sheet cannot be written."""
    from trainer.data.sheet import example_rows
    from trainer.data.survey_pixels import look_at_data
    from trainer.data.task import read_splits

    data_dir = None if request.data_dir is None else Path(request.data_dir)
    tasks = list(request.tasks)
    findings = dict(zip(tasks, look_at_data(tasks, (), data_dir, download=request.download), strict=True))
    seen = []
    data_sets = list(by_data_set(tasks))
    titles = BlockLabels(group[0].with_ratio(None) for _, group in data_sets)
    for (whole, group), policies in zip(data_sets, request.policies, strict=True):
        splits = None
        if any(findings[task].survey is not None for task in group):
            splits = read_splits(whole, data_dir, request.download)
        found = look_at(whole, data_dir, splits)
        sheets: list[str] = []
        if splits is not None:
            title = titles.data_set(group[0])
            sheets = _write_sheets(whole, title, example_rows(splits), policies, Path(request.sheets))
        seen.append(Seen(look=found, sheets=tuple(sheets)))
    return Answer(findings=tuple(findings[task] for task in tasks), seen=tuple(seen))


def _write_sheets(
    task: Task, title: str, rows: Sequence[Row], policies: Sequence[AugmentationConfig], folder: Path
) -> list[str]:
    """A sheet of the images as they are, and one per policy; returns the files."""
    from analysis.render.contact import SheetRow, contact_sheet
    from analysis.render.images import png
    from analysis.tables import write_whole
    from trainer.data.sheet import augmented

    versions = [(_file_name(title), f"{title}: training images", rows)]
    for policy in policies:
        name = policy_name(policy)
        versions.append((_file_name(title, name), f"{title}: {name}", augmented(rows, policy)))
    files: list[str] = []
    for name, head, its in versions:
        named = []
        for row in its:
            words = _WITHOUT if row.place is None else task.source.classes_told.name(task.labels[row.place])
            named.append(SheetRow(words, row.pixels))
        path = folder / f"{name}.png"
        if str(path) in files:  # names that differ in what no file is called by
            path = path.with_stem(f"{path.stem}-{len(files)}")
        try:
            files.append(str(write_whole(path, png(contact_sheet(named, title=head)))))
        except StoreError as error:  # no result store is at fault
            raise InputError(f"--sheets: {error}") from None
    return files


def _file_name(*words: str) -> str:
    """Words as a file's name: letters, digits and few signs."""
    return "-".join(_NO_NAME.sub("-", word).strip("-") for word in words)[:_LONGEST]


def main() -> None:
    """Answer the request on standard input."""
    from search_spaces.errors import AlmsweepError
    from trainer.data.decoding.progress import heard_by

    request = Request.model_validate_json(sys.stdin.read())
    with heard_by(tell):
        try:
            found = look(request)
        except AlmsweepError as error:
            answer({"error": str(error)})
            return
    answer(found.model_dump(mode="json"))


if __name__ == "__main__":
    main()
