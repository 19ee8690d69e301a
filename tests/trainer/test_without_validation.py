"""Trials without a validation split: all images train, nothing is judged, the last epoch is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from analysis.tables import make_tables
from search_spaces.config import (
    Bce,
    Binary,
    ConstraintConfig,
    CrossEntropy,
    Digits,
    MultiClass,
    SmallCnn,
    TrialConfig,
)
from trainer.data.task import load_task
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest
from trainer.trial import run_trial

SEVERAL = MultiClass(
    source=Digits(),
    classes=tuple(range(10)),
    critical=(8,),
    validation_per_class=0,
    test_per_class=20,
    train_share=1,
)
TWO = Binary(source=Digits(), negative=(1, 2), positive=(8,), validation_per_class=0, test_per_class=20)


def trial(**fields: Any) -> TrialConfig:
    parts: dict[str, Any] = {"data": SEVERAL, "loss": CrossEntropy(), "model": SmallCnn(width=2)}
    parts.update(epochs=2, patience=None, scored="last", seeds=(1, 2))
    return TrialConfig(**{**parts, **fields})


def test_all_that_is_not_tested_trains() -> None:
    data = load_task(SEVERAL, None)
    assert len(data.validation) == 0
    assert sum(data.counts) == 1797 - 200
    assert len(data.train_indices(1)) == 1597


@pytest.mark.parametrize(("task", "loss"), [(SEVERAL, CrossEntropy()), (TWO, Bce())])
def test_a_trial_ends_with_test_results_alone_and_stands_in_a_table(
    task: Any, loss: Any, tmp_path: Path
) -> None:
    store, config = Store(tmp_path), trial(data=task, loss=loss)
    assert run_trial(config, store, torch.device("cpu"), TrialOptions()) == {1: "completed", 2: "completed"}
    (done, _) = store.replicates.ended(config.trial_id).values()
    result = store.replicates.read_result(done)
    assert result["scored_epochs"] == [1]
    for name, value in result["metrics"].items():
        # Of every class more than 100 images train, so that there are no medium and no few ones.
        is_absent = name.startswith("val/") or name in ("test/recall_medium", "test/recall_few")
        assert (value is None) == is_absent, name
    (cell,) = make_tables(store, SweepManifest("some", (config,))).cells
    assert cell.chosen_id == config.trial_id
    assert cell.decided_by == "nothing is selected"
    assert cell.test is not None
    assert np.isfinite(cell.test.metrics[task.steers])


def test_a_cell_of_two_candidates_shows_none_of_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    configs = (trial(), trial(batch_size=32))
    for config in configs:
        run_trial(config, store, torch.device("cpu"), TrialOptions())
    (cell,) = make_tables(store, SweepManifest("some", configs)).cells
    assert cell.chosen is None
    assert cell.note() == "no result: 2 candidates and no validation split to choose by"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scored": "best_epoch"}, "expected scored last or mean_of_last_3, given best_epoch"),
        ({"patience": 5}, "expected no patience, given 5"),
        ({"constraint": ConstraintConfig(penalty=0.1)}, "expected no constraint"),
    ],
)
def test_what_would_read_validation_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=f"data.validation_per_class is 0: {message}"):
        trial(**fields)
