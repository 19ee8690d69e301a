"""The faults of the matrix, each injected in the middle of a sweep of six trials with two replicates each."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.faults import killed, storage_faults
from tests.integration.faults.play import MIDDLE, Case, Played, expect
from tests.integration.faults.scene import Scene

VICTIMS_EPOCH = "in the third trial's third epoch"
ALL_BUT_VICTIM = "all but S-LM"


def _in_process(fault: str, says: str = "") -> Callable[[Scene], Played]:
    """A fault inside the victim's process, which the sweep survives and says so."""

    def play(scene: Scene) -> Played:
        _run(scene, fault, 0, says)
        return Played("went on")

    return play


def _run(scene: Scene, fault: str, code: int, says: str) -> None:
    expect(scene.run(fault), code, says)
    if not (scene.folder / "fault-happened").exists():
        raise RuntimeError("the fault was not injected")


def _terminal(name: str, group: str, fault: str, reason: str, again: int = 0) -> Case:
    """A fault that the victim does not survive, for this reason; no other row of the table may change."""

    def play(scene: Scene) -> Played:
        _run(scene, fault, 1, "now 5 done, 0 partial, 1 failed, 0 pending")
        told = {
            "almsweep status --failed": scene.status_failed(),
            "MLflow's tags": "\n".join(scene.mlflow_tags("reason")),
            "the table's note": scene.tables()["best.csv"].decode(),
        }
        for where, text in told.items():
            if reason not in text:
                raise RuntimeError(f"{where}: expected the reason {reason!r}, found:\n{text}")
        return Played("failed alone, told in status, MLflow and table")

    return Case(name, VICTIMS_EPOCH, play, group, table=ALL_BUT_VICTIM, reason=reason, again=again)


# Of each of the two seeds of a killed trial: the epoch under way, and the one before it, whose checkpoint is
# still being written beside the training.
PER_TRIAL = 2 * 2

KILLED, STORAGE_AND_HANGS, ERRORS = "faults-1", "faults-2", "faults-3"

CASES = {
    case.name: case
    for case in (
        Case("SIGKILL of a trial", MIDDLE, killed.trial_killed, again=PER_TRIAL),
        Case("SIGKILL of a node's raylet", MIDDLE, killed.node_lost, KILLED, again=PER_TRIAL),
        Case("SIGKILL of the driver", MIDDLE, killed.driver_killed, again=2 * PER_TRIAL),
        Case("SIGKILL of the head node", MIDDLE, killed.head_killed, KILLED, again=2 * PER_TRIAL),
        Case("SIGKILL of the MLflow server", MIDDLE, killed.mlflow_killed, KILLED),
        Case("Ctrl-C", MIDDLE, lambda scene: killed.interrupted(scene, times=1)),
        Case(
            "Ctrl-C twice",
            MIDDLE,
            lambda scene: killed.interrupted(scene, times=2),
            KILLED,
            again=2 * PER_TRIAL,
        ),
        Case(
            "disk full for 20 s",
            MIDDLE,
            storage_faults.disk_full_for_a_while,
            STORAGE_AND_HANGS,
            scene=storage_faults.tmpfs,
        ),
        Case(
            "S3 answers 503 for 20 s",
            MIDDLE,
            storage_faults.bucket_fails_for_a_while,
            STORAGE_AND_HANGS,
            scene=storage_faults.bucket,
        ),
        Case(
            "disk full for good",
            MIDDLE,
            storage_faults.disk_full_for_good,
            STORAGE_AND_HANGS,
            scene=storage_faults.tmpfs,
            # Of two that train one has checkpointed 2 of its 6 epochs; two others begin an epoch in vain.
            again=8 + 12 + 2 * 2,
        ),
        Case(
            "storage fails longer than a hang",
            VICTIMS_EPOCH,
            _in_process("storage-fails"),
            STORAGE_AND_HANGS,
        ),
        Case("trial hangs once", VICTIMS_EPOCH, _in_process("hang"), STORAGE_AND_HANGS, again=1),
        Case(
            "trial hangs in native code once",
            VICTIMS_EPOCH,
            _in_process("hang-holding-the-lock"),
            STORAGE_AND_HANGS,
            again=1,
        ),
        _terminal("trial hangs always", STORAGE_AND_HANGS, "hang-always", "no epoch ended for", again=1),
        Case("exception once", VICTIMS_EPOCH, _in_process("error"), ERRORS, again=1),
        Case(
            "GPU out of memory once",
            VICTIMS_EPOCH,
            _in_process("gpu-memory", says="again, one at a time"),
            ERRORS,
            again=1,
        ),
        Case(
            "CPU out of memory once",
            VICTIMS_EPOCH,
            _in_process("cpu-memory", says="again, one at a time"),
            ERRORS,
            again=1,
        ),
        _terminal("exception always", ERRORS, "error-always", "injected", again=1),
        _terminal("GPU out of memory always", ERRORS, "gpu-memory-always", "CUDA out of memory", again=1),
        _terminal("CPU out of memory always", ERRORS, "cpu-memory-always", "can't allocate memory", again=1),
        _terminal("loss diverges", ERRORS, "diverge", "the loss is not finite in epoch 2"),
        _terminal("no space for a trial's files", ERRORS, "storage-full", "No space left on device"),
    )
}
