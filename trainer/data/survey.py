"""What labels tell of a trial's data before anything is decoded; imports no torch.

Which split is taken from where, how many examples of each class there are, what was passed over, and whether
the task can be trained at all. What only pixels tell is added in `trainer.data.survey_pixels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from pathlib import Path

from search_spaces.config import Frozen, HeldOutName, Task
from search_spaces.errors import DataError, InputError
from trainer.data.held_out import Taken, count_classes
from trainer.data.sources.faults import Malformed
from trainer.data.sources.images import LeftOut, Listing, with_left_out
from trainer.data.sources.read import list_source, source_files
from trainer.data.splits import divide_listing, train_counts
from trainer.tasks.label_sets import of_strata, strata


class HeldOutFacts(Frozen):
    """Where validation or test come from.

    counts      of each class
    drawn       whether they are drawn from the training images, as opposed to the data set's own split
    replaced    how many images the data set's own split has that is left out for it; None where it has none
    images      how many images it has, of a task with label sets, whose counts overlap; None of others
    """

    counts: tuple[int, ...]
    drawn: bool
    replaced: int | None = None
    images: int | None = None


class Survey(Frozen):
    """What is known of a task's data; counts are of each class, in the order of the task's labels.

    train       how many of them a seed draws
    sizes       how many there are to train on: without held out ones
    left_out    what was passed over, or is a copy, and why
    groups      how many groups training, validation and test have; empty of a source without groups
    images      how many images all splits have, those that are left out of them included
    drawn       how many images a seed draws, of a task with label sets, whose counts overlap; None of others
    sha256      the hash of the data, as results name it; None while nothing was decoded
    """

    train: tuple[int, ...]
    sizes: tuple[int, ...]
    validation: HeldOutFacts
    test: HeldOutFacts
    left_out: tuple[LeftOut, ...] = ()
    groups: tuple[int, ...] = ()
    images: int = 0
    drawn: int | None = None
    sha256: str | None = None

    @property
    def replaces(self) -> tuple[HeldOutName, ...]:
        """Which of the data set's own splits are left out for others: "validation", "test"."""
        found: list[HeldOutName] = []
        names: tuple[HeldOutName, ...] = ("validation", "test")
        for name in names:
            if getattr(self, name).replaced is not None:
                found.append(name)
        return tuple(found)


class Finding(Frozen):
    """A task's survey, or why its data cannot be trained on.

    is_missing    whether that is because there are no files
    """

    survey: Survey | None = None
    fault: str | None = None
    is_missing: bool = False

    @property
    def sha256(self) -> str | None:
        """The hash of the data; None where nothing was decoded, or cannot be."""
        return None if self.survey is None else self.survey.sha256

    @classmethod
    def of_error(cls, error: Exception, task: Task, data_dir: Path | None) -> Finding:
        """What an error says of a task's data."""
        fault = str(error)
        if not isinstance(error, InputError):
            fault = f"{task.source.title}: {type(error).__name__}: {error}"
        return cls(fault=fault, is_missing=files_are_missing(task, data_dir))


def look_at_labels(
    tasks: Sequence[Task], data_dir: Path | None, *, download: bool = False
) -> dict[Task, Finding]:
    """What labels tell of each task. A data set is listed once for all of its ratios."""
    found: dict[Task, Finding] = {}
    for whole, group in by_data_set(tasks):
        try:
            listing = list_source(whole.source, whole.labels, data_dir, download=download)
        except Exception as error:  # whatever a reader of others does; it would fail every trial
            found.update(dict.fromkeys(group, Finding.of_error(error, whole, data_dir)))
            continue
        for task in group:
            try:
                found[task] = Finding(survey=survey_listing(listing, task))
            except DataError as error:
                found[task] = Finding(fault=str(with_left_out(error, listing.left_out)))
    return {task: found[task] for task in tasks}


def by_data_set(tasks: Sequence[Task]) -> Iterator[tuple[Task, list[Task]]]:
    """Tasks that differ in their ratio and share alone together, with what they share."""
    groups: dict[Task, list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.whole(), []).append(task)
    yield from groups.items()


def survey_listing(listing: Listing, task: Task) -> Survey:
    """What labels tell of a task. Raises DataError where they tell that it cannot be trained."""
    division = divide_listing(listing, task)
    pool = strata(listing.train[division.pool], len(task.labels))
    counts = train_counts(division.class_sizes, pool, task)
    return Survey(
        train=of_strata(pool.sets, counts),
        sizes=division.class_sizes,
        validation=_facts(division.validation, listing.validation, task),
        test=_facts(division.test, listing.test, task),
        left_out=listing.left_out,
        groups=division.groups,
        images=sum(len(own) for own in (listing.train, listing.validation, listing.test) if own is not None),
        drawn=sum(counts) if task.has_label_sets else None,
    )


def class_name(task: Task, place: int) -> str:
    """What the class or label at a place is called: its name, else "class 8", "label 8"."""
    label = task.labels[place]
    name = task.source.classes_told.name(label)
    if name != str(label) or isinstance(label, str):
        return name
    return f"label {label}" if task.has_label_sets else f"class {label}"


def files_are_missing(task: Task, data_dir: Path | None) -> bool:
    """Whether a task's source needs files and finds none, or is of a plug-in that is not installed."""
    if not task.source.needs_files:
        return False
    try:
        return not source_files(task.source, data_dir)
    except Malformed:
        return False
    except InputError:
        return True


def _facts(taken: Taken, own: Sized | None, task: Task) -> HeldOutFacts:
    drawn = taken.origin == "train"
    return HeldOutFacts(
        counts=count_classes(taken.classes, task),
        drawn=drawn,
        replaced=len(own) if drawn and own is not None else None,
        images=len(taken.positions) if task.has_label_sets else None,
    )
