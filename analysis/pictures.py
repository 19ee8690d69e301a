"""The figures of a sweep's tables, written to files. Needs matplotlib, which tables alone do not.

Each is a PNG and an SVG file; the numbers behind it stand in a CSV file of the same name. Those of `table`,
`recall`, `confusion` and `classes` stand in the CSV files of the tables.

table.png               the table as a picture: one metric per row of it, a panel per block
roc-<trial>.png         the ROC curve of a cell's chosen trial, on test; shaded the 95 % interval of the
                        false positive rate at each true positive rate, as the tables' intervals are made
reliability-<trial>.png   how often test examples of about equal probability are positive, before and after
                        calibration on validation
effect.png              what the constraint changes: every pair of rows that differ in it alone, in every
                        metric, with intervals, and the mean over pairs
ranks-<number>.png      of ten data sets or more: the rows' mean ranks in a metric, and which are not told
                        apart (critical-difference diagram)
landscape-<trial>.png   of a cell with the constraint, by its chosen trial: what each candidate reaches on
                        validation, over margin and penalty
epochs-<trial>.png      of a cell's chosen trial with the constraint: violation, multipliers, penalty by epoch
importance-<number>.png   which settings decide, of each block with 50 complete trials or more
confusion-<trial>.png   of several classes: what each is taken for, before the row's method, after it, and
                        the difference
recall-<number>.png     of several classes: the recall of each in every row, a file per block
classes.png             of several classes: training images of each, and in which shares samplers draw them
precision-recall-<trial>.png   of label sets: precision and recall of each label, and what is decided at 0.5
                        and at its threshold of validation
co-occurrence-<number>.png   of label sets: which labels stand together, a file per block
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from analysis.cells import Cell
from analysis.class_counts import class_counts
from analysis.co_occurrence import co_occurrence_frame, co_occurrences
from analysis.confusion import called, confusions
from analysis.crew import ALONE, Crew
from analysis.figure_files import delete_figures
from analysis.importance import importance_frame
from analysis.label_curves import cells_of_label_sets, precision_recall_frame
from analysis.numbers.effect import effect_frame, effect_metrics
from analysis.numbers.epochs import epochs_frame
from analysis.numbers.landscape import landscape_frame
from analysis.numbers.ranks import ranks_frame
from analysis.numbers.reliability import reliability_frame
from analysis.numbers.roc import roc_frame
from analysis.render.critical_difference import critical_difference_figure
from analysis.render.epochs import epochs_figure
from analysis.render.figures import table_figure
from analysis.render.forest import forest_figure
from analysis.render.formats import csv
from analysis.render.heat import confusion_figure, recall_figure
from analysis.render.images import Image, Picture, image
from analysis.render.importance import importance_figure
from analysis.render.label_panels import precision_recall_figure, shown_labels
from analysis.render.landscape import landscape_figure
from analysis.render.reliability import reliability_figure
from analysis.render.roc import roc_picture
from analysis.render.roc_figure import roc_figure
from analysis.render.shares import classes_figure
from analysis.render.together import co_occurrence_figure
from analysis.statistics.bands import roc_bands
from analysis.statistics.calibration import Calibrated
from analysis.table_columns import MOST_PRINTED, column_name
from analysis.tables import Tables, write_whole

LEAST_CANDIDATES = 2  # of a landscape


def write_figures(
    tables: Tables,
    out_dir: str | Path,
    below: Path | None = None,
    *,
    log_fpr: bool = False,
    crew: Crew = ALONE,
) -> tuple[Path, ...]:
    """Write the figures of a sweep's tables; returns the files' paths.

    Figures of what an earlier table chose are deleted.

    below     as `write_whole` takes it
    log_fpr   whether ROC curves have a logarithmic scale of the false positive rate
    crew      who draws them beside this process
    """
    folder, files = Path(out_dir), []
    for picture, drawn in drawn_pictures(pictures(tables, log_fpr=log_fpr, crew=crew), crew):
        contents = {"png": drawn.png, "svg": drawn.svg}
        if picture.numbers is not None:
            contents["csv"] = csv(picture.numbers).encode()
        for ending, content in contents.items():
            files.append(write_whole(folder / f"{picture.name}.{ending}", content, below))
    delete_figures(folder, keep={path.name for path in files})
    return tuple(files)


def drawn_pictures(wanted: Iterable[Picture], crew: Crew) -> Iterator[tuple[Picture, Image]]:
    """Each picture with its files, in their order; what a light one is drawn of is sent to the crew."""
    if not crew.size:
        for picture in wanted:
            yield picture, image(picture.draw)
        return
    listed: list[Picture] = []

    def light() -> Iterator[Callable[[], Image]]:
        for picture in wanted:
            listed.append(picture)
            if picture.is_light:
                yield partial(image, picture.draw)

    drawn = crew.map(light())
    for picture in listed:
        yield picture, next(drawn) if picture.is_light else image(picture.draw)


def pictures(tables: Tables, *, log_fpr: bool = False, crew: Crew = ALONE) -> Iterator[Picture]:
    """Every figure of a sweep's tables, drawn when it is asked for; options as `write_figures` takes them."""
    yield Picture("table", "The table as a picture", partial(table_figure, tables.frame, tables.columns))
    yield from _effect(tables)
    yield from _ranks(tables)
    yield from _rocs(tables, crew, log_fpr=log_fpr)
    yield from _reliabilities(tables)
    yield from _of_constraints(tables)
    yield from _importances(tables)
    yield from _of_classes(tables)
    yield from _of_label_sets(tables)


