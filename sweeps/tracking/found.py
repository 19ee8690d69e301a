"""Which MLflow run shows a trial, for who traces a number back."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sweeps.tracking.connection import checked_uri, default_tracking_uri, first_line, import_mlflow, is_server
from sweeps.tracking.uris import sqlite_path
from trainer.store import Store

log = logging.getLogger(__name__)


def find_runs(store: Store, sweep: str, uri: str | None, trial_ids: Sequence[str]) -> dict[str, str]:
    """By a trial's id the newest run that shows it: its experiment, name and id. Nothing is written.

    Those that are not found, and all where MLflow cannot be asked, are left out; the latter is logged.
    """
    if uri is None and not store.storage.is_local:
        return {}
    place = default_tracking_uri(store) if uri is None else checked_uri(uri)
    file = None if is_server(place) else sqlite_path(place)
    if file is not None and not file.is_file():
        return {}
    try:
        client = import_mlflow().MlflowClient(tracking_uri=place)
        names = [one for one in client.search_experiments() if one.name.startswith(sweep)]
        found = {}
        for trial_id in trial_ids:
            runs = client.search_runs(
                [one.experiment_id for one in names],
                filter_string=f"tags.trial_id = '{trial_id}' and tags.sweep = '{sweep}'",
                order_by=["attributes.start_time DESC"],
                max_results=1,
            )
            for run in runs:
                experiment = next(one.name for one in names if one.experiment_id == run.info.experiment_id)
                found[trial_id] = f"experiment {experiment}, run {run.info.run_name} ({run.info.run_id})"
        return found
    except Exception as error:  # MLflow raises what its many stores raise
        log.warning("MLflow could not be asked for the runs: %s", first_line(error))
        return {}
