"""What a fault in the middle of a sweep may change, and what was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

from tests.integration.faults.scene import Epoch, Replicate, Scene
from trainer.store import Store


@dataclass(frozen=True)
class Found:
    """A row of the matrix.

    table      "identical", or which of its rows differ from the undisturbed sweep's
    twice      replicates that had ended and were trained again
    again      epochs that were begun once more, those cut short by the fault included
    lost       trials that are neither done nor failed
    running    MLflow runs that say RUNNING
    unlevel    MLflow runs that a final `reconcile` had to write or end
    processes  processes that live on after the driver
    """

    fault: str
    injected: str
    outcome: str
    table: str
    twice: int
    again: int
    lost: int
    running: int
    unlevel: int
    processes: int
    reasons: tuple[str, ...] = field(default=(), compare=False)

    def cells(self) -> list[str]:
        """The row's texts, for printing."""
        return [str(getattr(self, f.name)) for f in fields(self) if f.name != "reasons"]


COLUMNS = (
    "fault",
    "injected",
    "outcome",
    "table",
    "ended ones trained twice",
    "epochs begun again",
    "trials lost",
    "MLflow RUNNING",
    "MLflow not level",
    "processes left",
)


def look(
    scene: Scene,
    undisturbed: dict[str, bytes],
    *,
    fault: str,
    injected: str,
    outcome: str,
    before: dict[Replicate, str] | None = None,
) -> Found:
    """Compare what a scene left with the undisturbed tables; `before` are the attempts at the fault."""
    left = scene.processes_left()
    after = scene.attempts()
    states = scene.states()
    journal = scene.journal()
    running = scene.mlflow_states()["RUNNING"]
    counts = scene.reconcile()
    return Found(
        fault=fault,
        injected=injected,
        outcome=f"{outcome}: {_told(states)}",
        table=compare(undisturbed, scene.tables()),
        twice=len(_trained_twice(journal, before or {}, after)),
        again=sum(Counter((e.trial_id, e.seed, e.epoch) for e in journal).values())
        - len({(e.trial_id, e.seed, e.epoch) for e in journal}),
        lost=states["partial"] + states["pending"],
        running=running,
        unlevel=counts.created + counts.updated + counts.ended + counts.failed,
        processes=left,
        reasons=_reasons(scene.store, [c.trial_id for c in scene.trials]),
    )


def compare(undisturbed: dict[str, bytes], found: dict[str, bytes]) -> str:
    """ "identical" byte for byte in all tables, or the labels of the rows of best.csv that differ."""
    if found == undisturbed:
        return "identical"
    if found.keys() != undisturbed.keys():
        return f"files {sorted(found)}"
    ours, theirs = (tables["best.csv"].decode().splitlines() for tables in (found, undisturbed))
    if len(ours) != len(theirs):
        return f"{len(ours)} rows"
    differing = [a.split(",")[1] for a, b in zip(ours, theirs, strict=True) if a != b]
    return f"all but {', '.join(differing)}" if differing else "best.csv, no other file"


def _trained_twice(
    journal: list[Epoch], before: dict[Replicate, str], after: dict[Replicate, str]
) -> set[Replicate]:
    """Replicates whose attempt was replaced, or whose last epoch was begun again after they had ended."""
    replaced = {key for key, attempt in before.items() if after.get(key) != attempt}
    last = Counter((e.trial_id, e.seed) for e in journal if e.epoch == max(x.epoch for x in journal))
    return replaced | {key for key in before if last[key] > 1}


def _told(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in states.items() if count)


def _reasons(store: Store, trial_ids: list[str]) -> tuple[str, ...]:
    """Why trials failed: the failure's error and message, or a replicate's reason."""
    found = []
    for trial_id in trial_ids:
        failure = store.notes.read_failure(trial_id)
        if failure is not None:
            found.append(f"{failure['error']}: {failure['message']}")
        for done in store.replicates.ended(trial_id).values():
            if done.state != "completed":
                found.append(f"{done.state}: {store.replicates.read_result(done)['reason']}")
    return tuple(found)
