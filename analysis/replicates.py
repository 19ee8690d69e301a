"""What became of a trial's replicates: where the numbers of each come from, or why it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.records import Missing, ReplicateSource
from search_spaces.config import TrialConfig
from search_spaces.errors import DamagedError, StoreError
from search_spaces.words import cause
from trainer.store import Done, Standing, Store, standing, states_of
from trainer.tasks.base import TaskArrays, task_arrays

_REASON_LENGTH = 300


def replicate_source(
    store: Store, config: TrialConfig, done: Done, origin: object, arrays: TaskArrays | None = None
) -> ReplicateSource:
    """Where a completed replicate's numbers come from; `origin` names it in errors, as text.

    `arrays` are the trial's task, where the caller has it.

    Raises StoreError for a result that does not tell its data, DamagedError where a file is damaged.
    """
    if "scores" not in done.files:
        raise DamagedError(f"{origin}: its DONE marker lists no scores")
    result = store.replicates.read_result(done)
    data_sha256 = result.get("data_sha256")
    if not isinstance(data_sha256, str) or not data_sha256:
        raise StoreError(
            f"{origin}: expected the data's hash as data_sha256 in its result, found {data_sha256!r}"
        )
    scores = done.files["scores"]
    return ReplicateSource(
        seed=done.seed,
        attempt=done.attempt,
        scores_file=scores.name,
        scores_sha256=scores.sha256,
        data_sha256=data_sha256,
        commit=str(result.get("commit", "unknown")),
        versions=_versions(result),
        device=str(result.get("device", "unknown")),
        processor=_text(result, "processor"),
        cpu_capability=_text(result, "cpu_capability"),
        gpu_driver=_text(result, "gpu_driver"),
        threads=_whole(result, "threads"),
        compiled=result.get("compiled") is True,
        counts=(arrays or task_arrays(config.data)).drawn_counts(result.get("counts") or {}),
        seconds=_seconds(result),
        label_pairs=_label_pairs(config, result),
    )


def told_damage(store: Store, error: DamagedError) -> str:
    """What is damaged, by its path in the output folder: tables hold no path of a machine."""
    return str(error).replace(store.storage.where(""), "")


def trial_standing(
    store: Store,
    trial_id: str,
    seeds: Sequence[int],
    done: Mapping[int, Done],
    damage: Mapping[int, str],
) -> tuple[Standing, Mapping[str, Any]]:
    """How a trial stands, and what its last attempt failed of where replicates are missing since; else {}.

    `seeds` are those that are wanted, `done` the DONE markers of its sound replicates by seed, and `damage`
    tells of the others that ended: they count as failed.
    """
    states = states_of(done)
    missing = standing(seeds, states).missing
    failure = None
    if set(missing) - set(damage):
        failure = store.notes.read_failure(trial_id)
    failed = set(damage)
    if failure is not None:
        failed.update(failure["seeds"] or missing)
    found = standing(seeds, states, failed=bool(failed), failed_seeds=failed)
    return found, failure or {}


def missing_replicates(
    store: Store,
    found: Standing,
    done: Mapping[int, Done],
    failure: Mapping[str, Any],
    damage: Mapping[int, str],
) -> tuple[Missing, ...]:
    """Wanted replicates without a score: how each ended, its damage, the trial's failure, or pending."""
    missing = []
    for seed, state in sorted(found.states.items()):
        if state == "completed":
            continue
        reason, pruned_by, raced_after = "", None, None
        if state == "failed" and seed in damage:
            state, reason = "damaged", damage[seed]
        elif state == "failed":
            reason = _failure_reason(failure)
        elif seed in done:  # not a pruned trial's other seeds, which never ended
            result = store.replicates.read_result(done[seed])
            reason = _front(cause(str(result.get("reason") or "")))
            pruned_by = _text(result, "pruned_by")
            raced_after = _whole(result, "raced_after")
        missing.append(Missing(seed, state, reason, pruned_by, raced_after))
    return tuple(missing)


def _text(result: Mapping[str, Any], name: str) -> str | None:
    """A text of a result, or None where it has none: an older one, or one that does not apply."""
    value = result.get(name)
    if not isinstance(value, str):
        return None
    return value or None


def _whole(result: Mapping[str, Any], name: str) -> int | None:
    """A whole number of a result, likewise."""
    value = result.get(name)
    return value if isinstance(value, int) else None


def _versions(result: Mapping[str, Any]) -> dict[str, str]:
    """The versions of libraries by their names, sorted."""
    versions = {}
    for name, version in sorted(dict(result.get("versions", {})).items()):
        versions[str(name)] = str(version)
    return versions


def _failure_reason(failure: Mapping[str, Any]) -> str:
    message = str(failure.get("message") or "")
    error = str(failure.get("error") or "")
    return _front(cause(message)) or _front(cause(error)) or "no message was stored"


def _front(text: str) -> str:
    """The text; of a long one the front, where the cause stands."""
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 1] + "…"


def _seconds(result: Mapping[str, Any]) -> float | None:
    value = result.get("wall_seconds")
    return float(value) if isinstance(value, int | float) else None


def _label_pairs(config: TrialConfig, result: Mapping[str, Any]) -> tuple[tuple[int, ...], ...] | None:
    """Of label sets, as a result tells them; None of other tasks, and of results that do not."""
    pairs, labels = result.get("label_pairs"), len(config.data.labels)
    if not config.data.has_label_sets or not isinstance(pairs, list) or len(pairs) != labels:
        return None
    rows = []
    for row in pairs:
        if not isinstance(row, list) or len(row) != labels or not all(isinstance(n, int) for n in row):
            return None
        rows.append(tuple(row))
    return tuple(rows)
