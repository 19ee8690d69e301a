"""The data of a run, looked at before anything trains: here before Ray starts, on a cluster by its nodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from search_spaces.config import Task
from sweeps.driver.data_check import (
    CheckedWork,
    begun,
    check_data,
    check_hope,
    faults_of,
    note_blocked,
)
from sweeps.driver.data_words import data_lines, not_comparable_lines
from sweeps.driver.opened import OpenedSweep
from sweeps.driver.survey import labels_here, look_here
from sweeps.driver.work import Work
from sweeps.options import RunOptions
from sweeps.plan import make_plan
from trainer.data.survey import Finding

# Seconds between lines about progress where they are not written over each other.
_QUIET_SECONDS = 30.0


@contextmanager
def shown_progress(console: Console, words: str) -> Iterator[Callable[[str], None]]:
    """A function that shows how far something is: in place at a terminal, else as a line now and then."""
    if console.is_terminal:
        with console.status(words) as status:
            yield lambda told: status.update(Text(told))
        return
    last = time.monotonic()

    def show(told: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET_SECONDS:
            last = time.monotonic()
            console.print(Text(told), soft_wrap=True)

    yield show


class RunData:
    """What a run asks of its data, and says of them.

    labels     what labels told here, before the sweep's lease was taken; nothing on a cluster
    checked    the work that the data allow, once `check` was called
    """

    def __init__(self, sweep: OpenedSweep, options: RunOptions, console: Console) -> None:
        self._sweep, self._options, self._console = sweep, options, console
        self.labels: dict[Task, Finding] = {}
        self.checked: CheckedWork | None = None
        if options.cluster_address is None:
            self.labels = labels_here(sweep.tasks, options.trial)

    def check_hope(self, retry: Collection[str]) -> None:
        """Raise DataError where labels tell that no trial can be trained of those that a run would start."""
        sweep, faults = self._sweep, faults_of(self.labels)
        if any(task not in faults for task in sweep.tasks):
            return
        plan = make_plan(sweep.name, sweep.manifest.trials, sweep.store)
        wanted = plan.of(*retry) if retry else plan.to_run()
        tasks = [trial.config.data for trial in wanted]
        if sweep.search is not None and sweep.manifest.unchosen:
            tasks += sweep.tasks
        check_hope(plan, tasks, self.labels)

    def needed(self, work: Work) -> list[Task]:
        """The tasks to be trained, as far as they are known."""
        tasks = [trial.config.data for trial in work.wanted]
        if work.suggestions:
            tasks += work.tasks
        if self._options.trial.changed_data:
            tasks += self._begun(work)
        return list(dict.fromkeys(tasks))

    def compared(self, work: Work) -> list[Task]:
        """Tasks that have results and are not to be trained: compared where their data are there."""
        needed = self.needed(work)
        return [task for task in dict.fromkeys(self._begun(work)) if task not in needed]

    def is_looked_at_here(self, work: Work) -> bool:
        """Whether this machine tells: always without a cluster, and where a cluster has nothing to train."""
        is_idle = not work.is_any and not self._options.trial.changed_data
        return self._options.cluster_address is None or is_idle

    def look(self, work: Work) -> dict[Task, Finding]:
        """What this machine tells. Raises InputError where decoding is killed."""
        needed, compared, options = self.needed(work), self.compared(work), self._options.trial
        labels = self.labels or labels_here([*needed, *compared], options)
        with shown_progress(self._console, "looking at the data") as show:
            return look_here(needed, compared, labels, options, show)

    def check(self, work: Work, findings: Mapping[Task, Finding]) -> Work:
        """Say what was found, and return the work that is left. Raises DataError as `check_data` does."""
        needed, changed_data = self.needed(work), self._options.trial.changed_data
        if changed_data:
            check_hope(work.plan, needed, findings, whatever_ended=True)
        checked = check_data(work, findings, changed_data=changed_data)
        lines = not_comparable_lines(self.compared(work), findings)
        if work.is_any or checked.work.is_any or checked.blocked or changed_data:
            told = {task: findings[task] for task in needed if task in findings}
            lines += data_lines(told, checked.faults)
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)
        self.checked = checked
        return checked.work

    def note(self, work: Work) -> None:
        """Write down what the sweep expects, and beside trials that cannot be trained why that is."""
        work.store.write_sweep(work.manifest)
        if self.checked is not None:
            note_blocked(work.store, self.checked)

    @staticmethod
    def _begun(work: Work) -> list[Task]:
        """The tasks of trials that have results."""
        return [trial.config.data for trial in begun(work.plan)]
