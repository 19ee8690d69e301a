"""The driver's callback passes epochs on, and leaves Tune nothing of them to keep."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

from rich.console import Console

from sweeps.callback import SweepCallback
from sweeps.progress import SweepProgress
from sweeps.tracking import Tracker
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store


def test_records_go_to_the_tracker_and_not_into_tunes_results(tmp_path: Any) -> None:
    config = synthetic.trials()[0]
    told: list[Any] = []
    tracker = cast(Tracker, SimpleNamespace(epochs=lambda trial, records: told.append((trial, records))))
    progress = SweepProgress(1, 0, 0, 1, Console(file=io.StringIO()))
    callback = SweepCallback(
        {config.trial_id: config},
        Store(tmp_path),
        progress,
        tracker,
        stop_flag=None,
        on_done=lambda config: None,
        check=lambda: None,
    )
    records = synthetic.epoch_records(config, 1, 2)
    result = {"records": records, "epoch": 1, "state": "running", "ensemble/val/auroc": 0.75}
    callback.on_trial_result(0, [], SimpleNamespace(config={"trial_id": config.trial_id}), result)
    assert told == [(config, records)]
    assert "records" not in result
    assert progress.best_auroc == 0.75
