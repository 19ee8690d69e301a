"""The sweep that a command names: its trials, its result store, its search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.errors import InputError, TrialSchemaError

if TYPE_CHECKING:
    from search_spaces.search import Search
    from trainer.store import Store, SweepManifest


def open_sweep(space: str, output: str, replicates: int | None) -> tuple[Store, SweepManifest]:
    """The store, and the trials that a space wants: what `run` and `plan` start from.

    A name may also be that of a sweep in the store. Raises TrialSchemaError when that sweep, or of a new
    sweep anything in the store, is of another trial schema.
    """
    from search_spaces.catalog import load_space
    from search_spaces.spaces.two_stage import TWO_STAGE
    from sweeps.driver.two_stage import continued, is_first_stage
    from trainer.store import Store, SweepManifest

    store = Store(output)
    try:
        found = load_space(space)
        store.check_trial_schema(found.name)
        manifest = SweepManifest(found.name, found.trials)
        if found.search is not None:
            manifest = replace(manifest, samples=found.search.samples)
            if found.name in store.sweep_names():
                manifest = _with_samples(store.read_sweep(found.name), found.search.samples)
        elif found.name == TWO_STAGE and found.name in store.sweep_names():
            stored = store.read_sweep(found.name)
            manifest = manifest if is_first_stage(stored) else continued(stored, found.trials)
    except InputError:
        if space not in store.sweep_names():
            raise
        manifest = store.read_sweep(space)
    return store, _with_seeds(manifest, replicates)


def open_stored(space: str, output: str, replicates: int | None = None) -> tuple[Store, SweepManifest]:
    """The store, and the trials and seeds that a sweep was last run with: what a report starts from.

    The store knows them, not the space: `run` may have been told other seeds. A space that was never run is
    opened as `open_sweep` opens it.
    """
    from search_spaces.catalog import load_space
    from trainer.store import Store

    store = Store(output)
    names = store.sweep_names()
    name = space if space in names else load_space(space).name
    if name not in names:
        return open_sweep(space, output, replicates)
    return store, _with_seeds(store.read_sweep(name), replicates)


def each_stored(names: Sequence[str], output: str, replicates: int | None = None) -> Iterator[SweepManifest]:
    """These sweeps, one after another, as `open_stored` opens them.

    A sweep of another trial schema is left out, so that the others can be told of; after them
    TrialSchemaError is raised about the first and names the rest.
    """
    refused: dict[str, TrialSchemaError] = {}
    for name in names:
        try:
            _, manifest = open_stored(name, output, replicates)
        except TrialSchemaError as error:
            refused[name] = error
        else:
            yield manifest
    if refused:
        first, *others = refused
        more = f" (likewise: {', '.join(others)})" if others else ""
        raise TrialSchemaError(f"{refused[first]}{more}")


def _with_samples(stored: SweepManifest, samples: int | None) -> SweepManifest:
    """A search's sweep with the larger of the numbers of samples: the last run's, and the space's now."""
    return replace(stored, samples=max(stored.samples or 0, samples or 0) or None)


def _with_seeds(manifest: SweepManifest, replicates: int | None) -> SweepManifest:
    if replicates is None:
        return manifest
    seeds = tuple(range(1, replicates + 1))
    return replace(manifest, trials=tuple(c.model_copy(update={"seeds": seeds}) for c in manifest.trials))


def search_of(
    space: str, replicates: int | None, samples: int | None, seed: int | None
) -> tuple[Search | None, int | None]:
    """The search of a space with these replicates and this seed, and the number of samples that was asked."""
    from search_spaces.catalog import load_space

    try:
        search = load_space(space).search
    except InputError:  # the name of a sweep in the store, or of nothing at all
        search = None
    if search is None:
        for option, value in (("--num-samples", samples), ("--seed", seed)):
            if value is not None:
                raise InputError(f"{option}: expected a space with a search, given {space}")
        return None, None
    if seed is not None:
        search = replace(search, seed=seed)
    if replicates is not None:
        search = search.with_seeds(tuple(range(1, replicates + 1)))
    return search, samples
