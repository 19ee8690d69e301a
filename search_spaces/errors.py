"""Every error that this project raises on purpose, and the exit code that the command line gives it.

    AlmsweepError               1   something failed
    ├── InputError              2   what the user gave is wrong; nothing was started or written
    │   ├── SpaceError          2   a search space: says file, key path, what was expected, what was given
    │   ├── DataError           2   a data set: missing, malformed, or too few examples
    │   └── CheckpointError     2   a checkpoint: missing, damaged, or of another trial
    ├── SweepStopped            1   the first trials of a block all failed with the same error
    ├── RayError                1   Ray did not start on this machine
    ├── OutputError             1   what a command prints could not be written
    ├── Interrupted           130   the user asked to stop; checkpoints were written
    ├── StoreError              3   the result store cannot be read or written, or contradicts itself
    │   ├── DamagedError        3   a stored file is missing, or not what was written
    │   ├── MixedDataError      3   results of one block are of different data
    │   └── TrialSchemaError    3   what is stored is of another trial schema than this version trains
    └── LeaseError              4   another driver is running the same sweep

Exit code 1 is also that of a sweep some of whose trials failed; 130 is that of an interrupted one.
"""

from __future__ import annotations

from search_spaces.words import did_you_mean


class AlmsweepError(Exception):
    """Base of all errors raised on purpose; the command line prints the message, exits with `exit_code`."""

    exit_code = 1


class InputError(AlmsweepError):
    """What the user gave is wrong: a name, a value, a file."""

    exit_code = 2


class SpaceError(InputError):
    """A search space is wrong. The message names file, key path, what was expected and what was given."""


class DataError(InputError):
    """A data set is missing, malformed, or holds too few examples for what was asked."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or belongs to another trial."""


class Interrupted(AlmsweepError):
    """The user asked to stop; what was under way has been written to its checkpoint."""

    exit_code = 130


class SweepStopped(AlmsweepError):
    """A sweep gave up blocks, or all of it, early: their first trials all failed with the same error."""


class RayError(AlmsweepError):
    """Ray did not start on this machine; nothing was trained."""


class OutputError(AlmsweepError):
    """What a command prints could not be written; what it does is done."""


class StoreError(AlmsweepError):
    """The result store cannot be read or written, or what it holds contradicts itself."""

    exit_code = 3


class DamagedError(StoreError):
    """A stored file is missing though another lists it, or its content is not what was written."""


class MixedDataError(StoreError):
    """Stored results of one block are of different data, as where only some were trained on the new ones."""


class TrialSchemaError(StoreError):
    """Stored trials are of another trial schema: their ids and numbers are none of this version's."""


class LeaseError(AlmsweepError):
    """Another driver holds the lease of this sweep."""

    exit_code = 4


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The text of an error about an unknown name: lists the known ones, and says which is near.

    >>> unknown_name("loss", "bec", ["bce", "ldam"])
    "unknown loss 'bec'; known: bce, ldam; did you mean bce?"
    """
    return f"unknown {kind} {name!r}; known: {', '.join(known)}{did_you_mean(name, known)}"
