"""Where everything lies in a result store. Paths are relative to its root, and are built nowhere else.

    <output>/store.json                                  the store's identity, which moves with it
             sweeps/<name>.json                          the trials that a sweep expects
                    <name>.lease                         which driver runs the sweep
             studies/<name>/<number>.json                what a search suggested
             probes/<key>.json                           what a trial was measured to need
             trials/<trial_id>/config.json               the TrialConfig, readable
                               checkpoint.pt             while running: all replicates under way
                               failure.json              the last failed attempt: error, traceback's tail
                               stop.json                 a scheduler's request to stop, until that is done
                               claim.json                which driver trains it, while it is trained
                               replicates/<seed>/DONE    written last: state and hashes of the files beside it
                                                 epochs.<attempt>.parquet
                                                 scores.<attempt>.parquet
                                                 result.<attempt>.json
                                                 weights.<attempt>.pt
             again/<name>/                               a store: trials trained again for their weights
             index/<trial_id>/<states>.<digest>.json     copy of the markers and results of a trial that ended
             joined/<trial_id>.outputs                   copy of its scores and epochs, in one object

A replicate that ended otherwise than by completing has `DONE.diverged` or `DONE.pruned` in DONE's place, so
that one listing tells every state.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from trainer.store.state import STATES, TrialFiles

IDENTITY = "store.json"
SWEEPS = "sweeps"
TRIALS = "trials"
INDEX = "index"
JOINED = "joined"

_SUFFIX = {"epochs": "parquet", "scores": "parquet", "result": "json", "weights": "pt"}
_ATTEMPT = re.compile(r"([a-z]+)\.([A-Za-z0-9_-]+)\.([a-z]+)")
_CHECKPOINT = "checkpoint.pt"
_FAILURE = "failure.json"


def sweep(name: str) -> str:
    """A sweep's manifest."""
    return f"{SWEEPS}/{name}.json"


def lease(name: str) -> str:
    """A sweep's lease."""
    return f"{SWEEPS}/{name}.lease"


def study(name: str) -> str:
    """The folder of a search's suggestions."""
    return f"studies/{name}"


def suggestion(name: str, number: int) -> str:
    """One suggestion of a search; its number has six digits, so that names sort as numbers do."""
    return f"{study(name)}/{number:06d}.json"


def again(name: str) -> str:
    """The folder in which a sweep's trials are trained again beside their results."""
    return f"again/{name}"


def probe(key: str) -> str:
    """A measurement of what a trial needs."""
    return f"probes/{key}.json"


def trial(trial_id: str) -> str:
    """The folder of a trial."""
    return f"{TRIALS}/{trial_id}"


def config(trial_id: str) -> str:
    """A trial's configuration."""
    return f"{trial(trial_id)}/config.json"


def checkpoint(trial_id: str) -> str:
    """The checkpoint of a trial's replicates under way."""
    return f"{trial(trial_id)}/{_CHECKPOINT}"


def failure(trial_id: str) -> str:
    """Why a trial's last attempt failed."""
    return f"{trial(trial_id)}/{_FAILURE}"


def stop_request(trial_id: str) -> str:
    """A request to stop a trial."""
    return f"{trial(trial_id)}/stop.json"


def claim(trial_id: str) -> str:
    """Which driver trains a trial just now."""
    return f"{trial(trial_id)}/claim.json"


def replicates(trial_id: str) -> str:
    """The folder of a trial's replicates."""
    return f"{trial(trial_id)}/replicates"


def replicate_file(trial_id: str, seed: int, name: str) -> str:
    """A file of a replicate, by its name beside the DONE marker."""
    return f"{replicates(trial_id)}/{seed}/{name}"


def marker(trial_id: str, seed: int, state: str) -> str:
    """The DONE marker of a replicate that ended in this state."""
    return replicate_file(trial_id, seed, _marker_name(state))


def index_folder(trial_id: str) -> str:
    """The folder of a trial's index entry."""
    return f"{INDEX}/{trial_id}"


def index_entry(trial_id: str, name: str) -> str:
    """A trial's index entry of this name, which tells the states."""
    return f"{index_folder(trial_id)}/{name}.json"


def joined(trial_id: str) -> str:
    """The object that joins a trial's replicates."""
    return f"{JOINED}/{trial_id}.outputs"


def attempt_name(kind: str, attempt: str) -> str:
    """The name of what one attempt writes: "epochs", "scores", "result" or "weights".

    >>> attempt_name("scores", "0a1b2c3d")
    'scores.0a1b2c3d.parquet'
    """
    return f"{kind}.{attempt}.{_SUFFIX[kind]}"


def attempt_of(kind: object, name: object) -> str | None:
    """The attempt that wrote a file of this name; None where no attempt writes such a one of this kind.

    >>> attempt_of("scores", "scores.0a1b2c3d.parquet"), attempt_of("scores", "result.0a1b2c3d.json")
    ('0a1b2c3d', None)
    """
    match = _ATTEMPT.fullmatch(name) if isinstance(name, str) else None
    if match is None or match[1] != kind or match[3] != _SUFFIX.get(match[1]):
        return None
    return match[2]


def name_of(path: str) -> str | None:
    """The name of a JSON file without its ending, None for any other file.

    >>> name_of("sweeps/mine.json"), name_of("sweeps/mine.lease")
    ('mine', None)
    """
    name = path.rpartition("/")[2]
    return name.removesuffix(".json") if name.endswith(".json") else None


def trial_of(path: str) -> str:
    """The trial to which a path below `trials/` or `index/` belongs.

    >>> trial_of("trials/0123456789abcdef/config.json")
    '0123456789abcdef'
    """
    return path.split("/")[1]


def trial_files(paths: Iterable[str]) -> dict[str, TrialFiles]:
    """What the paths of files below `trials/` tell about each trial, by its id."""
    trials: dict[str, TrialFiles] = {}
    for path in paths:
        files = trials.setdefault(trial_of(path), TrialFiles())
        parts = path.split("/")
        if len(parts) == 3:
            files.checkpoint |= parts[2] == _CHECKPOINT
            files.failure |= parts[2] == _FAILURE
        elif len(parts) == 5 and parts[3].isdecimal() and parts[4] in _STATE_OF_MARKER:
            seed = int(parts[3])
            # A replicate that was trained again after it diverged has both markers.
            if files.replicates.get(seed) != "completed":
                files.replicates[seed] = _STATE_OF_MARKER[parts[4]]
    return trials


def _marker_name(state: str) -> str:
    return "DONE" if state == "completed" else f"DONE.{state}"


_STATE_OF_MARKER = {_marker_name(state): state for state in STATES}
