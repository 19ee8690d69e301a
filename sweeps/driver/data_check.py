"""What data say about a run: which trials cannot be trained, and which are of other data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from search_spaces.config import Task
from search_spaces.errors import DataError
from search_spaces.labels import BlockLabels
from search_spaces.words import count
from sweeps.driver.work import Work
from sweeps.hints import advised
from sweeps.plan import Plan, PlannedTrial
from trainer.changed_data import TrainedOn, difference, of_other_data
from trainer.data.survey import Finding, Survey
from trainer.store import Store, wanted_seeds


@dataclass(frozen=True)
class CheckedWork:
    """The work that the data allow.

    work       what is left to do: trials whose last attempt failed come last
    blocked    trials that cannot be trained
    faults     why, by their task
    """

    work: Work
    blocked: Sequence[PlannedTrial]
    faults: Mapping[Task, str]


def faults_of(findings: Mapping[Task, Finding]) -> dict[Task, str]:
    """Why tasks cannot be trained, of those that cannot."""
    found = {}
    for task, finding in findings.items():
        fault = finding.fault
        if finding.survey is not None:
            fault = refusal(task, finding.survey)
        if fault is not None:
            found[task] = fault
    return found


def refusal(task: Task, survey: Survey) -> str | None:
    """Why a task is refused whose data set has splits of its own that it leaves out; None where it is not."""
    if not survey.replaces or task.replace_splits:
        return None
    told, keys = [], []
    for name in survey.replaces:
        own, drawn = getattr(survey, name).replaced, task.drawn(name)
        key = f"{name}_per_class" if drawn is None else drawn.key
        keys.append(key)
        told.append(f"{key} would leave out its own {name} split of {own:,} images")
    return (
        f"{task.title}: {' and '.join(told)}; expected replace_splits: true in data, for a draw from "
        f"the training images in its place, or no {' and no '.join(keys)}"
    )


def check_hope(
    plan: Plan, tasks: Collection[Task], findings: Mapping[Task, Finding], *, whatever_ended: bool = False
) -> None:
    """Raise DataError, in one line with every reason, where none of the `tasks` to train can be trained.

    Not where other trials of the sweep have results, unless it is for want of files that are there, or
    `whatever_ended`.
    """
    faults = faults_of(findings)
    if not tasks or any(task not in faults for task in tasks):
        return
    is_missing = all(findings[task].is_missing for task in tasks)
    if is_missing or whatever_ended or not begun(plan):
        reasons = dict.fromkeys(faults[task] for task in tasks)
        raise DataError(f"{plan.name}: no trial can be trained: {'; '.join(reasons)}")


def begun(plan: Plan) -> list[PlannedTrial]:
    """The trials that have results."""
    return [trial for trial in plan.trials if len(trial.missing) < len(trial.config.seeds)]


def check_data(work: Work, findings: Mapping[Task, Finding], *, changed_data: bool) -> CheckedWork:
    """The work that is left when what was found of the data is counted in.

    Trials whose stored results are of other data are trained again with `changed_data`. Raises DataError
    where there are such trials without it, and where no trial can be trained.
    """
    faults = faults_of(findings)
    stale = stale_trials(work.store, work.plan, findings)
    if stale and not changed_data:
        raise DataError(_changed_words(work, stale, findings))
    again = [planned for planned, _ in stale]
    work = _with_trials_again(work, again)
    tasks = [trial.config.data for trial in work.wanted]
    if work.suggestions:
        tasks += work.tasks
    check_hope(work.plan, tasks, findings)
    blocked = [trial for trial in work.wanted if trial.config.data in faults]
    return CheckedWork(_without(work, blocked), blocked, faults)


def stale_trials(
    store: Store, plan: Plan, findings: Mapping[Task, Finding]
) -> list[tuple[PlannedTrial, TrainedOn]]:
    """Trials with results of other data than there are now, and of which; their seeds count as missing."""
    known = {task: finding.sha256 for task, finding in findings.items() if finding.sha256 is not None}
    trials = [trial for trial in begun(plan) if trial.config.data in known]
    ended = store.all_replicates(wanted_seeds(trial.config for trial in trials))
    found = []
    for trial in trials:
        done = ended.get(trial.trial_id, {})
        wanted = {seed: done[seed] for seed in trial.config.seeds if seed in done}
        other = of_other_data(store, wanted, known[trial.config.data])
        if other:
            missing = tuple(s for s in trial.config.seeds if s in other or s in trial.missing)
            found.append((replace(trial, missing=missing, status="partial"), next(iter(other.values()))))
    return found


def note_blocked(store: Store, checked: CheckedWork) -> None:
    """Leave beside each trial that cannot be trained why that is, as an attempt that failed would."""
    for trial in checked.blocked:
        failure = {
            "error": DataError.__name__,
            "message": checked.faults[trial.config.data],
            "traceback": [],
            "seeds": list(trial.missing),
        }
        store.write_config(trial.config)
        store.notes.write_failure(trial.trial_id, failure)


def _changed_words(
    work: Work, stale: Sequence[tuple[PlannedTrial, TrainedOn]], findings: Mapping[Task, Finding]
) -> str:
    """How many trials of which blocks are of other data, both hashes, and what trains them again."""
    blocks: dict[tuple[Task, TrainedOn], int] = {}
    for trial, was in stale:
        key = (trial.config.data, was)
        blocks[key] = blocks.get(key, 0) + 1
    told, names = [], BlockLabels(task for task, _ in blocks)
    for (task, was), number in blocks.items():
        words = difference(was, findings[task].sha256 or "")
        told.append(f"{names.block(task)}: {count(number, 'trial')} {words}")
    command = advised("retry", "--changed-data", space=work.plan.name)
    return (
        f"the data have changed: {'; '.join(told)}. Results on different data do not mix; "
        f"train these again: {command}"
    )


def _with_trials_again(work: Work, again: Sequence[PlannedTrial]) -> Work:
    """The work with trials to be trained again as well, though they had ended."""
    by_id = {trial.trial_id: trial for trial in again}
    if not by_id:
        return work
    plan = replace(work.plan, trials=tuple(by_id.get(t.trial_id, t) for t in work.plan.trials))
    wanted = [by_id.pop(trial.trial_id, trial) for trial in work.wanted]
    return replace(work, plan=plan, wanted=[*wanted, *by_id.values()])


def _without(work: Work, blocked: Sequence[PlannedTrial]) -> Work:
    """The work without trials that cannot be trained, which count as failed; failed ones come last."""
    ids = {trial.trial_id for trial in blocked}
    trials = []
    for trial in work.plan.trials:
        trials.append(replace(trial, status="failed") if trial.trial_id in ids else trial)
    wanted = [trial for trial in work.wanted if trial.trial_id not in ids]
    return replace(
        work,
        plan=replace(work.plan, trials=tuple(trials)),
        wanted=sorted(wanted, key=lambda trial: trial.status == "failed"),
        again=[trial for trial in work.again if trial.trial_id not in ids],
    )
