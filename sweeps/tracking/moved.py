"""Artifacts of a results folder that was moved, renamed or copied: MLflow is told where they lie now.

MLflow stores whole paths. Without this a moved folder's pictures are not found, and those of later trials are
written to the place where the folder was.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from search_spaces.errors import AlmsweepError
from sweeps.compat import artifact_folders, move_artifacts
from sweeps.tracking.connection import is_damaged
from sweeps.tracking.uris import folder_uri, local_folder, sqlite_path

log = logging.getLogger(__name__)

FOLDER = "mlartifacts"


def artifact_uri(output: str | Path) -> str:
    """Where the artifacts of a results folder lie; `output` is its whole path."""
    return folder_uri(Path(output, FOLDER))


def mend(engine: Any, tracking_uri: str, experiment_id: str, wanted: str) -> None:
    """Let an experiment keep its artifacts below `wanted`.

    `engine` is that of the database at `tracking_uri`; where that lies in the results folder itself, all of
    its experiments do.
    """
    database = sqlite_path(tracking_uri)
    if database is not None and database.parent == Path(local_folder(wanted)).parent:
        mend_all(engine, wanted)
    else:
        mend_one(engine, experiment_id, wanted)


def mend_database(tracking_uri: str, wanted: str) -> None:
    """Mend a results folder's own database, where it can be written; else say what is missing.

    Raises AlmsweepError for one that is damaged.
    """
    import sqlalchemy

    engine = sqlalchemy.create_engine(tracking_uri)
    try:
        mend_all(engine, wanted)
    except sqlalchemy.exc.SQLAlchemyError as error:
        if is_damaged(error):
            raise AlmsweepError(
                f"{sqlite_path(tracking_uri)}: MLflow's database is damaged: {error.__cause__ or error}; "
                "delete it, then `almsweep reconcile` with the sweep's name writes it again"
            ) from error
        log.warning(
            "MLflow's paths of artifacts could not be brought up to date: %s", error.__cause__ or error
        )
    finally:
        engine.dispose()


def mend_all(engine: Any, wanted: str) -> int:
    """Let every sweep in a results folder's own database keep its artifacts below `wanted`, a URI.

    Returns how many experiments that changed.
    """
    mended = 0
    for experiment_id, location in artifact_folders(engine).items():
        if _is_elsewhere(location, wanted):
            move_artifacts(engine, experiment_id, wanted)
            mended += 1
    return mended


def mend_one(engine: Any, experiment_id: str, wanted: str) -> bool:
    """Likewise of one experiment in a database that others use too, where the folder that it names is gone.

    Where that folder stands, this one is a copy of it. Returns whether that changed anything.
    """
    location = artifact_folders(engine)[experiment_id]
    if not _is_elsewhere(location, wanted) or os.path.exists(local_folder(location)):
        return False
    move_artifacts(engine, experiment_id, wanted)
    return True


def _is_elsewhere(location: str, wanted: str) -> bool:
    """Whether a location is an artifact folder of ours, but not the wanted one."""
    found = local_folder(location)
    is_ours = Path(found).name == FOLDER or location.endswith(f"/{FOLDER}")
    if not found or not is_ours or found == local_folder(wanted):
        return False
    # The same folder by another way, over a link for instance, does as well.
    return not _are_one(found, local_folder(wanted))


def _are_one(folder: str, other: str) -> bool:
    return os.path.exists(folder) and os.path.exists(other) and os.path.samefile(folder, other)
