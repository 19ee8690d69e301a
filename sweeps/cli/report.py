"""What the command line prints about plans and runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from search_spaces.words import count, size
from sweeps.capacity.forecast import Forecast
from sweeps.driver.progress import duration
from sweeps.hints import advised
from sweeps.plan import STATUSES, DiskNeed, Plan, block_counts
from trainer.store import Store, SweepManifest

if TYPE_CHECKING:
    from sweeps.driver.run import SweepOutcome

TAIL_LINES = 5
# Below it a measurement of a few batches tells nothing.
LEAST_GAIN = 1.1
_LABEL = 16  # of a block in a table, at least


def print_plan(console: Console, plan: Plan) -> None:
    """Trials per block and status, and the totals: a table, or lines where the terminal is too narrow."""
    blocks = block_counts(plan)
    table = _counts_table(plan.name, blocks)
    if Measurement.get(console, console.options.update(width=10_000), table).minimum <= console.width:
        console.print(table)
    else:
        console.print(Text(f"sweep {plan.name}"))
        for label, counts in blocks.items():
            console.print(Text(f"{label}: {count(counts['trials'], 'trial')}, {_states(counts)}"))
    counts = plan.counts()
    states = _states(counts)
    trials = count(len(plan.trials), "trial")
    console.print(f"{trials}, {count(plan.replicates(), 'replicate')}: {states}", highlight=False)
    console.print(f"replicates still to train: {plan.missing_replicates():,}", highlight=False)
    twice = sum(planned.config.corrects_twice for planned in plan.trials)
    if twice:
        words = f"corrected twice, by the sampler and by the loss: {count(twice, 'trial')}"
        console.print(words, highlight=False)


def _counts_table(name: str, blocks: Mapping[str, Mapping[str, int]]) -> Table:
    """A row per block; numbers are never cut, a block's label is folded."""
    table = Table(title=Text(f"sweep {name}"), title_justify="left")
    table.add_column("block", overflow="fold", min_width=_LABEL)
    for key in ("trials", *STATUSES):
        table.add_column(key, justify="right", no_wrap=True)
    for label, counts in blocks.items():
        table.add_row(Text(label), *(f"{counts[key]:,}" for key in ("trials", *STATUSES)))
    return table


def print_samples(console: Console, manifest: SweepManifest) -> None:
    """How many trials a search has still to choose; nothing for a grid."""
    if manifest.samples is not None:
        of_all = count(manifest.samples, "trial")
        console.print(f"search: {manifest.unchosen:,} of {of_all} are not chosen yet", highlight=False)


def print_stages(console: Console, manifest: SweepManifest, whole: SweepManifest) -> None:
    """How many of a study's trials stand for those that its first stage will choose; nothing for others."""
    if len(whole.trials) > len(manifest.trials):
        later = len(whole.trials) - len(manifest.trials)
        console.print(
            f"stage 2: {later:,} of these stand for trials chosen on validation after the other "
            f"{len(manifest.trials):,}",
            highlight=False,
        )


def _states(counts: Mapping[str, int]) -> str:
    """Trials per status in words; pruned ones only where there are any."""
    shown = [status for status in STATUSES if counts[status] or status != "pruned"]
    return ", ".join(f"{counts[status]:,} {status}" for status in shown)


def print_disk(console: Console, need: DiskNeed) -> None:
    """Disk that the whole sweep takes."""
    basis = "measured on finished replicates" if need.measured else "assumed, none finished yet"
    console.print(
        f"disk: {size(need.results)} of scores and curves ({basis}), {size(need.weights)} of weights, "
        f"up to {size(need.checkpoints)} of checkpoints while running",
        highlight=False,
    )


def print_time(console: Console, forecast: Forecast, left: int = 0) -> None:
    """Device hours and wall time of the missing replicates, where every kind of trial has been measured.

    `left` trials of a search are not chosen yet, so nobody knows what they take.
    """
    if forecast.time.unknown:
        console.print("time: unknown (measure it with --probe)", highlight=False)
        return
    if left:
        console.print(f"time: unknown, not chosen yet: {count(left, 'trial')}", highlight=False)
        return
    if not forecast.time.seconds:
        console.print("time: none, nothing is left to train", highlight=False)
        return
    cost = device_time(forecast.device_seconds, "GPU" if forecast.time.device == "cuda" else "core")
    wall = duration(forecast.wall_seconds)
    console.print(
        Text(f"time: at most {cost}, {wall} on {forecast.where}, without early stopping"), soft_wrap=True
    )
    console.print(Text(f"  {forecast.packing.reason}"), soft_wrap=True)
    gain = forecast.bf16_gain
    if gain is not None:
        saving = f"{gain:.2g} times as fast" if gain >= LEAST_GAIN else "no faster"
        console.print(Text(f"  precision: bf16 would be {saving} here (measured; other trials, other ids)"))


