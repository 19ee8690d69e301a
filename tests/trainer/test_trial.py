"""One trial from configuration to files: what is missing is trained, what was interrupted goes on."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces.config import SCHEMA_VERSION, Bce, Ldam, LossConfig, Sgd, SmallCnn, TrialConfig
from search_spaces.errors import CheckpointError, DataError
from search_spaces.presets import preset
from trainer.data.task import load_task
from trainer.device.environment import machine_facts
from trainer.evaluate import evaluate
from trainer.fit import Round
from trainer.metrics import binary as metrics
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.trial import StopTrial, run_trial

CPU = torch.device("cpu")
OPTIONS = TrialOptions(checkpoint_seconds=0.0)


def config(**changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", 20), "loss": Bce(), "epochs": 3, "seeds": (1, 2)}
    return TrialConfig(**{**fields, **changes})


def scores(store: Store, config: TrialConfig) -> dict[int, Any]:
    return {
        seed: store.replicates.read_scores(d) for seed, d in store.replicates.ended(config.trial_id).items()
    }


class Killed(BaseException):
    """Stands for SIGKILL: not an Exception, so nothing of ours handles it."""


def kill_after(epoch: int) -> Any:
    def on_round(round_: Round) -> None:
        if round_.epoch == epoch:
            raise Killed

    return on_round


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_result_files_say_everything(store: Store) -> None:
    wanted = config()
    assert run_trial(wanted, store, CPU, OPTIONS) == {1: "completed", 2: "completed"}
    assert store.notes.read_checkpoint(wanted.trial_id) is None
    done = store.replicates.ended(wanted.trial_id)
    assert set(done) == {1, 2}
    assert set(done[1].files) == {"epochs", "scores", "result", "weights"}
    result = store.replicates.read_result(done[1])
    assert result["state"] == "completed"
    assert result["counts"] == {"train_negatives": 451, "train_positives": 22, "validation": 240, "test": 240}
    assert {"python", "torch", "numpy"} <= set(result["versions"])
    assert len(result["data_sha256"]) == 64
    table = store.replicates.read_scores(done[1])
    test = table.filter(np.asarray(table["split"]) == "test")
    assert test.num_rows == 240
    assert result["metrics"]["test/auroc"] == metrics.auroc(
        test["target"].to_numpy(), test["score"].to_numpy()
    )
    epochs = store.replicates.read_epochs(done[1]).to_pylist()
    assert [e["epoch"] for e in epochs] == [0, 1, 2]
    assert result["trial_schema"] == SCHEMA_VERSION
    (chosen,) = result["scored_epochs"]
    assert epochs[chosen]["val/auroc"] == max(e["val/auroc"] for e in epochs)


@pytest.mark.parametrize("loss", [Bce(), Ldam()])
def test_balanced_accuracy_is_stored_where_the_loss_decides_at_zero(store: Store, loss: LossConfig) -> None:
    """LDAM decides by the larger of two outputs, of which the score is one: 0 means nothing there."""
    wanted = config(loss=loss, epochs=1, seeds=(1,), model=SmallCnn(width=4))
    run_trial(wanted, store, CPU, OPTIONS)
    stored = store.replicates.read_result(store.replicates.ended(wanted.trial_id)[1])["metrics"]
    found = evaluate(wanted, store, load_task(wanted.data, None), CPU)
    for value in (stored["test/balanced_accuracy"], stored["val/balanced_accuracy"]):
        assert (value is None) == (loss.name == "ldam")
    for values in (found.ensemble, found.replicates[1]):
        assert np.isnan(values["balanced_accuracy"]) == (loss.name == "ldam")
    assert stored["test/auroc"] == found.ensemble["auroc"]


def test_same_again_trains_nothing(store: Store) -> None:
    run_trial(config(), store, CPU, OPTIONS)
    before = store.replicates.ended(config().trial_id)

    def no_round(round_: Round) -> None:
        pytest.fail("something was trained")

    run_trial(config(), store, CPU, OPTIONS, no_round)
    assert store.replicates.ended(config().trial_id) == before


def test_more_replicates_train_only_the_new_ones(store: Store, tmp_path: Path) -> None:
    run_trial(config(seeds=(1,)), store, CPU, OPTIONS)
    first = store.replicates.ended(config().trial_id)[1]
    trained: set[int] = set()
    run_trial(config(seeds=(1, 2, 3)), store, CPU, OPTIONS, lambda r: trained.update(r.records))
    assert trained == {2, 3}
    assert store.replicates.ended(config().trial_id)[1] == first
    other = Store(tmp_path / "other")
    run_trial(config(seeds=(1, 2, 3)), other, CPU, OPTIONS)
    ours, theirs = scores(store, config()), scores(other, config())
    assert all(ours[seed].equals(theirs[seed]) for seed in (1, 2, 3))


@pytest.mark.parametrize("epoch", [0, 1])
def test_killed_trial_goes_on_from_its_checkpoint(store: Store, tmp_path: Path, epoch: int) -> None:
    with pytest.raises(Killed):
        run_trial(config(), store, CPU, OPTIONS, kill_after(epoch))
    assert store.notes.read_checkpoint(config().trial_id) is not None
    epochs: list[int] = []
    earlier: list[float] = []
    run_trial(config(), store, CPU, OPTIONS, lambda r: epochs.append(r.epoch), on_resume=earlier.extend)
    assert epochs == list(range(epoch + 1, 3))
    assert len(earlier) == epoch + 1
    assert min(earlier) > 0
    other = Store(tmp_path / "other")
    run_trial(config(), other, CPU, OPTIONS)
    ours, theirs = scores(store, config()), scores(other, config())
    assert all(ours[seed].equals(theirs[seed]) for seed in (1, 2))


def test_an_earlier_failure_is_no_reason_for_how_a_later_attempt_ends(store: Store) -> None:
    failure = {"error": "StoreError", "message": "yesterday's full disk", "traceback": [], "seeds": [1]}
    store.notes.write_failure(config().trial_id, failure)
    seen: list[Any] = []
    run_trial(
        config(), store, CPU, OPTIONS, lambda r: seen.append(store.notes.read_failure(config().trial_id))
    )
    assert seen
    assert not any(seen)


def test_a_replicate_with_a_damaged_marker_is_trained_again(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    run_trial(config(), store, CPU, OPTIONS)
    before = store.replicates.ended(config().trial_id)
    store.storage.write_bytes(f"trials/{config().trial_id}/replicates/1/DONE", b"{")
    run_trial(config(), store, CPU, OPTIONS)
    assert "this replicate counts as not trained" in caplog.text
    after = store.replicates.ended(config().trial_id)
    assert after[1].attempt != before[1].attempt
    assert {seed: done.state for seed, done in after.items()} == dict.fromkeys(before, "completed")


def test_foreign_or_damaged_checkpoint_is_an_error_not_a_fresh_start(store: Store) -> None:
    with pytest.raises(Killed):
        run_trial(config(), store, CPU, OPTIONS, kill_after(0))
    saved = store.notes.read_checkpoint(config().trial_id)
    assert saved is not None
    other = config(epochs=4)
    store.notes.write_checkpoint(other.trial_id, saved)
    with pytest.raises(
        CheckpointError, match=f"expected trial_id '{other.trial_id}', found '{config().trial_id}'"
    ):
        run_trial(other, store, CPU, OPTIONS)
    store.notes.write_checkpoint(config().trial_id, saved[: len(saved) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        run_trial(config(), store, CPU, OPTIONS)
    store.notes.write_checkpoint(config().trial_id, b"garbage")
    with pytest.raises(
        CheckpointError, match=r"not written by this program: Unsupported operand 103 \(file "
    ):
        run_trial(config(), store, CPU, OPTIONS)
    assert store.replicates.ended(config().trial_id) == {}


def test_failure_leaves_its_reason_and_is_cleared_by_success(store: Store) -> None:
    impossible = config(data=preset("digits", 1000)["data"])
    with pytest.raises(DataError) as caught:
        run_trial(impossible, store, CPU, OPTIONS)
    failure = store.notes.read_failure(impossible.trial_id)
    assert failure is not None
    assert failure["error"] == "DataError"
    assert failure["message"] == str(caught.value)
    assert failure["traceback"][-1].endswith(str(caught.value))
    store.notes.write_failure(config().trial_id, {"error": "E", "message": "m"})
    run_trial(config(), store, CPU, OPTIONS)
    assert store.notes.read_failure(config().trial_id) is None


def test_diverged_replicates_are_kept_as_such(store: Store) -> None:
    wild = config(optimizer=Sgd(learning_rate=1e30, momentum=0.0))
    assert run_trial(wild, store, CPU, OPTIONS) == {1: "diverged", 2: "diverged"}
    done = store.replicates.ended(wild.trial_id)[1]
    assert set(done.files) == {"epochs", "result"}
    assert "not finite" in store.replicates.read_result(done)["reason"]
    json.loads(
        store.replicates.read_file(done, "result"),
        parse_constant=lambda name: pytest.fail(f"{name} is no JSON"),
    )


def test_stopped_trial_is_stored_as_pruned(store: Store) -> None:
    wanted = config(epochs=5)

    def stop(round_: Round) -> None:
        if round_.epoch == 1:
            raise StopTrial("asha: behind", "val/fpr_at_tpr_98")

    states = run_trial(wanted, store, CPU, TrialOptions(checkpoint_seconds=0), stop)
    assert states == dict.fromkeys(wanted.seeds, "pruned")
    for done in store.replicates.ended(wanted.trial_id).values():
        assert done.state == "pruned"
        assert set(done.files) == {"epochs", "result"}
        assert store.replicates.read_epochs(done).column("epoch").to_pylist() == [0, 1]
        result = store.replicates.read_result(done)
        assert (result["reason"], result["pruned_by"]) == ("asha: behind", "val/fpr_at_tpr_98")
        assert machine_facts(CPU).items() <= result.items()
    assert store.notes.read_checkpoint(wanted.trial_id) is None
    assert store.notes.read_failure(wanted.trial_id) is None
    assert run_trial(wanted, store, CPU, TrialOptions()) == states


def test_evaluate_gives_the_stored_scores_again(store: Store) -> None:
    run_trial(config(), store, CPU, OPTIONS)
    task = load_task(config().data, None)
    for split, prefix in (("test", "test"), ("validation", "val")):
        found = evaluate(config(), store, task, CPU, split)  # type: ignore[arg-type]
        for seed, done in store.replicates.ended(config().trial_id).items():
            stored = store.replicates.read_result(done)["metrics"]
            expected = {k: stored[f"{prefix}/{k}"] for k in found.replicates[seed]}
            # The one metric of the scores' values, not of their order alone: they round otherwise.
            values = dict(found.replicates[seed])
            calibration = values.pop("calibration_error")
            assert calibration == pytest.approx(expected.pop("calibration_error"), abs=1e-6)
            assert values == expected
        table = [t.filter(np.asarray(t["split"]) == prefix) for t in scores(store, config()).values()]
        mean = np.mean([t["score"].to_numpy() for t in table], axis=0, dtype=np.float64)
        assert found.ensemble["auroc"] == metrics.auroc(table[0]["target"].to_numpy(), mean)


def test_evaluate_without_weights_is_an_error(store: Store) -> None:
    task = load_task(config().data, None)
    with pytest.raises(CheckpointError, match="expected stored weights of a finished trial"):
        evaluate(config(), store, task, CPU)
    run_trial(config(), store, CPU, TrialOptions(keep_weights="none"))
    with pytest.raises(CheckpointError, match="weights were not kept"):
        evaluate(config(), store, task, CPU)


def test_evaluate_refuses_weights_of_another_trial(store: Store) -> None:
    run_trial(config(seeds=(1,)), store, CPU, OPTIONS)
    other = config(seeds=(1,), epochs=2)
    done = store.replicates.ended(config().trial_id)[1]
    store.replicates.write(
        other.trial_id,
        1,
        state="completed",
        attempt="foreign",
        epochs=store.replicates.read_epochs(done),
        scores=store.replicates.read_scores(done),
        result=store.replicates.read_result(done),
        weights=store.replicates.read_file(done, "weights"),
    )
    with pytest.raises(CheckpointError, match="expected trial_id"):
        evaluate(other, store, load_task(other.data, None), CPU)


def test_an_unusable_checkpoint_names_its_file_and_what_to_do(store: Store) -> None:
    store.notes.write_checkpoint(config().trial_id, b"damaged")
    with pytest.raises(CheckpointError) as caught:
        run_trial(config(), store, CPU, OPTIONS)
    assert f"trials/{config().trial_id}/checkpoint.pt" in str(caught.value)
    assert "a retry of failed trials deletes it" in str(caught.value)


def test_a_pipe_in_a_checkpoint_s_place_is_an_unusable_checkpoint(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = tmp_path / "trials" / config().trial_id
    folder.mkdir(parents=True)
    os.mkfifo(folder / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=r"found a pipe.* a retry of failed trials deletes it"):
        run_trial(config(), store, CPU, OPTIONS)


def _without_scored(state: dict[str, Any]) -> None:
    del state["scored"]


def _with_other_weights(state: dict[str, Any]) -> None:
    state["model"]["head.of.another.version"] = torch.zeros(1)


def _with_other_multipliers(state: dict[str, Any]) -> None:
    state["multipliers"] = torch.zeros(3)


@pytest.mark.parametrize("change", [_without_scored, _with_other_weights, _with_other_multipliers])
def test_a_state_of_another_version_is_an_unusable_checkpoint(store: Store, change: Any) -> None:
    with pytest.raises(Killed):
        run_trial(config(), store, CPU, OPTIONS, kill_after(0))
    _, _, saved = (store.notes.read_checkpoint(config().trial_id) or b"").partition(b"\n")
    content = torch.load(io.BytesIO(saved))
    change(content["replicates"]["2"])
    changed = io.BytesIO()
    torch.save(content, changed)
    store.notes.write_checkpoint(config().trial_id, changed.getvalue())
    with pytest.raises(CheckpointError, match=r"seed 2 does not fit this version .*checkpoint\.pt"):
        run_trial(config(), store, CPU, OPTIONS)
    failure = store.notes.read_failure(config().trial_id)
    assert failure is not None
    assert failure["error"] == "CheckpointError"


def test_states_of_replicates_that_were_not_asked_for_are_kept(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_trial(config(seeds=(1, 2, 3)), store, CPU, OPTIONS, kill_after(0))
    with pytest.raises(Killed):
        run_trial(config(seeds=(1,)), store, CPU, OPTIONS, kill_after(1))
    run_trial(config(seeds=(1,)), store, CPU, OPTIONS)
    assert set(store.replicates.ended(config().trial_id)) == {1}
    epochs: list[int] = []
    run_trial(config(seeds=(1, 2, 3)), store, CPU, OPTIONS, lambda r: epochs.append(r.epoch))
    assert epochs == [1, 2]
    assert store.notes.read_checkpoint(config().trial_id) is None
    other = Store(tmp_path / "other")
    run_trial(config(seeds=(1, 2, 3)), other, CPU, OPTIONS)
    ours, theirs = scores(store, config()), scores(other, config())
    assert all(ours[seed].equals(theirs[seed]) for seed in (1, 2, 3))


def ensembles(store: Store, wanted: TrialConfig) -> dict[int, float]:
    found: dict[int, float] = {}
    run_trial(
        wanted, store, CPU, OPTIONS, lambda r: found.update({r.epoch: r.ensemble["ensemble/val/auroc"]})
    )
    return found


def test_only_replicates_that_are_wanted_count_in_the_ensemble(store: Store, tmp_path: Path) -> None:
    run_trial(config(seeds=(1, 2)), store, CPU, OPTIONS)
    late = ensembles(store, config(seeds=(2, 3)))
    other = Store(tmp_path / "other")
    run_trial(config(seeds=(2,)), other, CPU, OPTIONS)
    assert late == ensembles(other, config(seeds=(2, 3)))
    together = ensembles(Store(tmp_path / "together"), config(seeds=(2, 3)))
    assert late[2] == together[2]
    assert late != ensembles(Store(tmp_path / "alone"), config(seeds=(3,)))
