"""A data set's splits as decoded tensors, prepared once per node and shared by its processes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.config import Task
from trainer.data.cache import (
    CachedArrays,
    cache_folder,
    drop_others,
    load_arrays,
    locked,
    save_arrays,
)
from trainer.data.decoding.image_map import open_map
from trainer.data.pixels import Pixels
from trainer.data.preparation import PREPARATION
from trainer.data.sources.depth import Limits
from trainer.data.sources.images import LeftOut, Origin
from trainer.data.sources.read import source_files
from trainer.tasks.label_sets import Strata, strata

log = logging.getLogger(__name__)

# Raise it when an entry of the cache holds its splits otherwise.
_ENTRY = 5
_SPLITS = ("pool", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their targets.

    pixels      uint8 [N, C, H, W], which may lie in a mapped file
    targets     [N], as the task stores them: uint8, 1 = positive (critical), or int16, the class; or label
                sets, uint8 [N, L], 1 where an example has the label
    ids         int64 [N], position in the published split; for folders str [N], path in the folder
    origin      the published split that the ids refer to: an example is an id and its origin
    groups      str [N], the hashed group of each example (`trainer.data.groups.hashed`); None of a source
                without groups
    """

    pixels: Pixels
    targets: Tensor
    ids: NDArray[np.int64] | NDArray[np.str_]
    origin: Origin
    groups: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class ClassSizes:
    """Examples of each class or label: training ones, copies included, that are not held out; held out."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PreparedSplits:
    """What all ratios of a data set and its roles share.

    strata      the pool's examples by their class or label set
    copies      what was left out as a copy, or as it cannot be read, and why
    limits      the values that became 0 and 255, where they are scaled by percentiles of the pool
    """

    pool: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str
    strata: Strata
    sizes: ClassSizes
    copies: tuple[LeftOut, ...]
    limits: Limits | None = None


def prepare_once(config: Task, data_dir: Path | None, decode: Callable[[], PreparedSplits]) -> PreparedSplits:
    """The splits of `config`, mapped from this node's cache, or else decoded and put there under a lock.

    An entry belongs to a configuration, a data directory, and the path, size and times of change of each of
    its files, wherever links lead; a changed file makes another. What is decoded while files change is not
    kept. Downloads, which `decode` may do, happen under the lock too.
    A source that needs no files is not cached: there is nothing to decode. Raises what `decode` raises.
    """
    folder = None if data_dir is None or not config.source.needs_files else cache_folder()
    if folder is None or data_dir is None:
        return decode()
    prefix = _digest([PREPARATION, _ENTRY, config.model_dump(mode="json"), str(data_dir.absolute())])
    found = _load(folder, prefix, config, data_dir)
    if found is not None:
        return found
    with locked(folder, _digest([config.source.model_dump(mode="json"), str(data_dir.absolute())])):
        found = _load(folder, prefix, config, data_dir)  # another process may have prepared it by now
        if found is not None:
            return found
        before = _entry_name(prefix, config, data_dir)
        decoded = decode()
        name = _entry_name(prefix, config, data_dir)
        if name is None or before not in (None, name):  # None before a download
            return decoded
        target = folder / name
        try:
            save_arrays(target, _to_arrays(decoded))
        except OSError as error:
            log.warning("%s: could not be cached, every process prepares its own: %s", target, error)
            return decoded
        drop_others(target, f"{prefix}-")
    return _load(folder, prefix, config, data_dir) or decoded


def _entry_name(prefix: str, config: Task, data_dir: Path) -> str | None:
    """The cache entry's name, or None while the data set's files are missing."""
    files = source_files(config.source, data_dir)
    identity = []
    for path in files:
        try:
            found = path.stat()
        except OSError:
            return None
        # The latter also tells a file that was put in place of another with that one's time of writing.
        identity.append([str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns])
    return f"{prefix}-{_digest(identity)}" if files else None


def _load(folder: Path, prefix: str, config: Task, data_dir: Path) -> PreparedSplits | None:
    name = _entry_name(prefix, config, data_dir)
    if name is None:
        return None
    cached = load_arrays(folder / name)
    return None if cached is None else _from_arrays(cached, folder)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def _to_arrays(prepared: PreparedSplits) -> CachedArrays:
    arrays: dict[str, NDArray[np.generic]] = {}
    origins: dict[str, str] = {}
    maps: dict[str, str] = {}
    for name in _SPLITS:
        split: Split = getattr(prepared, name)
        if split.pixels.file is None:
            arrays[f"{name}_pixels"] = split.pixels.numpy()
        else:
            arrays[f"{name}_rows"] = split.pixels.all_rows()
            maps[name] = split.pixels.file.parent.name
        arrays[f"{name}_targets"] = split.targets.numpy()
        arrays[f"{name}_ids"] = split.ids
        if split.groups is not None:
            arrays[f"{name}_groups"] = split.groups
        origins[name] = split.origin
    if prepared.pool.targets.ndim == 1:  # label sets tell their strata themselves
        for position, members in enumerate(prepared.strata.members):
            arrays[f"members_{position}"] = members
    facts = {
        "origins": origins,
        "maps": maps,
        "mean": list(prepared.mean),
        "std": list(prepared.std),
        "sha256": prepared.sha256,
        "sizes": {name: list(sizes) for name, sizes in vars(prepared.sizes).items()},
        "copies": [vars(part) for part in prepared.copies],
        "limits": prepared.limits,
    }
    return CachedArrays(arrays, facts)


def _from_arrays(cached: CachedArrays, folder: Path) -> PreparedSplits | None:
    """The splits of an entry; None where the map that their images lie in is gone."""
    facts, sizes = cached.facts, {}
    maps = {}
    for name in set(facts["maps"].values()):
        found = open_map(folder, name)
        if found is None:
            return None
        maps[name] = found.pixels
    for name, counts in facts["sizes"].items():
        sizes[name] = tuple(counts)
    limits, pool = facts["limits"], _split_from(cached, "pool", maps)
    return PreparedSplits(
        pool=pool,
        validation=_split_from(cached, "validation", maps),
        test=_split_from(cached, "test", maps),
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        sha256=facts["sha256"],
        strata=_strata_from(cached, pool, len(sizes["train"])),
        sizes=ClassSizes(**sizes),
        copies=tuple(LeftOut(**part) for part in facts["copies"]),
        limits=None if limits is None else Limits(*limits),
    )


def _strata_from(cached: CachedArrays, pool: Split, count: int) -> Strata:
    if pool.targets.ndim == 2:
        return strata(pool.targets.numpy(), count)
    members = [cached.arrays[f"members_{position}"] for position in range(count)]
    return Strata(np.eye(count, dtype=np.uint8), tuple(members))


def _split_from(cached: CachedArrays, name: str, maps: Mapping[str, Pixels]) -> Split:
    own = cached.facts["maps"].get(name)
    if own is None:
        pixels = Pixels(cached.arrays[f"{name}_pixels"])
    else:
        pixels = replace(maps[own], rows=np.array(cached.arrays[f"{name}_rows"]))
    targets = torch.from_numpy(cached.arrays[f"{name}_targets"])
    groups = cached.arrays.get(f"{name}_groups")
    return Split(pixels, targets, cached.arrays[f"{name}_ids"], cached.facts["origins"][name], groups)
