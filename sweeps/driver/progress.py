"""The live display of a sweep: a redrawn panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from search_spaces.config import Metric, TrialConfig
from search_spaces.labels import BlockLabels
from search_spaces.words import cause

PLAIN_INTERVAL_SECONDS = 10.0


@dataclass
class SweepProgress:
    """Counts of a running sweep, and its best trial so far by the ensemble's validation metric that steers.

    `total` trials belong to the sweep, `done` and `failed` of them before it started. The share of work
    done counts a trial under way by its epochs; the time left follows as if all trials took as long.
    """

    total: int
    done: int
    failed: int
    to_run: int
    console: Console = field(default_factory=Console)
    pruned: int = 0
    labels: BlockLabels = field(default_factory=BlockLabels)
    # By metric, as values of different tasks do not compare: the best value, and whose it is.
    best: dict[Metric, tuple[float, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        # When the first epoch came in, and the share done then.
        self._first: tuple[float, float] | None = None
        self._last_line = 0.0
        self._ended = 0
        self._running: dict[str, float] = {}
        # Of trials that were started: how many epochs they have at most.
        self._epochs: dict[str, int] = {}
        self._live: Live | None = None
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._panel, console=self.console, refresh_per_second=2)

    def __enter__(self) -> SweepProgress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._ended:
            self._print_line()

    def epoch(self, config: TrialConfig, epoch: int, value: float) -> None:
        """A trial has reached an epoch (from 0), with this validation value of its ensemble."""
        self._running[config.trial_id] = (epoch + 1) / config.epochs
        if self._first is None:
            self._first = (time.monotonic(), self._share())
        metric = config.data.steering_metric
        known = self.best.get(metric)
        if not math.isnan(value) and (known is None or metric.gain(value) > metric.gain(known[0])):
            self.best[metric] = (value, self.labels.trial(config))
        if self._live is None and time.monotonic() - self._last_line >= PLAIN_INTERVAL_SECONDS:
            self._print_line()

    def started(self, config: TrialConfig) -> None:
        """A trial has been given to a worker."""
        self._epochs[config.trial_id] = config.epochs
        self._running.setdefault(config.trial_id, 0.0)

    def ended(self, config: TrialConfig, error: str | None = None, *, pruned: bool = False) -> None:
        """A trial has ended, with the reason when it failed."""
        self._running.pop(config.trial_id, None)
        self._ended += 1
        if pruned:
            self.pruned += 1
        elif error is None:
            self.done += 1
        else:
            self.failed += 1
            reason = cause(error) or "unknown error"
            self.console.print(
                Text(f"failed  {self.labels.trial(config)}: {reason}", style="red"), soft_wrap=True
            )

    def stopped(self, config: TrialConfig) -> None:
        """A trial has left its worker before its end and will go on later."""
        self._running.pop(config.trial_id, None)

    def under_way(self) -> dict[str, tuple[int, int]]:
        """Epochs that have ended of each trial under way, and of how many, by its id. For any thread."""
        epochs, known = {}, self._epochs.copy()
        for trial_id, share in self._running.copy().items():
            of_all = known.get(trial_id, 0)
            epochs[trial_id] = (round(share * of_all), of_all)
        return epochs

    def running_ids(self) -> set[str]:
        """Ids of the trials under way."""
        return set(self._running)

    def _share(self) -> float:
        under_way = sum(min(share, 1.0) for share in self._running.values())
        return (self._ended + under_way) / max(self.to_run, 1)

    def seconds_left(self) -> float | None:
        """Estimated seconds to the end, from the pace since the first epoch; None while there is no pace."""
        if self._first is None:
            return None
        since, share_then = self._first
        share = self._share()
        if share <= share_then:
            return None
        return (time.monotonic() - since) * (1 - share) / (share - share_then)

    def _summary(self) -> str:
        left = self.seconds_left()
        parts = [f"{self.done}/{self.total} done", f"{self.failed} failed"]
        if self.pruned:
            parts.append(f"{self.pruned} pruned")
        parts.append(f"{len(self._running)} running")
        parts.append("ETA unknown" if left is None else f"ETA {duration(left)}")
        for metric, (value, label) in self.best.items():
            parts.append(f"best so far: val {metric.words} {value:.4f} ({label})")
        return " · ".join(parts)

    def _panel(self) -> Group:
        bar = ProgressBar(total=1.0, completed=self._share(), width=None)
        return Group(bar, Text(self._summary()))

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        elapsed = duration(time.monotonic() - self._started)
        self.console.print(Text(f"[{elapsed}] {self._summary()}"), soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(42), duration(75), duration(7322), duration(200000)
    ('42 s', '1 min 15 s', '2 h 02 min', '2 d 7 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
