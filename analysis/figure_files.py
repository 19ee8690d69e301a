"""The files of figures, which go where a later table has no such figure. Needs no matplotlib."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

_OURS = re.compile(
    r"((roc|reliability|precision-recall|landscape|epochs)-[0-9a-f]{16}"
    r"|(co-occurrence|importance|ranks)-[0-9]+|effect)\.(png|svg|csv)"
    r"|(confusion-[0-9a-f]{16}|recall-[0-9]+|classes)\.(png|svg)"
)


def delete_figures(folder: Path, also: Collection[str] = (), keep: Collection[str] = ()) -> None:
    """Delete the figures of cells and blocks in a folder, and these files `also`, but those to `keep`."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if (_OURS.fullmatch(path.name) or path.name in also) and path.name not in keep:
            path.unlink(missing_ok=True)
