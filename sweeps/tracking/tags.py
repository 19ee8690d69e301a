"""What an MLflow run says about which trial it is: parameters and tags."""

from __future__ import annotations

import json

from search_spaces.config import SCHEMA_VERSION, TrialConfig
from search_spaces.labels import block_label, flat, row_label
from search_spaces.paper.named import constraint_name, loss_name


def params(config: TrialConfig) -> dict[str, str]:
    """A trial's configuration, flat (`data.source.name`, `loss.margin`); without seeds, which may grow."""
    values = flat(config.model_dump(mode="json", exclude={"seeds"}))
    return {name: _text(value) for name, value in values.items()}


def identity_tags(config: TrialConfig, sweep_name: str) -> dict[str, str]:
    """Tags by which a person finds a trial."""
    ratio, constraint = config.data.imbalance_ratio, config.constraint
    return {
        "sweep": sweep_name,
        "trial_id": config.trial_id,
        "schema": str(SCHEMA_VERSION),
        "dataset": config.data.source.title,
        "block": block_label(config.data),
        "row": row_label(config),
        "ratio": "none" if ratio is None else f"{ratio:g}",
        "loss": loss_name(config.loss),
        "constraint": constraint_name(constraint),
        "delta": "none" if constraint is None else f"{constraint.margin:g}",
    }


def _text(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