def _effect(tables: Tables) -> Iterator[Picture]:
    """The constraint's effect, where there are pairs of rows."""
    metrics = effect_metrics(tables.columns)
    frame = effect_frame(tables.comparisons, tables.statistics.effects, metrics)
    compared = [metric for metric in metrics if (frame["metric"] == column_name(metric)).any()]
    if compared:
        figure = partial(forest_figure, frame, compared)
        yield Picture("effect", "The constraint's effect over all pairs of rows", figure, frame)


def _ranks(tables: Tables) -> Iterator[Picture]:
    """Mean ranks in each metric that has data sets enough for a test."""
    tested = [ranks for ranks in tables.statistics.ranks if ranks.tested]
    for number, ranks in enumerate(tested, start=1):
        words = f"Mean ranks over data sets: {ranks.metric.words}"
        figure = partial(critical_difference_figure, ranks)
        yield Picture(f"ranks-{number}", words, figure, ranks_frame(ranks))


def _rocs(tables: Tables, crew: Crew, *, log_fpr: bool) -> Iterator[Picture]:
    """The ROC curve of each cell with a result."""
    tests = [cell.test for cell in tables.cells if cell.test is not None]
    bands = roc_bands(tests, tables.statistics.draws, crew)
    for cell in tables.cells:
        test = cell.test
        if test is None:
            continue
        of_trial = bands.get(test.trial_id, {})
        picture = roc_picture(cell.data, tables.rates, test.targets, test.outputs)
        title = f"{cell.block}\n{cell.row}"
        figure = partial(roc_figure, picture, title=title, bands=list(of_trial.values()), log_fpr=log_fpr)
        words = f"ROC on test: {cell.block}, {cell.row}"
        yield Picture(f"roc-{test.trial_id}", words, figure, roc_frame(test, of_trial))


def _reliabilities(tables: Tables) -> Iterator[Picture]:
    """The reliability diagram of each cell's critical classes, or labels; none without calibration."""
    for cell in tables.cells:
        printed = cell.data.columns("one_vs_rest")[:MOST_PRINTED]
        if cell.data.has_label_sets:
            printed = shown_labels(cell)
        calibrated = [one for one in tables.calibrated.get(cell.chosen_id, ()) if one.column in printed]
        classes: dict[str, list[Calibrated]] = {}
        for one in calibrated:
            classes.setdefault(one.column, []).append(one)
        if classes:
            shown = {called(cell.data, name): of_class for name, of_class in classes.items()}
            figure = partial(reliability_figure, shown, title=f"{cell.block}\n{cell.row}")
            words = f"Reliability on test: {cell.block}, {cell.row}"
            yield Picture(f"reliability-{cell.chosen_id}", words, figure, reliability_frame(calibrated))


def _of_constraints(tables: Tables) -> Iterator[Picture]:
    """Per cell with the constraint its candidates' landscape, and its chosen trial over epochs."""
    for cell in tables.cells:
        candidates = landscape_frame(cell)
        if cell.chosen is None or len(candidates) < LEAST_CANDIDATES or not cell.rule.selects:
            continue
        words = f"Candidates by margin and penalty: {cell.block}, {cell.row}"
        title = f"{cell.block}\n{cell.row}"
        figure = partial(landscape_figure, candidates, cell.rule.metric, title=title)
        yield Picture(f"landscape-{cell.chosen_id}", words, figure, candidates)
    for cell in tables.cells:
        epochs = None if cell.test is None else epochs_frame(cell.test)
        if epochs is not None and len(epochs):
            figure = partial(epochs_figure, epochs, title=f"{cell.block}\n{cell.row}")
            words = f"Constraint over epochs: {cell.block}, {cell.row}"
            yield Picture(f"epochs-{cell.chosen_id}", words, figure, epochs)


def _importances(tables: Tables) -> Iterator[Picture]:
    """Which settings decide, per block that has trials enough."""
    found = importance_frame(tables.cells)
    for number, block in enumerate(dict.fromkeys(found["block"]), start=1):
        of_block = found[found["block"] == block]
        figure = partial(importance_figure, of_block, title=f"{block}: which settings decide")
        yield Picture(f"importance-{number}", f"Which settings decide: {block}", figure, of_block)


def _of_classes(tables: Tables) -> Iterator[Picture]:
    """The figures of several classes."""
    blocks = dict[str, list[Cell]]()
    for confusion in confusions(tables.cells):
        cell = confusion.cell
        title = f"Decisions on test: {cell.block}, {cell.row}"
        yield Picture(
            f"confusion-{cell.chosen_id}", title, partial(confusion_figure, confusion), is_light=False
        )
        blocks.setdefault(cell.block, []).append(cell)
    for number, (block, members) in enumerate(blocks.items(), start=1):
        yield Picture(
            f"recall-{number}",
            f"Recall of each class: {block}",
            partial(recall_figure, members),
            is_light=False,
        )
    counted = class_counts(tables.cells)
    if counted:
        yield Picture("classes", "Classes and samplers", partial(classes_figure, counted), is_light=False)


def _of_label_sets(tables: Tables) -> Iterator[Picture]:
    """The figures of label sets, beside their reliability diagrams."""
    for cell in cells_of_label_sets(tables.cells):
        if cell.test is not None:
            numbers = precision_recall_frame(cell.test)
            figure = partial(precision_recall_figure, cell, cell.test, numbers)
            words = f"Precision and recall of each label on test: {cell.block}, {cell.row}"
            yield Picture(f"precision-recall-{cell.chosen_id}", words, figure, numbers, is_light=False)
    for number, block in enumerate(co_occurrences(tables.cells), start=1):
        words = f"Labels that stand together: {block.block}"
        figure, numbers = partial(co_occurrence_figure, block), co_occurrence_frame(block)
        yield Picture(f"co-occurrence-{number}", words, figure, numbers, is_light=False)
