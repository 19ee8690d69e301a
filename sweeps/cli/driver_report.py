"""What `status` says of the driver that runs a sweep, and of the trials that run now."""

from __future__ import annotations

import time

from rich.console import Console
from rich.text import Text

from search_spaces.labels import trial_label
from sweeps.driver.holder import Holder
from sweeps.driver.progress import duration
from trainer.store import SweepManifest


def print_driver(console: Console, holder: Holder | None, manifest: SweepManifest) -> None:
    """The driver in a line, and a line for each trial that it runs; nothing where there is no driver."""
    if holder is None:
        return
    now = time.time()
    who = f"process {holder.pid} on {holder.host}"
    silence = duration(max(now - holder.heartbeat, 0))
    if not holder.is_alive:
        line = f"no driver: {who} is gone, or cannot be reached, since {silence}; a relaunch goes on"
        console.print(Text(line), soft_wrap=True)
        return
    begin = time.strftime("%Y-%m-%d %H:%M", time.localtime(holder.since))
    line = f"driver: {who}, since {begin} ({duration(max(now - holder.since, 0))}), told this {silence} ago"
    console.print(Text(line), soft_wrap=True)
    labels = {config.trial_id: trial_label(config) for config in manifest.trials}
    for trial_id, (epoch, epochs) in sorted(holder.under_way.items()):
        label = labels.get(trial_id, "")
        console.print(
            Text(f"  running  {trial_id}  epoch {epoch}/{epochs}  {label}".rstrip()), soft_wrap=True
        )
