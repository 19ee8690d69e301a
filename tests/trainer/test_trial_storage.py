"""A trial on storage that fails: what it survives, how it ends otherwise, and that it goes on from there."""

from __future__ import annotations

import errno
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from search_spaces.config import Bce, TrialConfig
from search_spaces.errors import StoreError
from search_spaces.presets import preset
from tests.failing_storage import make_failing
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.store.retry import Retry
from trainer.trial import run_trial

CPU = torch.device("cpu")
OPTIONS = TrialOptions(checkpoint_seconds=0.0)
QUICK = Retry(tries=2, seconds=0.05)


def config(**changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", 20), "loss": Bce(), "epochs": 2, "seeds": (1, 2)}
    return TrialConfig(**{**fields, **changes})


def scores(store: Store) -> dict[int, Any]:
    done = store.replicates.ended(config().trial_id)
    return {seed: store.replicates.read_scores(d).to_pydict() for seed, d in done.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    run_trial(config(), store, CPU, OPTIONS)
    return scores(store)


def full(operation: str, *words: str) -> Any:
    def fault(done: str, path: str) -> OSError | None:
        hit = done == operation and any(word in path for word in words)
        return OSError(errno.ENOSPC, "No space left on device") if hit else None

    return fault


def test_a_trial_on_object_storage_ends_like_one_on_a_disk(s3_uri: str, undisturbed: dict[int, Any]) -> None:
    store = Store(s3_uri, retry=QUICK)
    assert run_trial(config(), store, CPU, OPTIONS) == {1: "completed", 2: "completed"}
    assert scores(store) == undisturbed
    assert store.scan({config().trial_id: (1, 2)}) == store.scan()
    (path,) = store.storage.list_files("index", recursive=True)
    assert path.startswith(f"index/{config().trial_id}/c1-2.")
    assert store.notes.read_checkpoint(config().trial_id) is None


def test_checkpoints_that_fail_do_not_stop_the_training(
    tmp_path: Path, undisturbed: dict[int, Any], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path, retry=QUICK)
    failing = make_failing(store.storage, full("write", "checkpoint.pt"))
    with caplog.at_level(logging.WARNING):
        assert run_trial(config(), store, CPU, OPTIONS) == {1: "completed", 2: "completed"}
    assert "no checkpoint was written" in caplog.text
    assert [path for done, path in failing.calls if done == "write" and "checkpoint" in path]
    assert scores(store) == undisturbed


@pytest.mark.parametrize("file", ["/DONE", "/replicates/2/scores", "/replicates/1/epochs"])
def test_results_that_fail_fail_the_trial_which_goes_on_later(
    tmp_path: Path, undisturbed: dict[int, Any], file: str
) -> None:
    store = Store(tmp_path, retry=QUICK)
    make_failing(store.storage, full("write", file))
    with pytest.raises(StoreError, match=r"could not be written: .*No space left on device"):
        run_trial(config(), store, CPU, TrialOptions(checkpoint_seconds=3600))
    failure = Store(tmp_path).notes.read_failure(config().trial_id)
    assert failure is not None
    assert failure["error"] == "StoreError"
    assert "No space left on device" in failure["message"]
    trained: list[int] = []
    later = Store(tmp_path)
    run_trial(config(), later, CPU, OPTIONS, lambda round_: trained.append(round_.epoch))
    assert trained == []  # the checkpoint was written when the results could not be
    assert scores(later) == undisturbed
    assert later.notes.read_failure(config().trial_id) is None


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, undisturbed: dict[int, Any]) -> None:
    store = Store(tmp_path, retry=QUICK)
    written: list[str] = []

    def fault(done: str, path: str) -> OSError | None:
        if done == "write" and not any("checkpoint.pt" in earlier for earlier in written):
            written.append(path)
            return None
        return OSError(errno.ENOSPC, "No space left on device") if done == "write" else None

    make_failing(store.storage, fault)
    with pytest.raises(StoreError, match="No space left on device"):
        run_trial(config(), store, CPU, OPTIONS)
    trained: list[int] = []
    run_trial(config(), Store(tmp_path), CPU, OPTIONS, lambda round_: trained.append(round_.epoch))
    assert trained == [1]
    assert scores(Store(tmp_path)) == undisturbed


def test_an_index_that_fails_does_not_fail_the_trial(tmp_path: Path, undisturbed: dict[int, Any]) -> None:
    store = Store(tmp_path, retry=QUICK)
    make_failing(store.storage, full("write", "/index/"))
    assert run_trial(config(), store, CPU, OPTIONS) == {1: "completed", 2: "completed"}
    assert scores(store) == undisturbed
    assert store.scan({config().trial_id: (1, 2)})[config().trial_id].replicates == {
        1: "completed",
        2: "completed",
    }
