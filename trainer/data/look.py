"""What is told of a data set beyond its survey: own splits, headers, copies within one; imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_spaces.config import Frozen, Task
from search_spaces.errors import InputError
from trainer.data.held_out import count_classes
from trainer.data.sources.headers import Headers, look_at_headers
from trainer.data.sources.images import Origin
from trainer.data.sources.read import list_source, source_images

if TYPE_CHECKING:
    from trainer.data.prepared import PreparedSplits


class Published(Frozen):
    """One of a data set's own splits: how many images it has, and of each class or label."""

    split: Origin
    images: int
    counts: tuple[int, ...]


class Look(Frozen):
    """What is told of a data set.

    published   its own splits, before anything is held out or left out
    headers     what its files say of their images; None of a source that holds them as arrays
    shape       [channels, height, width] of the images that train; None where nothing can be decoded
    repeated    of training, validation and test: images that are copies of an earlier one of the same split
    """

    published: tuple[Published, ...]
    headers: Headers | None = None
    shape: tuple[int, ...] | None = None
    repeated: tuple[int, ...] = ()


def look_at(task: Task, data_dir: Path | None, splits: PreparedSplits | None) -> Look | None:
    """What is told of a task's data set beyond its survey; None where its labels cannot be read.

    `splits` are those of `read_splits`; None where images cannot be read, or not as the task wants them.
    """
    try:
        listing = list_source(task.source, task.labels, data_dir, download=False)
        encoded = source_images(task.source, task.labels, data_dir)
    except InputError:  # its survey says so
        return None
    published = []
    own: tuple[tuple[Origin, Any], ...]
    own = (("train", listing.train), ("validation", listing.validation), ("test", listing.test))
    for split, labels in own:
        if labels is not None:
            counts = count_classes(labels, task)
            published.append(Published(split=split, images=len(labels), counts=counts))
    headers = look_at_headers(encoded) if encoded else None
    if splits is None:
        return Look(published=tuple(published), headers=headers)
    parts = (splits.pool, splits.validation, splits.test)
    repeated = []
    for part in parts:
        hashes = part.pixels.hashes()
        repeated.append(len(hashes) - len(set(hashes)))
    shape = tuple(splits.pool.pixels.shape[1:])
    return Look(published=tuple(published), headers=headers, shape=shape, repeated=tuple(repeated))
