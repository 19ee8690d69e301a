"""The sweep that a command names, opened once: its result store, its trials, its search."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from search_spaces.catalog import is_file, load_space
from search_spaces.config import Absent, Task, members_of
from search_spaces.errors import DamagedError, InputError, SpaceError, StoreError
from search_spaces.labels import relabelled
from search_spaces.paths import given_path
from search_spaces.search import Search
from search_spaces.space import SearchSpace
from search_spaces.spaces.two_stage import TWO_STAGE
from search_spaces.yaml.space import space_name
from sweeps.driver.change import SpaceChange, space_change
from sweeps.driver.two_stage import continued, is_first_stage
from sweeps.hints import advised
from trainer.store import Store, SweepManifest, stored_space

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenedSweep:
    """A sweep as it was opened; whoever holds it loads neither space nor manifest again.

    store      where its results lie
    manifest   its trials, with the seeds that are wanted now
    search     what suggests its trials; None for a grid, and for a sweep that only the store knows
    change     what running it changes in the stored sweep of its name; None where nothing is to be said
    known      the fingerprint of the space that the stored sweep had when it was opened; None where unknown
    """

    store: Store
    manifest: SweepManifest
    search: Search | None = None
    change: SpaceChange | None = None
    known: str | None = None

    @property
    def name(self) -> str:
        """The sweep's name in the store."""
        return self.manifest.name

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of its trials, those of a search too that are not suggested yet."""
        tasks: list[Task] = [config.data for config in self.manifest.trials]
        if self.search is not None:
            tasks += self.search.blocks
        return tuple(dict.fromkeys(tasks))


def open_sweep(
    space: str,
    store: Store,
    replicates: int | None = None,
    *,
    samples: int | None = None,
    seed: int | None = None,
) -> OpenedSweep:
    """A sweep with the trials that a space wants: what `run` and `plan` start from.

    A name may also be that of a sweep in the store. `replicates` asks for seeds 1 to N instead of the space's
    own; of a search, `samples` for so many trials in all and `seed` for another sampler. Raises
    TrialSchemaError when that sweep, or of a new sweep anything in the store, is of another trial schema, and
    InputError for a name that nobody knows, or for `samples` or `seed` without a search.
    """
    try:
        found = load_space(space)
    except InputError:
        if space not in store.sweep_names():
            raise
        opened = _of_store(_read(space, store), store)
    else:
        opened = _of_space(found, store)
    if opened.search is None:
        for option, value in (("--num-samples", samples), ("--seed", seed)):
            if value is not None:
                raise InputError(f"{option}: expected a space with a search, given {space}")
    return _as_asked(opened, replicates, samples, seed)


def open_space(space: SearchSpace, store: Store, replicates: int | None = None) -> OpenedSweep:
    """A sweep of a space that was composed in Python, as `open_sweep` opens one by its name or file.

    Raises TrialSchemaError likewise.
    """
    return _as_asked(_of_space(space, store), replicates)


def open_stored(space: str, store: Store, replicates: int | None = None) -> OpenedSweep:
    """A sweep with the trials and seeds that it was last run with: what a report starts from.

    The store knows them, not the space: `run` may have been told other seeds. A space that was never run is
    opened as `open_sweep` opens it. How results are read says the space's file, where one is named. Raises
    InputError for a file that holds another space than the stored sweep of its name was run with.
    """
    names = store.sweep_names()
    if space in names:
        return _as_asked(_of_store(_read(space, store), store), replicates)
    try:
        found = load_space(space)
    except SpaceError as error:
        return _as_asked(_of_store(_without_plugin(space, store, error), store), replicates)
    if found.name not in names:
        return _as_asked(_of_space(found, store), replicates)
    stored = _read(found.name, store)
    if is_file(space):
        _check_same(space, found, stored, store)
    return _as_asked(_of_store(_read_by(found, stored), store), replicates)


class Refused:
    """Sweeps of a store that cannot be read, so that the others can be told of before that is an error."""

    def __init__(self) -> None:
        self._errors: dict[str, StoreError] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Take note of a StoreError of a block that reads this sweep, which ends there."""
        try:
            yield
        except StoreError as error:
            self._errors[name] = error

    def check(self) -> None:
        """Raise the first error, which names its sweep and the others; nothing where none was noted."""
        if not self._errors:
            return
        first, *others = self._errors
        message = str(self._errors[first])
        if f"/{first}.json" not in message:
            message = f"sweep {first}: {message}"
        if others:
            message += f" (likewise: {', '.join(others)})"
        raise type(self._errors[first])(message)


def each_stored(
    names: Sequence[str], store: Store, refused: Refused, replicates: int | None = None
) -> Iterator[OpenedSweep]:
    """These sweeps, one after another, as `open_stored` opens them, without those that cannot be read."""
    for name in names:
        opened = None
        with refused.of(name):
            opened = open_stored(name, store, replicates)
        if opened is not None:
            yield opened


