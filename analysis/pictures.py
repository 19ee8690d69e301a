"""The figures of a sweep's tables, written to files. Needs matplotlib, which tables alone do not.

table.png               the table as a picture: one metric per row of it, a panel per block
roc-<trial>.png         the ROC curve of a cell's chosen trial, on test
confusion-<trial>.png   of several classes: what each is taken for, before the row's method, after it, and
                        the difference
recall-<number>.png     of several classes: the recall of each in every row, a file per block
classes.png             of several classes: training images of each, and in which shares samplers draw them
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from analysis.cells import Cell
from analysis.class_counts import class_counts
from analysis.confusion import confusions
from analysis.render.figures import png, roc_figure, table_figure
from analysis.render.heat import confusion_figure, recall_figure
from analysis.render.roc import roc_picture
from analysis.render.shares import classes_figure
from analysis.tables import Tables, write_whole

_OURS = re.compile(r"(roc|confusion)-[0-9a-f]{16}\.png|recall-[0-9]+\.png|classes\.png")


def write_figures(tables: Tables, out_dir: str | Path, below: Path | None = None) -> tuple[Path, ...]:
    """Write `table.png` and, per cell with a result, the figures of its chosen trial; returns their paths.

    Figures of what an earlier table chose are deleted. `below` as `write_whole` takes it.
    """
    folder = Path(out_dir)
    files = [write_whole(folder / "table.png", png(table_figure(tables.frame, tables.columns)), below)]
    for cell in tables.cells:
        if cell.test is not None:
            test = cell.test
            picture = roc_picture(cell.data, tables.rates, test.targets, test.outputs)
            figure = roc_figure(picture, title=f"{cell.block}\n{cell.row}")
            files.append(write_whole(folder / f"roc-{test.trial_id}.png", png(figure), below))
    files += _write_classes(tables.cells, folder, below)
    for path in folder.glob("*.png"):
        if _OURS.fullmatch(path.name) and path not in files:
            path.unlink(missing_ok=True)
    return tuple(files)


def _write_classes(cells: Iterable[Cell], folder: Path, below: Path | None) -> list[Path]:
    """The figures of several classes."""
    files, blocks = [], dict[str, list[Cell]]()
    for confusion in confusions(tuple(cells)):
        name = f"confusion-{confusion.cell.chosen_id}.png"
        files.append(write_whole(folder / name, png(confusion_figure(confusion)), below))
        blocks.setdefault(confusion.cell.block, []).append(confusion.cell)
    for number, members in enumerate(blocks.values(), start=1):
        files.append(write_whole(folder / f"recall-{number}.png", png(recall_figure(members)), below))
    counted = class_counts(tuple(cells))
    if counted:
        files.append(write_whole(folder / "classes.png", png(classes_figure(counted)), below))
    return files
