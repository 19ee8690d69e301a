"""The figures of a sweep's tables, written to files. Needs matplotlib, which tables alone do not.

table.png         the table as a picture: one metric per row of it, a panel per block
roc-<trial>.png   the ROC curve of a cell's chosen trial, on test
"""

from __future__ import annotations

import re
from pathlib import Path

from analysis.render.figures import png, roc_figure, table_figure
from analysis.render.roc import roc_picture
from analysis.tables import Tables, write_whole

_CURVE = re.compile(r"roc-[0-9a-f]{16}\.png")


def write_figures(tables: Tables, out_dir: str | Path) -> tuple[Path, ...]:
    """Write `table.png` and, per cell with a result, `roc-<trial id>.png`; returns their paths.

    Curves of trials that an earlier table chose are deleted.
    """
    folder = Path(out_dir)
    files = [write_whole(folder / "table.png", png(table_figure(tables.frame, tables.columns)))]
    for cell in tables.cells:
        if cell.test is not None:
            test = cell.test
            picture = roc_picture(cell.data, tables.rates, test.targets, test.outputs)
            figure = roc_figure(picture, title=f"{cell.block}\n{cell.row}")
            files.append(write_whole(folder / f"roc-{test.trial_id}.png", png(figure)))
    for path in folder.glob("roc-*.png"):
        if _CURVE.fullmatch(path.name) and path not in files:
            path.unlink(missing_ok=True)
    return tuple(files)
