"""What is said of a sweep's data before it trains: a few lines per data set, one more per ratio."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from search_spaces.config import HeldOutName, Task, number
from search_spaces.errors import AlmsweepError, DataError
from search_spaces.labels import BlockLabels
from search_spaces.words import count, size
from sweeps.driver.data_check import faults_of
from sweeps.driver.survey import labels_here
from trainer.data.decoding.disk import decoded_need
from trainer.data.survey import Finding, HeldOutFacts, Survey, by_data_set, class_name
from trainer.options import TrialOptions

# Of a data set so many ratios have a line, and so many classes a number each.
SHOWN_RATIOS = 6
SHOWN_CLASSES = 12
# Decoded images of fewer bytes are not worth a line.
WORTH_SAYING = 100 * 1000**2


@dataclass(frozen=True)
class PlannedData:
    """What is said of the data of a sweep that is planned.

    exit_code   1 where some of its blocks cannot be trained, 2 where none can
    """

    lines: list[str]
    exit_code: int


def planned_data(tasks: Sequence[Task], options: TrialOptions) -> PlannedData:
    """What labels tell of tasks where their files are here; nothing is downloaded or decoded.

    Of files that are missing a line says so, where a data directory is given.
    """
    findings = labels_here(tasks, options)
    faults = faults_of(findings)
    told, lines = {}, []
    for task, finding in findings.items():
        if not finding.is_missing:
            told[task] = finding
        elif options.data_dir is not None and finding.fault is not None:
            lines.append(f"data are not here: {finding.fault}")
    hopeless = [task for task in told if task in faults]
    code = 0
    if hopeless:
        code = DataError.exit_code if len(hopeless) == len(tasks) else AlmsweepError.exit_code
    return PlannedData([*dict.fromkeys(lines), *data_lines(told, faults), *disk_lines(told)], code)


def data_lines(
    findings: Mapping[Task, Finding],
    faults: Mapping[Task, str],
    details: Mapping[Task, Sequence[str]] | None = None,
) -> list[str]:
    """What was found of tasks, data set by data set; `faults` say why some cannot be trained.

    `details` are further lines of a data set, by the first of its tasks.
    """
    lines, names = [], BlockLabels(findings)
    details = details or {}
    data_sets = list(by_data_set(list(findings)))
    # Its tasks differ in their share alone.
    titles = BlockLabels(tasks[0].with_ratio(None) for _, tasks in data_sets)
    for _, tasks in data_sets:
        told = [(task, survey) for task in tasks if (survey := findings[task].survey) is not None]
        more = details.get(tasks[0], ())
        if told or more:
            lines.append(f"data {titles.data_set(tasks[0])}")
        if told:
            lines += _data_set_lines(told)
        lines += more
        for reason, blocks in _by_reason(tasks, faults, names).items():
            lines.append(f"cannot be trained: {', '.join(blocks)}: {reason}")
    return lines


def not_comparable_lines(tasks: Collection[Task], findings: Mapping[Task, Finding]) -> list[str]:
    """Which tasks have results, and data that are there and cannot be read: nobody can compare them."""
    faults = {}
    for task in tasks:
        finding = findings.get(task)
        if finding is not None and finding.fault is not None and not finding.is_missing:
            faults[task] = finding.fault
    lines, names = [], BlockLabels(faults)
    for reason, blocks in _by_reason(list(faults), faults, names).items():
        lines.append(f"not compared with the data of stored results: {', '.join(blocks)}: {reason}")
    return lines


def _data_set_lines(told: Sequence[tuple[Task, Survey]]) -> list[str]:
    """Where validation and test come from, what each ratio trains on, and what was left out."""
    lines, (task, survey) = [], told[0]
    names: tuple[HeldOutName, ...] = ("test", "validation")
    for name in names:
        lines.append(f"  {name:11} {_held_out(name, getattr(survey, name), task)}")
    if survey.groups:
        lines.append(f"  {'groups':11} {_groups(survey.groups)}")
    for task, its in told[:SHOWN_RATIOS]:
        lines.append(f"  {'training':11} {_training(task, its)}")
    if len(told) > SHOWN_RATIOS:
        lines.append(f"  {'':11} and {len(told) - SHOWN_RATIOS} more ratios")
    for part in survey.left_out:
        lines.append(f"  {'left out':11} {part}")
    return lines


def disk_lines(findings: Mapping[Task, Finding]) -> list[str]:
    """What decoded images take in this node's cache: a line per data set that takes much, or too much."""
    lines: dict[str, None] = {}
    for task, finding in findings.items():
        if finding.survey is None:
            continue
        found = decoded_need(task.source, finding.survey.images)
        if found is None or (found.need < WORTH_SAYING and not found.is_too_much):
            continue
        state = "they are there" if found.is_there else f"{size(found.free)} free"
        lack = ": TOO LITTLE; ALMSWEEP_CACHE names another folder" if found.is_too_much else ""
        took = f"{size(found.need)} of decoded images of {task.title} in {found.folder}"
        lines[f"disk: {took} ({state}){lack}"] = None
    return list(lines)


