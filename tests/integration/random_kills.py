"""A sweep of short trials that is killed again and again, at random moments, and relaunched until it ends.

`python -m tests.integration.random_kills KILLS [SEED]` prints what each kill hit, and what was left.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.integration.faults.calm import undisturbed_tables
from tests.integration.faults.found import compare
from tests.integration.faults.scene import Scene
from tests.processes import PATIENCE, end_family, kill_family, wait_until

LOSSES = ("baseline_BCE", "baseline_s_LM_m05", "baseline_LDAM")
TRIALS_PER_KILL = 6
# The latter is what Python makes of an interrupt in code that was given as text, while it imports; to a
# shell both are 130.
INTERRUPTED = (130, -signal.SIGINT)
# A driver that is killed before it has begun ends as any program.
_UNBEGUN = (-signal.SIGTERM, -signal.SIGHUP)


@dataclass
class Outcome:
    """What came of it.

    kills      how many kills of each kind struck
    codes      how the drivers ended that were not killed by KILL
    launches   drivers that were started, the last one included
    table      "identical", or in what it differs from that of the same trials without Ray and without a kill
    unlevel    MLflow runs that a final `reconcile` had to write or end
    temp       what is left in the temp folder
    processes  processes that live on
    """

    kills: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    launches: int = 0
    last_code: int = -1
    table: str = ""
    unlevel: int = -1
    temp: list[str] = field(default_factory=list)
    processes: int = -1


def _worker(driver: psutil.Process) -> None:
    """One of the processes that train, or another of Ray's workers; no agent, without which its node ends."""
    found = []
    for child in driver.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            name = child.name()
            if name.startswith("ray::") and not name.endswith("Agent"):
                found.append(child)
    random.choice(found or [driver]).kill()


def _to_all(driver: psutil.Process) -> None:
    """As systemd and SLURM end a job: TERM to every process of it."""
    for process in [driver, *driver.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)


KILLS: dict[str, Callable[[psutil.Process], None]] = {
    "KILL driver": lambda driver: driver.kill(),
    "KILL tree": lambda driver: kill_family(driver.pid),
    "KILL worker": _worker,
    "HUP driver": lambda driver: driver.send_signal(signal.SIGHUP),
    "TERM group": lambda driver: os.killpg(driver.pid, signal.SIGTERM),
    "TERM all": _to_all,
}


def space(trials: int) -> str:
    """A space of at least so many short trials."""
    deltas = [round(0.05 * (n + 1), 2) for n in range(-(-trials // len(LOSSES)) - 1)]
    return (
        "name: faults\n"
        "fixed: {dataset: digits, ratio: 20, epochs: 3, seeds: [1, 2], model.width: 4}\n"
        f"grid:\n  loss: [{', '.join(LOSSES)}]\n  alm: [none, ALM_14_beg]\n  delta: {deltas}\n"
    )


def play(folder: Path, kills: int, *, say: Callable[[str], object] = lambda text: None) -> Outcome:
    """Kill a sweep so often, let it end, and look at what it left. The temp folder is `folder`/t."""
    scene, outcome = Scene(folder / "sweep"), Outcome()
    scene.space.write_text(space(TRIALS_PER_KILL * kills))
    replicates = sum(len(trial.seeds) for trial in scene.trials)
    undisturbed = undisturbed_tables(folder / "calm", scene.space.read_text())
    temp = folder / "t"
    temp.mkdir()
    scene.environment["TMPDIR"] = str(temp)
    scene.environment.pop("RAY_TMPDIR", None)
    try:
        while outcome.kills.total() < kills:
            before = outcome.kills.total()
            _launch_and_kill(scene, outcome, kills, replicates)
            say(f"{outcome.kills.total()} kills, {len(scene.attempts())} replicates done, {outcome.codes}")
            if outcome.kills.total() == before:
                break  # it has ended before a kill
        with _counted_driver(scene, outcome) as driver:
            outcome.last_code = driver.wait(4 * PATIENCE)  # all that the kills have left to do
        outcome.processes = scene.processes_left()
        outcome.temp = sorted(path.name for path in temp.iterdir())
        outcome.table = compare(undisturbed, scene.tables())
        counts = scene.reconcile()
        outcome.unlevel = counts.created + counts.updated + counts.ended + counts.failed
        return outcome
    finally:
        scene.clear_processes()


@contextmanager
def _counted_driver(scene: Scene, outcome: Outcome) -> Iterator[subprocess.Popen[bytes]]:
    outcome.launches += 1
    with command_itself(scene) as driver:
        yield driver


@contextmanager
def command_itself(scene: Scene) -> Iterator[subprocess.Popen[bytes]]:
    """The scene's sweep by the command line, in a process group of its own, as batch systems start it."""
    command = [sys.executable, "-m", "sweeps.cli", "run", scene.space, "-o", scene.output]
    with scene.log.open("wb") as log:
        process = subprocess.Popen(
            command,
            env=scene.environment,
            cwd=scene.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            end_family(process)


def _launch_and_kill(scene: Scene, outcome: Outcome, kills: int, replicates: int) -> None:
    """Start a driver and kill it at a random moment; of those that only lose a worker once more.

    replicates   of the whole sweep. Each kill has an equal part of them, and so has what follows the last:
                 the sweep outlasts its kills however fast the machine is.
    """
    with _counted_driver(scene, outcome) as driver:
        while outcome.kills.total() < kills and driver.poll() is None:
            _wait_a_while(scene, driver, at_most=replicates * (outcome.kills.total() + 1) // (kills + 1))
            if driver.poll() is not None:
                break
            name = random.choice(list(KILLS))
            KILLS[name](psutil.Process(driver.pid))
            outcome.kills[name] += 1
            if name != "KILL worker":
                break
        code = driver.wait(PATIENCE)
        if code != -signal.SIGKILL:
            outcome.codes[code] += 1
        _check_code(scene, code)


def _wait_a_while(scene: Scene, driver: subprocess.Popen[bytes], *, at_most: int) -> None:
    """Until a random moment: of every four one while it starts, three after a replicate has ended.

    at_most   so many replicates have ended by then, those of earlier launches included; a few more may end
              while the kill strikes
    """

    def is_over() -> bool:
        return driver.poll() is not None or len(scene.attempts()) >= at_most

    if random.random() < 0.25:
        _sleep(random.uniform(1, 20), is_over)
        return
    known = len(scene.attempts())
    wait_until(
        "a replicate ends, or the driver",
        lambda: len(scene.attempts()) > known or driver.poll() is not None,
        log=scene.log,
    )
    _sleep(random.uniform(0, 3), is_over)


def _sleep(seconds: float, is_over: Callable[[], bool]) -> None:
    """Until the time or something else is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not is_over():
        time.sleep(0.1)


def _check_code(scene: Scene, code: int) -> None:
    """Raise RuntimeError where a driver ended otherwise than it may."""
    said = scene.log.read_text(errors="replace")
    is_expected = code in (0, *INTERRUPTED, -signal.SIGKILL) or (code in _UNBEGUN and not said)
    if not is_expected or "Traceback" in said:
        raise RuntimeError(f"the driver ended with code {code}:\n{said[-4000:]}")


def main() -> None:
    kills = int(sys.argv[1])
    random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    # A short name: Ray's sockets are to lie below it.
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        os.environ["ALMSWEEP_CACHE"] = f"{folder}/cache"
        print(play(Path(folder), kills, say=lambda text: print(text, flush=True)))


if __name__ == "__main__":
    main()
