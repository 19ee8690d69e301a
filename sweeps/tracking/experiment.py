"""One MLflow experiment per sweep of a result store: found or created, its runs, and what tells them apart.

Everything here raises what MLflow raises.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from search_spaces.config import SCHEMA_VERSION, TrialConfig
from search_spaces.labels import BlockLabels, flat
from search_spaces.paper.named import constraint_name, loss_name
from search_spaces.rows import row_label
from sweeps.tracking.artifacts import ArtifactPlace
from sweeps.tracking.columns import VIEW_TAG, RunsTable, saved_view
from sweeps.tracking.run import Run

log = logging.getLogger(__name__)

RUNS_PER_PAGE = 1000
STORE_TAG = "almsweep.store"


def open_experiment(
    client: Any, name: str, store_id: str, artifact_folder: str | None, table: RunsTable
) -> str:
    """The id of a sweep's experiment, which is found or created, with a view that shows this table.

    An experiment belongs to one result store, told by `store_id`: where the one of the sweep's name is
    another store's, this store's has a name that tells the store too. `artifact_folder` is where a new
    experiment keeps artifacts; None leaves it to the server.
    """
    experiment = _named(client, name, store_id, artifact_folder)
    owner = experiment.tags.get(STORE_TAG)
    if owner is None:
        client.set_experiment_tag(experiment.experiment_id, STORE_TAG, store_id)
    elif owner != store_id:
        longer = f"{name}-{store_id}"
        log.warning("MLflow's experiment %s is another output folder's; using %s", name, longer)
        experiment = _named(client, longer, store_id, artifact_folder)
    if table.results:  # nothing is known of a search that has suggested nothing yet
        view = saved_view(experiment.creation_time or 0, table)
        if experiment.tags.get(VIEW_TAG) != view:
            client.set_experiment_tag(experiment.experiment_id, VIEW_TAG, view)
    return str(experiment.experiment_id)


def _named(client: Any, name: str, store_id: str, artifact_folder: str | None) -> Any:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        tags = {"mlflow.experimentKind": "custom_model_development", STORE_TAG: store_id}
        created = client.create_experiment(name, artifact_location=artifact_folder, tags=tags)
        return client.get_experiment(created)
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment


def load_runs(client: Any, experiment_id: str, place: ArtifactPlace) -> dict[str, Run]:
    """An experiment's runs by trial id.

    Of two runs for one trial, left by a crash or a race, the newer is deleted.
    """
    runs: dict[str, Run] = {}
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            max_results=RUNS_PER_PAGE,
            order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
            page_token=token,
        )
        for found in page:
            trial_id = found.data.tags.get("trial_id")
            if trial_id in runs:
                client.delete_run(found.info.run_id)
            elif trial_id is not None:
                runs[trial_id] = Run.of(client, found, place).stub()
        token = page.token
        if not token:
            return runs


def params(config: TrialConfig) -> dict[str, str]:
    """A trial's configuration, flat (`data.source.name`, `loss.margin`); without seeds, which may grow."""
    values = flat(config.model_dump(mode="json", exclude={"seeds"}))
    return {name: _text(value) for name, value in values.items()}


def identity_tags(
    config: TrialConfig, sweep_name: str, rows: tuple[str, ...], labels: BlockLabels
) -> dict[str, str]:
    """Tags by which a person finds a trial; `rows` says what makes a row of the table."""
    ratio, constraint = config.data.ratio, config.constraint
    return {
        "sweep": sweep_name,
        "trial_id": config.trial_id,
        "schema": str(SCHEMA_VERSION),
        "dataset": config.data.title,
        "block": labels.block(config.data),
        "row": row_label(config, rows),
        "ratio": "none" if ratio is None else f"{ratio:g}",
        "loss": loss_name(config.loss),
        "constraint": constraint_name(constraint),
        "delta": "none" if constraint is None else f"{constraint.margin:g}",
    }


def _text(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)
