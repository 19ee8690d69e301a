"""The disk that decoded images take, told before they are decoded."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from search_spaces.config import Source
from trainer.data.cache import cache_folder
from trainer.data.decoding.encoded import Form
from trainer.data.decoding.rows import PIXELS


@dataclass(frozen=True)
class DecodedNeed:
    """What the decoded images of a data set take in this node's cache.

    need       bytes in all
    free       bytes that the disk of `folder` has
    is_there   whether a map of just that size is there already
    """

    folder: Path
    need: int
    free: int
    is_there: bool

    @property
    def is_too_much(self) -> bool:
        """Whether the disk lacks room for it."""
        return not self.is_there and self.need > self.free


def decoded_need(source: Source, images: int) -> DecodedNeed | None:
    """What so many images of a source take; None of a source that keeps no map, and without a cache."""
    folder = cache_folder()
    if folder is None or source.mapped_form is None:
        return None
    form = Form(*source.mapped_form)
    stored = images * form.bytes_per_image
    # By percentiles the values are kept as files store them, and as bytes beside.
    need = stored + (images * form.channels * form.size**2 if form.raw else 0)
    is_there = any(path.stat().st_size == stored for path in folder.glob(f"*.map/{PIXELS}"))
    return DecodedNeed(folder, need, shutil.disk_usage(folder).free, is_there)
