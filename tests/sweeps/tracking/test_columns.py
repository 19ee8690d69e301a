"""Which columns MLflow's table of runs shows: those of the sweep's tasks, at its rates, each once."""

from __future__ import annotations

import json

from mlflow.utils.validation import validate_param_and_metric_name

from search_spaces.config import DEFAULT_TARGETS, Binary, Digits, ImageFolder, MultiClass, Targets
from sweeps.tracking.columns import mlflow_name, saved_view, shown_metrics

BINARY = Binary(source=Digits(), negative=(1,), positive=(8,), validation_per_class=20, test_per_class=20)
NAMED = MultiClass(
    source=ImageFolder(folder="scans"),
    classes=("ill (late)", "ill", "healthy"),
    critical=("ill (late)",),
)


def columns(metrics: tuple[str, ...]) -> tuple[str, list[str]]:
    state = json.loads(json.loads(saved_view(0, metrics))["state"])
    return state["orderByKey"], [name for name in state["selectedColumns"] if name.startswith("metrics.")]


def test_a_binary_sweep_shows_what_it_always_did() -> None:
    names = shown_metrics([BINARY, BINARY.with_ratio(3.0)], DEFAULT_TARGETS)
    order, shown = columns(names)
    assert order == shown[0] == "metrics.`final/val/auroc`"
    assert names[1:] == (
        "final/test/auroc",
        "final/test/fpr_at_tpr_98",
        "final/test/fpr_at_tpr_95",
        "final/test/fpr_at_tpr_90",
        "final/test/auroc_mean",
        "final/test/auroc_std",
    )


def test_columns_follow_the_rates_and_the_task() -> None:
    names = shown_metrics([BINARY, NAMED], Targets(tpr=(0.995,)))
    assert names[2] == "final/test/fpr_at_tpr_99.5"
    several = names[5:]
    assert several[:2] == ("final/val/critical_auroc", "final/test/critical_auroc")
    assert "final/test/fpr_at_tpr_99.5/ill _28late_29" in several
    assert several[-2:] == ("final/test/critical_auroc_mean", "final/test/critical_auroc_std")
    assert len(set(names)) == len(names)


def test_mlflow_takes_any_metric_of_any_class() -> None:
    names = [f"final/test/{metric.name}" for metric in NAMED.metrics(DEFAULT_TARGETS)]
    assert not all(map(validate_param_and_metric_name, names))
    assert all(validate_param_and_metric_name(mlflow_name(name)) for name in names)
