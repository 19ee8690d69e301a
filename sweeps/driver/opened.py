"""The sweep that a command names, opened once: its result store, its trials, its search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from search_spaces.catalog import load_space
from search_spaces.config import Task
from search_spaces.errors import InputError, TrialSchemaError
from search_spaces.search import Search
from search_spaces.space import SearchSpace
from search_spaces.spaces.two_stage import TWO_STAGE
from sweeps.driver.two_stage import continued, is_first_stage
from trainer.store import Store, SweepManifest


@dataclass(frozen=True)
class OpenedSweep:
    """A sweep as it was opened; whoever holds it loads neither space nor manifest again.

    store      where its results lie
    manifest   its trials, with the seeds that are wanted now
    search     what suggests its trials; None for a grid, and for a sweep that only the store knows
    """

    store: Store
    manifest: SweepManifest
    search: Search | None = None

    @property
    def name(self) -> str:
        """The sweep's name in the store."""
        return self.manifest.name

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of its trials, those of a search too that are not suggested yet."""
        tasks: list[Task] = [config.data for config in self.manifest.trials]
        if self.search is not None:
            tasks += self.search.tasks
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
        opened = OpenedSweep(store, store.read_sweep(space))
    else:
        opened = _of_space(found, store)
    if opened.search is None:
        for option, value in (("--num-samples", samples), ("--seed", seed)):
            if value is not None:
                raise InputError(f"{option}: expected a space with a search, given {space}")
    return _as_asked(opened, replicates, samples, seed)


def open_stored(space: str, store: Store, replicates: int | None = None) -> OpenedSweep:
    """A sweep with the trials and seeds that it was last run with: what a report starts from.

    The store knows them, not the space: `run` may have been told other seeds. A space that was never run is
    opened as `open_sweep` opens it. How results are read says the space's file, where one is named.
    """
    names = store.sweep_names()
    if space in names:
        return _as_asked(OpenedSweep(store, store.read_sweep(space)), replicates)
    found = load_space(space)
    if found.name not in names:
        return _as_asked(_of_space(found, store), replicates)
    stored = replace(store.read_sweep(found.name), reading=found.reading)
    return _as_asked(OpenedSweep(store, stored), replicates)


def each_stored(names: Sequence[str], store: Store, replicates: int | None = None) -> Iterator[OpenedSweep]:
    """These sweeps, one after another, as `open_stored` opens them.

    A sweep of another trial schema is left out, so that the others can be told of; after them
    TrialSchemaError is raised about the first and names the rest.
    """
    refused: dict[str, TrialSchemaError] = {}
    for name in names:
        try:
            opened = open_stored(name, store, replicates)
        except TrialSchemaError as error:
            refused[name] = error
        else:
            yield opened
    if refused:
        first, *others = refused
        message = str(refused[first])
        if others:
            message += f" (likewise: {', '.join(others)})"
        raise TrialSchemaError(message)


def _of_space(space: SearchSpace, store: Store) -> OpenedSweep:
    """A space's sweep; what the store knows of its search, or of its second stage, is in it."""
    store.check_trial_schema(space.name)
    manifest = SweepManifest(space.name, space.trials, reading=space.reading)
    is_known = space.name in store.sweep_names()
    if space.search is not None:
        stored = store.read_sweep(space.name) if is_known else manifest
        # The larger of the numbers: the last run's, and the space's now.
        samples = max(stored.samples or 0, space.search.samples or 0) or None
        manifest = replace(stored, samples=samples, reading=space.reading)
    elif space.name == TWO_STAGE and is_known:
        stored = store.read_sweep(space.name)
        if not is_first_stage(stored):
            manifest = continued(stored, space.trials)
    return OpenedSweep(store, manifest, space.search)


def _as_asked(
    opened: OpenedSweep, replicates: int | None, samples: int | None = None, seed: int | None = None
) -> OpenedSweep:
    """The sweep with what a command asks for in place of what the space or the store says."""
    manifest, search = opened.manifest, opened.search
    if replicates is not None:
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
