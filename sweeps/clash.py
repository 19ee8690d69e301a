"""Our packages are found as ours, though a module of the user's is called like one of them.

`trainer.py` or a folder `analysis/` beside a call stands before ours where PYTHONPATH or `python -m` names
the folder. This module imports nothing of ours, and is loaded by its path (`sweeps/command`).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

PACKAGES = ("search_spaces", "trainer", "sweeps", "analysis")
_HOME = Path(__file__).resolve().parent.parent
_BAD_INPUT = 2


def settle_names() -> None:
    """Have the names of our packages mean ours, here and in the processes that this one starts.

    Where the current folder stands in the way it is no place for modules any more, which a line says. Exits
    with a line, and code 2, where another folder does.
    """
    here = _current_folder()
    hiding = _hiding()
    if any(path.parent == here for path in hiding) and here != _HOME:
        _leave_out(here)
        found = ", ".join(path.name for path in hiding if path.parent == here)
        _say(
            f"warning: {found} in the current folder has the name of one of almsweep's packages; "
            "modules are not looked for in this folder"
        )
        hiding = _hiding()
    if hiding:
        _say(
            f"error: expected almsweep's own package {hiding[0].stem} in {_HOME}, found {hiding[0]} before "
            "it; rename that, or take its folder out of PYTHONPATH"
        )
        sys.exit(_BAD_INPUT)


def _current_folder() -> Path:
    """The current folder. Exits with a line, and code 2, where it was deleted: nothing can start there."""
    try:
        return Path.cwd().resolve()
    except FileNotFoundError:
        _say("error: expected to be called in a folder, but the current one was deleted; go to another one")
        sys.exit(_BAD_INPUT)


def _say(what: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"almsweep: {what}\n")


def _hiding() -> list[Path]:
    """What is found by the names of our packages and is not ours: files of modules, folders of packages."""
    found = []
    for name in PACKAGES:
        loaded = sys.modules.get(name)
        spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(name)
        if spec is None:
            continue
        places = list(spec.submodule_search_locations or ())
        place = Path(places[0] if places else spec.origin or name).resolve()
        if place != _HOME / name:
            found.append(place)
    return found


def _leave_out(folder: Path) -> None:
    """Take a folder out of the places where modules are looked for, here and in processes started later."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != folder]
    given = os.environ.get("PYTHONPATH")
    if given is not None:
        kept = [entry for entry in given.split(os.pathsep) if Path(entry or ".").resolve() != folder]
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    importlib.invalidate_caches()
