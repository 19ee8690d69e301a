"""The sweep that confirms another's choices: which trials it holds, and on which fresh seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.cells import Cell, build_cells
from analysis.load import load_sweep
from analysis.select import ranked
from search_spaces.errors import InputError
from search_spaces.limits import MOST_REPLICATES, MOST_SEED
from search_spaces.rows import cell_key
from search_spaces.words import count
from trainer.store import ConfirmedChoice, Confirms, Store, SweepManifest

# An interval of a mean over seeds needs as many.
LEAST_SEEDS = 6


@dataclass(frozen=True)
class Confirming:
    """A sweep that confirms choices, and what is to be said of it before it runs.

    manifest   its trials on fresh seeds
    lines      cells that are left out, those of which a race left the runner-up behind, and those of which
               the sweep would now choose otherwise
    """

    manifest: SweepManifest
    lines: tuple[str, ...]


def confirming(
    store: Store, manifest: SweepManifest, rule: str | None = None, replicates: int | None = None
) -> Confirming:
    """The sweep NAME-confirm of a stored sweep: winner and runner-up of each cell, on fresh seeds.

    The unconstrained baseline of a cell is the winner of the cell beside it. As many seeds as the sweep's
    trials have, at least LEAST_SEEDS, or so many `replicates`; none of them is a seed of any trial of the
    sweep, wanted or stored. Once the sweep is there its choices and seeds stay: a later call adds cells that
    have ended since, and seeds where more are asked for.

    Raises InputError for a sweep that itself confirms one, for a rule that is unknown, reads test, or is not
    that of the sweep that is there, and where no cell has a final choice.
    """
    name = f"{manifest.name}-confirm"
    if manifest.confirms is not None:
        raise InputError(
            f"{manifest.name}: expected a sweep that chooses, given one that confirms the choices of "
            f"{manifest.confirms.sweep}"
        )
    known = _stored(store, name, manifest.name)
    if known is not None and known.confirms is not None:
        if rule not in (None, known.confirms.rule):
            raise InputError(
                f"--rule: expected {known.confirms.rule or 'none'}, by which {name} was chosen, given {rule}"
            )
        rule = known.confirms.rule
    cells = build_cells(store, load_sweep(store, manifest), rule)
    choices, lines = _choices(cells)
    if known is not None and known.confirms is not None:
        choices, more = _kept(known.confirms.cells, choices, manifest)
        lines += more
    if not choices:
        raise InputError(f"{manifest.name}: expected a cell whose choice is final, found none")
    wanted = {trial for choice in choices for trial in (choice.winner, choice.runner_up)}
    configs = [config for config in manifest.trials if config.trial_id in wanted]
    seeds = _seeds(store, manifest, known, replicates)
    trials = tuple(config.model_copy(update={"seeds": seeds}) for config in configs)
    confirms = Confirms(sweep=manifest.name, rule=rule, cells=tuple(choices))
    return Confirming(SweepManifest(name, trials, reading=manifest.reading, confirms=confirms), tuple(lines))


def _stored(store: Store, name: str, confirmed: str) -> SweepManifest | None:
    """The stored sweep of that name; None where there is none. Raises InputError where it is another kind."""
    if name not in store.sweep_names():
        return None
    known = store.read_sweep(name)
    if known.confirms is None or known.confirms.sweep != confirmed:
        raise InputError(f"{name}: expected a sweep that confirms {confirmed}, found another of that name")
    return known


def _choices(cells: Iterable[Cell]) -> tuple[list[ConfirmedChoice], list[str]]:
    """Winner and runner-up of each cell whose choice is final.

    And a line for each of the others, and for each of which the runner-up was left behind in a race.
    """
    choices, lines = [], []
    for cell in cells:
        where = f"{cell.block}, {cell.row}"
        if not cell.rule.selects:
            lines.append(f"{where}: left out, there is no validation split and so no choice")
        elif cell.chosen is None or not cell.complete:
            lines.append(f"{where}: left out, its choice is not final: {cell.note()}")
        else:
            records = [record for record in map(cell.judged_by, cell.candidates) if record is not None]
            order = [record.trial_id for record in ranked(records, cell.rule)]
            runner_up = order[1] if len(order) > 1 else None
            raced = None
            if runner_up is not None:
                raced = next(one for one in cell.candidates if one.trial_id == runner_up).raced_after
            if raced is not None:
                lines.append(
                    f"{where}: the runner-up was left behind in a race after {count(raced, 'replicate')}: it "
                    "came second by these alone"
                )
            choices.append(ConfirmedChoice(winner=order[0], runner_up=runner_up, raced_after=raced))
    return choices, lines


def _kept(
    known: Sequence[ConfirmedChoice], found: Sequence[ConfirmedChoice], manifest: SweepManifest
) -> tuple[list[ConfirmedChoice], list[str]]:
    """The known choices, then those of cells that have none yet; a line where the sweep now chooses others.

    A known choice of which a trial is no longer in the sweep leaves with it.
    """
    keys = {config.trial_id: cell_key(config, manifest.reading.rows) for config in manifest.trials}
    kept = [choice for choice in known if {choice.winner, choice.runner_up} <= {*keys, None}]
    winners = {keys[choice.winner]: choice.winner for choice in kept}
    changed = 0
    for choice in found:
        key = keys[choice.winner]
        if key not in winners:
            kept.append(choice)
        elif winners[key] != choice.winner:
            changed += 1
    lines = []
    if changed:
        lines.append(
            f"{manifest.name} would now choose otherwise in {count(changed, 'cell')}; the choices that are "
            "being confirmed stay"
        )
    return kept, lines


def _seeds(
    store: Store, manifest: SweepManifest, known: SweepManifest | None, replicates: int | None
) -> tuple[int, ...]:
    """The fresh seeds: those of the sweep that is there, then more, as many as are wanted."""
    has: tuple[int, ...] = () if known is None else known.trials[0].seeds
    used = set(has)
    for config in manifest.trials:
        used.update(config.seeds)
        used.update(store.replicates.ended(config.trial_id))
    wanted = replicates
    if wanted is None:
        wanted = len(has) or max(LEAST_SEEDS, *(len(config.seeds) for config in manifest.trials))
    # Beyond all that --replicates gives a sweep, whose own seeds may so grow without meeting these.
    return (*has, *_unused(used, max(0, wanted - len(has))))[:wanted]


def _unused(used: set[int], number: int) -> list[int]:
    """So many seeds that are not used, the least ones above MOST_REPLICATES."""
    found: list[int] = []
    seed = MOST_REPLICATES
    while len(found) < number and seed < MOST_SEED:
        seed += 1
        if seed not in used:
            found.append(seed)
    return found
