"""What is said of a long look at data: lines per data set, below those that `plan` has too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len

from search_spaces.config import Task
from search_spaces.config.metrics import Rate
from search_spaces.words import count
from trainer.data.doubts import doubts
from trainer.data.look import Look
from trainer.data.sources.headers import Headers
from trainer.data.survey import Finding, Survey, class_name

# So many sizes, and kinds, of images are told apart.
_SHOWN = 6
_OWN = {"train": "training", "validation": "validation", "test": "test"}


def look_lines(
    tasks: Sequence[Task],
    findings: Mapping[Task, Finding],
    look: Look | None,
    sheets: Sequence[str],
    rates: Sequence[Rate],
) -> list[str]:
    """What is said of a data set, of which `tasks` are the ratios: counts, files, copies, warnings, sheets.

    `rates` are the true positive rates that are asked for.
    """
    told = [(task, survey) for task in tasks if (survey := findings[task].survey) is not None]
    lines = []
    if told:
        lines += _count_lines(*told[0])
    elif look is not None:
        lines += _published_lines(tasks[0], look)
    if look is not None:
        lines += _image_lines(look)
    lines += [_line("warning", words) for words in _warnings(told, rates)]
    lines += [_line("examples", path) for path in sheets]
    return lines


def _count_lines(task: Task, survey: Survey) -> list[str]:
    """A row per class or label with its images in each split, before a ratio or share draws from training."""
    columns = {"training": survey.sizes, "validation": survey.validation.counts, "test": survey.test.counts}
    return _table(task, columns)


def _published_lines(task: Task, look: Look) -> list[str]:
    """The same of a data set's own splits, where it cannot be divided as the task asks."""
    columns = {}
    for own in look.published:
        columns[f"{_OWN[own.split]} (own, {own.images:,})"] = own.counts
    return _table(task, columns)


def _table(task: Task, columns: Mapping[str, Sequence[int]]) -> list[str]:
    what = "label" if task.has_label_sets else "class"
    names = [class_name(task, place) for place in range(len(task.labels))]
    wide = max(cell_len(name) for name in (what, *names))
    heads = "  ".join(columns)
    lines = [f"  {'counts':11} {_padded(what, wide)}  {heads}"]
    for place, name in enumerate(names):
        cells = "  ".join(f"{counts[place]:>{len(head)},}" for head, counts in columns.items())
        lines.append(f"  {'':11} {_padded(name, wide)}  {cells}")
    return lines


def _padded(name: str, columns: int) -> str:
    """A name with blanks behind it, so many columns of a terminal wide."""
    return name + " " * (columns - cell_len(name))


def _image_lines(look: Look) -> Iterator[str]:
    if look.headers is not None:
        yield from _header_lines(look.headers)
    if look.shape is not None:
        channels, high, wide = look.shape
        colours = "grey" if channels == 1 else "colour"
        yield _line("trained as", f"{wide} x {high}, {colours}, 8-bit")
    if look.repeated:
        repeated = zip(("training", "validation", "test"), look.repeated, strict=True)
        words = [f"{number:,} in {split}" for split, number in repeated if number]
        copies = f"{', '.join(words)}: copies of an earlier image of the split, kept" if words else "none"
        yield _line("duplicates", f"within a split {copies}")


def _header_lines(headers: Headers) -> Iterator[str]:
    words = count(headers.images, "image")
    if headers.unreadable:
        words += f", {headers.unreadable:,} of them without a header that can be read"
    yield _line("files", words)
    if headers.sizes:
        areas = [size for size, _ in headers.sizes]
        least, most = min(areas, key=_area), max(areas, key=_area)
        some = ", ".join(f"{size} ({number:,})" for size, number in headers.sizes[:_SHOWN])
        if len(areas) > _SHOWN:
            some = f"{len(areas):,} sizes from {least} to {most}, most often {some}"
        yield _line("sizes", some)
        kinds = "; ".join(f"{kind} ({number:,})" for kind, number in headers.kinds[:_SHOWN])
        more = f"; and {len(headers.kinds) - _SHOWN} more" if len(headers.kinds) > _SHOWN else ""
        yield _line("modes", kinds + more)
    if headers.turned:
        yield _line("turned", f"{count(headers.turned, 'image')} by EXIF; they train upright")
    if headers.transparent:
        yield _line("transparent", f"{count(headers.transparent, 'image')}; they lie on white")


def _warnings(told: Sequence[tuple[Task, Survey]], rates: Sequence[Rate]) -> list[str]:
    """Every doubt once, with the ratios that it is of where it is not of all."""
    ratios: dict[str, list[str]] = {}
    for task, survey in told:
        for words in doubts(task, survey, rates):
            ratios.setdefault(words, []).append(task.ratio_words())
    lines = []
    for words, its in ratios.items():
        whose = "" if len(its) == len(told) else f"{', '.join(its)}: "
        lines.append(f"{whose}{words}")
    return lines


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _line(head: str, words: str) -> str:
    return f"  {head:11} {words}"
