"""What the command line prints about plans and runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

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


def print_plan(console: Console, plan: Plan) -> None:
    """Trials per block and status, and the totals."""
    table = Table("block", *("trials", *STATUSES), title=Text(f"sweep {plan.name}"), title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for label, counts in block_counts(plan).items():
        table.add_row(Text(label), *(f"{counts[key]:,}" for key in ("trials", *STATUSES)))
    console.print(table)
    counts = plan.counts()
    states = _states(counts)
    console.print(f"{len(plan.trials):,} trials, {plan.replicates():,} replicates: {states}", highlight=False)
    console.print(f"replicates still to train: {plan.missing_replicates():,}", highlight=False)


def print_samples(console: Console, manifest: SweepManifest) -> None:
    """How many trials a search has still to choose; nothing for a grid."""
    if manifest.samples is not None:
        left = unchosen(manifest)
        console.print(f"search: {left:,} of {manifest.samples:,} trials are not chosen yet", highlight=False)


def unchosen(manifest: SweepManifest) -> int:
    """How many trials a search has still to choose; 0 for a grid."""
    if manifest.samples is None:
        return 0
    return max(manifest.samples - len(manifest.trials), 0)


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
        console.print(f"time: unknown, as {left:,} trials are not chosen yet", highlight=False)
        return
    if forecast.time.device == "cuda":
        cost = f"{hours(forecast.device_seconds)} GPU-hours"
    else:
        cost = f"{hours(forecast.device_seconds)} core-hours"
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
    started = f"started {outcome.started:,} trial(s)" if has_run else "nothing to start"
    console.print(f"sweep {outcome.plan.name}: {started}; now {states}", highlight=False, soft_wrap=True)
    if counts["failed"]:
        print_advice(console, "why", advised("status", "--failed", space=outcome.plan.name))
        print_advice(console, "run them again", advised("retry", "--failed", space=outcome.plan.name))
    if outcome.stopped is not None:
        console.print(Text(f"stopped early: {outcome.stopped}", style="red"), soft_wrap=True)
    if outcome.untracked:
        console.print(f"{outcome.untracked} trial(s) are not in MLflow yet", highlight=False)
        print_advice(console, "bring it level", advised("reconcile", space=outcome.plan.name))


def print_advice(console: Console, purpose: str, command: str) -> None:
    """A command to paste, on a line that is not broken."""
    console.print(Text(f"  {purpose}: {command}"), soft_wrap=True)


def hours(seconds: float) -> str:
    """Seconds as hours, in three digits.

    >>> hours(44_280), hours(100), hours(7_200_000)
    ('12.3', '0.0278', '2,000')
    """
    value = seconds / 3600
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def size(count: int) -> str:
    """Bytes in words.

    >>> size(900), size(30_000), size(1_234_567_890)
    ('900 B', '30.0 kB', '1.2 GB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