def _groups(counts: Sequence[int]) -> str:
    training, validation, test = counts
    return f"{training:,} in training, {validation:,} in validation, {test:,} in test; none in two of them"


def _held_out(name: HeldOutName, facts: HeldOutFacts, task: Task) -> str:
    words, drawn = per_class(task, facts.counts, images=facts.images), task.drawn(name)
    if not facts.drawn or drawn is None:
        return f"{words}: the data set's own {name} split"
    if any(facts.counts):
        words += f": drawn from the training images ({drawn.key})"
    else:
        words = f"none, so nothing is selected by it ({name}_per_class 0)"
    if facts.replaced is not None:
        words += f" in place of the data set's own split of {facts.replaced:,}"
    return words


def _training(task: Task, survey: Survey) -> str:
    given = per_class(task, survey.train, survey.sizes, images=survey.drawn)
    share = "" if task.train_share == 1 else f" (train_share {number(task.train_share)})"
    return f"{task.ratio_words()}: {given}{share}"


def per_class(
    task: Task, counts: Sequence[int], sizes: Sequence[int] | None = None, images: int | None = None
) -> str:
    """Counts of classes in words: "benign 40, malignant 9", "20 of each of 10 classes".

    With `sizes` each is told as one of so many: "benign 36 of 40". With `images`, how many there are in all
    of a task with label sets, each has its share: "300 images: hernia 6 (2.0 %), mass 17 (5.7 %)".
    """
    if images is not None:
        return f"{count(images, 'image')}: {_per_label(task, counts, sizes, images)}"
    if sizes is None and len(counts) > 2 and len(set(counts)) == 1:
        return f"{counts[0]:,} of each of {len(counts)} classes"
    if len(counts) > SHOWN_CLASSES and len(set(counts)) == 1:
        return f"{counts[0]:,} of each of {len(counts)} classes, {sum(counts):,} in all"
    if len(counts) > SHOWN_CLASSES:
        return f"{min(counts):,} to {max(counts):,} of each of {len(counts)} classes, {sum(counts):,} in all"
    parts = []
    for position in range(len(task.labels)):
        of_all = "" if sizes is None else f" of {sizes[position]:,}"
        parts.append(f"{_name(task, position)} {counts[position]:,}{of_all}")
    return ", ".join(parts)


def _per_label(task: Task, counts: Sequence[int], sizes: Sequence[int] | None, images: int) -> str:
    """How many of the images have each label, and which share that is; of many labels the two ends."""
    shares = [f"{100 * count / max(images, 1):.1f} %" for count in counts]
    if len(counts) > SHOWN_CLASSES:
        told = list(zip(counts, shares, strict=True))
        (least, few), (most, many) = min(told), max(told)
        return f"{least:,} ({few}) to {most:,} ({many}) with each of {len(counts)} labels"
    parts = []
    for position in range(len(task.labels)):
        of_all = "" if sizes is None else f" of {sizes[position]:,}"
        parts.append(f"{_name(task, position)} {counts[position]:,}{of_all} ({shares[position]})")
    return ", ".join(parts)


def _name(task: Task, place: int) -> str:
    """What a class is called before a number: its name, or "class 8:"."""
    name = class_name(task, place)
    return name if name == task.source.classes_told.name(task.labels[place]) else f"{name}:"


def _by_reason(tasks: Sequence[Task], faults: Mapping[Task, str], names: BlockLabels) -> dict[str, list[str]]:
    """The blocks that cannot be trained, by the reason that they have in common."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        if task in faults:
            found.setdefault(faults[task], []).append(names.block(task))
    return found
