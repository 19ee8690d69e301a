"""Which columns MLflow's table of runs shows: those of the sweep's tasks, at its rates, each once."""

from __future__ import annotations

import json
from typing import Any

from mlflow.utils.validation import _validate_tag_name, validate_param_and_metric_name

from search_spaces.config import DEFAULT_TARGETS, Binary, Digits, ImageFolder, MultiClass, Targets, Task
from sweeps.tracking.columns import RunsTable, mlflow_name, result_columns, saved_view

BINARY = Binary(source=Digits(), negative=(1,), positive=(8,), validation_per_class=20, test_per_class=20)
NAMED = MultiClass(
    source=ImageFolder(folder="scans"),
    classes=("ill (late)", "ill", "healthy"),
    critical=("ill (late)",),
)


def state_of(*tasks: Task, targets: Targets = DEFAULT_TARGETS) -> dict[str, Any]:
    """The state of the saved view of a sweep of these tasks."""
    state: dict[str, Any] = json.loads(json.loads(saved_view(0, RunsTable.of(tasks, targets)))["state"])
    return state


def test_the_table_of_runs_shows_what_a_trial_is_and_how_good() -> None:
    state = state_of(BINARY)
    assert state["selectedColumns"] == [
        "tags.`loss`",
        "tags.`constraint`",
        "tags.`delta`",
        "tags.`val AUC`",
        "tags.`test AUC`",
        "tags.`test FPR 98`",
        "tags.`test FPR 95`",
        "tags.`test FPR 90`",
        "tags.`replicates`",
        "tags.`state`",
    ]
    assert state["orderByKey"] == "metrics.`final/val/auroc`", "sorted by the exact number"
    assert state["columnOrder"][2:] == state["selectedColumns"]
    assert set(state["columnWidths"]) == set(state["columnOrder"])


def test_blocks_are_told_where_there_are_several() -> None:
    state = state_of(BINARY, BINARY.with_ratio(3.0))
    assert state["selectedColumns"][:2] == ["tags.`block`", "tags.`loss`"]
    assert len(set(state["selectedColumns"])) == len(state["selectedColumns"])
    assert "tags.`block`" not in state_of(BINARY, BINARY)["selectedColumns"]


def test_columns_follow_the_rates_and_the_task() -> None:
    columns = result_columns([BINARY, NAMED], Targets(tpr=(0.995,)))
    by_tag = {column.tag: column.metric for column in columns}
    assert list(by_tag)[:4] == ["val AUC", "test AUC", "test FPR 99.5", "val Critical AUC"]
    assert by_tag["test FPR 99.5"] == "final/test/fpr_at_tpr_99.5"
    assert by_tag["test FPR 99.5 of ill _28late_29"] == "final/test/fpr_at_tpr_99.5/ill _28late_29"
    assert by_tag["test Balanced accuracy"] == "final/test/balanced_accuracy"
    assert len(by_tag) == len(columns)


def test_a_result_is_told_with_four_decimals_or_not_at_all() -> None:
    (column,) = (c for c in result_columns([BINARY], DEFAULT_TARGETS) if c.tag == "test FPR 98")
    assert column.text({"final/test/fpr_at_tpr_98": 0.15476190476190477}) == "0.1548"
    assert column.text({"final/test/fpr_at_tpr_98": 1.0}) == "1.0000"
    assert column.text({}) is None


def test_mlflow_takes_any_result_of_any_class() -> None:
    names = [f"final/test/{metric.name}" for metric in NAMED.metrics(DEFAULT_TARGETS)]
    assert not all(map(validate_param_and_metric_name, names))
    assert all(validate_param_and_metric_name(mlflow_name(name)) for name in names)
    for column in result_columns([NAMED], DEFAULT_TARGETS):
        assert validate_param_and_metric_name(column.metric)
        _validate_tag_name(column.tag)