def _without_plugin(path: str, store: Store, error: SpaceError) -> SweepManifest:
    """The stored sweep of a file that cannot be built here because a plug-in is not installed.

    Raises the error itself for a file that cannot be built for another reason, or was never run.
    """
    name = space_name(given_path(path)) if is_file(path) else None
    if name is None or name not in store.sweep_names():
        raise error
    stored = _read(name, store)
    for member in members_of(stored.trials):
        if isinstance(member, Absent) and member.name in str(error):
            return stored
    raise error


def _check_same(path: str, space: SearchSpace, stored: SweepManifest, store: Store) -> None:
    """Raise InputError where a file holds another space than the one that its stored sweep was run with."""
    change = None if stored.space is None else space_change(store, stored, space)
    if change is None:
        return
    raise InputError(
        f"{path}: expected the space that the sweep {space.name} in {store.uri} was run with, given another "
        f"({change.words()}); the name {space.name} in place of the file shows the stored one, "
        f"`{advised('run', '--replace', space=space.name)}` puts this one in its place, and another name: "
        "in the file keeps both"
    )


def _read(name: str, store: Store) -> SweepManifest:
    """A stored sweep. Raises DamagedError, with what mends it, where its manifest is damaged."""
    try:
        return store.read_sweep(name)
    except DamagedError as error:
        raise DamagedError(f"{error}; `almsweep run` with the sweep's space writes it again") from error


def _of_store(stored: SweepManifest, store: Store) -> OpenedSweep:
    """A stored sweep, as it was last run."""
    return OpenedSweep(store, stored, known=stored.space)


def _read_by(space: SearchSpace, stored: SweepManifest) -> SweepManifest:
    """A stored sweep, read as its space says: at which rates, by which rows, under which labels."""
    tasks = [config.data for config in space.trials]
    if space.search is not None:
        tasks += space.search.blocks
    return replace(stored, reading=space.reading, trials=relabelled(stored.trials, tasks))


def _of_space(space: SearchSpace, store: Store) -> OpenedSweep:
    """A space's sweep; what the store knows of its search, or of its second stage, is in it."""
    store.check_trial_schema(space.name)
    manifest = SweepManifest(space.name, space.trials, reading=space.reading, space=space.fingerprint)
    samples = None if space.search is None else space.search.samples
    new = OpenedSweep(store, replace(manifest, samples=samples), space.search)
    if space.name not in store.sweep_names():
        return new
    try:
        known = stored_space(store.storage, space.name)
        if known == space.fingerprint and space.search is None and space.name != TWO_STAGE:
            return OpenedSweep(store, manifest, known=known)
        stored = store.read_sweep(space.name)
    except DamagedError as error:
        log.warning("%s; a run writes it again from the space", error)
        return new
    change = space_change(store, stored, space)
    if space.search is not None:
        manifest = _searched(manifest, _read_by(space, stored), space.search, change)
    elif space.name == TWO_STAGE and not is_first_stage(stored) and (change is None or not change.is_told):
        # The second stage follows from the first, of which the space still holds all.
        manifest, change = replace(continued(stored, space.trials), space=manifest.space), None
    return OpenedSweep(store, manifest, space.search, change, stored.space)


def _searched(
    manifest: SweepManifest, stored: SweepManifest, search: Search, change: SpaceChange | None
) -> SweepManifest:
    """A search's manifest with the stored trials that it still has, and how many it is to have in all.

    That is the larger of the last run's number and the space's, but the space's alone where it takes the
    place of a search that had other trials.
    """
    trials, samples = stored.trials, max(stored.samples or 0, search.samples or 0) or None
    if change is not None:
        trials = tuple(config for config in trials if config.trial_id in change.staying)
        if change.is_told and change.leaving:
            samples = search.samples
    return replace(manifest, trials=trials, samples=samples)


def _as_asked(
    opened: OpenedSweep, replicates: int | None, samples: int | None = None, seed: int | None = None
) -> OpenedSweep:
    """The sweep with what a command asks for in place of what the space or the store says."""
    manifest, search = opened.manifest, opened.search
    if replicates is not None:
        _check_own_seeds(manifest)
        seeds = tuple(range(1, replicates + 1))
        trials = tuple(config.model_copy(update={"seeds": seeds}) for config in manifest.trials)
        manifest = replace(manifest, trials=trials)
        if search is not None:
            search = search.with_seeds(seeds)
    if samples is not None:
        manifest = replace(manifest, samples=samples)
    if search is not None and seed is not None:
        search = replace(search, seed=seed)
    return replace(opened, manifest=manifest, search=search)


def _check_own_seeds(manifest: SweepManifest) -> None:
    """Raise InputError for a sweep whose seeds are not 1 to N, but fresh ones."""
    if manifest.confirms is not None:
        raise InputError(
            f"--replicates: {manifest.name} has fresh seeds of its own; expected it with "
            f"{advised('confirm', space=manifest.confirms.sweep)}"
        )