def print_trials(console: Console, plan: Plan, numbers: Mapping[str, int]) -> None:
    """One line per trial: its number in the space, id, status, replicates that ended, name.

    Trials without a number are left out.
    """
    width = len(str(len(numbers)))
    for trial in plan.trials:
        if trial.trial_id not in numbers:
            continue
        number = f"{numbers[trial.trial_id]:{width}}"
        wanted = len(trial.config.seeds)
        ended = f"{wanted - len(trial.missing)}/{wanted}"
        label = plan.labels.trial(trial.config)
        line = f"{number}  {trial.trial_id}  {trial.status:8}  {ended}  {label}"
        console.print(Text(line), soft_wrap=True)


def print_failed(console: Console, plan: Plan, store: Store) -> None:
    """Failed trials, each with its last error or how its replicates ended; and what runs them again."""
    failed = plan.failed()
    for trial in failed:
        console.print(
            Text(f"{trial.trial_id}  {plan.labels.trial(trial.config)}", style="red"), soft_wrap=True
        )
        failure = store.notes.read_failure(trial.trial_id)
        if failure is not None:
            console.print(Text(f"    {failure['error']}: {failure['message']}"), soft_wrap=True)
            # The last line repeats the message; those before it say where it happened.
            for line in failure["traceback"][-TAIL_LINES:-1]:
                console.print(Text(f"    {line}", style="dim"), soft_wrap=True)
            if "peak_memory_bytes" in failure:
                console.print(f"    peak memory {size(failure['peak_memory_bytes'])}", highlight=False)
        for seed, done in sorted(store.replicates.ended(trial.trial_id).items()):
            if done.state != "completed":
                reason = store.replicates.read_result(done)["reason"]
                console.print(Text(f"    seed {seed} {done.state}: {reason}"), soft_wrap=True)
    if failed:
        print_advice(console, "run them again", advised("retry", "--failed", space=plan.name))


def print_outcome(console: Console, outcome: SweepOutcome) -> None:
    """What a run did, in one or two lines."""
    counts = outcome.plan.counts()
    states = _states(counts)
    has_run = outcome.started or outcome.interrupted
    started = f"started {count(outcome.started, 'trial')}" if has_run else "nothing to start"
    console.print(f"sweep {outcome.plan.name}: {started}; now {states}", highlight=False, soft_wrap=True)
    if counts["failed"]:
        print_advice(console, "why", advised("status", "--failed", space=outcome.plan.name))
        print_advice(console, "run them again", advised("retry", "--failed", space=outcome.plan.name))
    if outcome.stopped is not None:
        console.print(Text(f"stopped early: {outcome.stopped}", style="red"), soft_wrap=True)


def print_untracked(console: Console, outcome: SweepOutcome) -> None:
    """How many trials MLflow does not show yet, and what brings it level; nothing where it shows all."""
    if outcome.untracked:
        console.print(f"not in MLflow yet: {count(outcome.untracked, 'trial')}", highlight=False)
        print_advice(console, "bring it level", advised("reconcile", space=outcome.plan.name))


def print_advice(console: Console, purpose: str, command: str) -> None:
    """A command to paste, on a line that is not broken."""
    console.print(Text(f"  {purpose}: {command}"), soft_wrap=True)


def device_time(seconds: float, device: str) -> str:
    """Seconds of a device in words, in up to three digits, in the unit that suits.

    >>> device_time(7_200_000, "core"), device_time(44_280, "core"), device_time(864, "core")
    ('2,000 core-hours', '12.3 core-hours', '0.24 core-hours')
    >>> device_time(100, "GPU"), device_time(0.22, "core")
    ('1.67 GPU-minutes', '0.22 core-seconds')
    """
    if seconds < 60:
        return f"{max(seconds, 0.01):.2g} {device}-seconds"
    if seconds < 360:
        return f"{seconds / 60:.3g} {device}-minutes"
    hours = seconds / 3600
    return f"{hours:,.0f} {device}-hours" if hours >= 1000 else f"{hours:.3g} {device}-hours"
