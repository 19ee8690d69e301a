"""The result store: sweeps, configurations, and what stands beside a trial under way."""

from __future__ import annotations

import json

import pytest

from search_spaces.config import SCHEMA_VERSION, Bce, Binary, Digits, TrialConfig
from search_spaces.errors import InputError, StoreError
from trainer.store import STORE_SCHEMA, Store, SweepManifest

TRIAL = "0123456789abcdef"


def config(**changes: object) -> TrialConfig:
    data = Binary(source=Digits(), negative=(1,), positive=(8,), validation_per_class=20, test_per_class=20)
    return TrialConfig(data=data, loss=Bce(), **changes)  # type: ignore[arg-type]


def test_sweeps_round_trip_with_their_seeds(store: Store) -> None:
    manifest = SweepManifest("mine", (config(seeds=(1, 2)), config(epochs=7, seeds=(4,))))
    store.write_sweep(manifest)
    assert store.sweep_names() == ["mine"]
    assert store.read_sweep("mine") == manifest


def test_a_store_keeps_its_identity(store: Store) -> None:
    first = store.identity()
    assert len(first) == 8
    assert Store(store.uri).identity() == first
    store.storage.write_json("store.json", {"schema": STORE_SCHEMA, "id": "../other"})
    with pytest.raises(StoreError, match=r"expected an id, given '\.\./other'"):
        store.identity()


def test_config_file_names_no_seed(store: Store) -> None:
    one = config(seeds=(5, 6))
    store.write_config(one)
    content = store.storage.read_json(f"trials/{one.trial_id}/config.json")
    assert content is not None
    assert "seeds" not in content
    assert content.pop("trial_schema") == SCHEMA_VERSION
    assert TrialConfig.model_validate_json(json.dumps(content)).trial_id == one.trial_id


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "a b"])
def test_sweep_names_stay_in_the_folder(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="sweep name: expected"):
        store.write_sweep(SweepManifest(name, (config(),)))
    with pytest.raises(InputError, match="no sweep"):
        store.read_sweep(name)


def test_unknown_sweep_lists_the_known_ones(store: Store) -> None:
    store.write_sweep(SweepManifest("mine", (config(),)))
    with pytest.raises(InputError, match="no sweep 'other' in this store; known: mine"):
        store.read_sweep("other")


def test_unknown_uri_scheme_is_bad_input() -> None:
    with pytest.raises(InputError, match="expected a local path or a URI"):
        Store("nosuch://bucket/x")


def test_malformed_json_names_the_file(store: Store) -> None:
    store.storage.write_bytes("sweeps/bad.json", b"{")
    with pytest.raises(StoreError, match=r"sweeps/bad\.json: expected JSON"):
        store.read_sweep("bad")


def test_scan_tells_checkpoints_and_failures(store: Store) -> None:
    store.notes.write_checkpoint(TRIAL, b"state")
    store.notes.write_failure(TRIAL, {"error": "E", "message": "m"})
    files = store.scan()[TRIAL]
    assert (files.checkpoint, files.failure) == (True, True)
    store.notes.delete_checkpoint(TRIAL)
    store.notes.clear_failure(TRIAL)
    store.notes.clear_failure(TRIAL)
    assert store.notes.read_checkpoint(TRIAL) is None
    assert store.notes.read_failure(TRIAL) is None


def test_an_empty_store_is_empty(store: Store) -> None:
    assert store.sweep_names() == []
    assert store.trial_ids() == []
    assert store.scan() == store.scan({TRIAL: (1,)}) == {}
    assert store.all_replicates() == store.all_replicates({TRIAL: (1,)}) == {}
    assert store.storage.read_bytes("nothing") is None
    store.storage.delete("nothing")


def test_a_configuration_is_read_back_without_seeds(store: Store) -> None:
    one = config(seeds=(5, 6))
    assert store.read_config(one.trial_id) is None
    store.write_config(one)
    read = store.read_config(one.trial_id)
    assert read is not None
    assert read.trial_id == one.trial_id
    assert read == config()


def test_what_is_no_configuration_names_the_file(store: Store) -> None:
    content = {"trial_schema": SCHEMA_VERSION, "loss": "none"}
    store.storage.write_json(f"trials/{TRIAL}/config.json", content)
    with pytest.raises(StoreError, match=rf"{TRIAL}/config\.json: not a trial's configuration"):
        store.read_config(TRIAL)


def test_another_trials_configuration_is_refused(store: Store) -> None:
    store.write_config(config())
    content = store.storage.read_json(f"trials/{config().trial_id}/config.json")
    store.storage.write_json(f"trials/{TRIAL}/config.json", content or {})
    with pytest.raises(StoreError, match=f"it is that of trial {config().trial_id}"):
        store.read_config(TRIAL)


@pytest.mark.parametrize("trials", [None, [{"loss": "none"}], "all"])
def test_what_is_no_manifest_names_the_file(store: Store, trials: object) -> None:
    content = {"trial_schema": SCHEMA_VERSION, "schema": STORE_SCHEMA, "name": "bad", "trials": trials}
    store.storage.write_json("sweeps/bad.json", content)
    with pytest.raises(StoreError, match=r"sweeps/bad\.json: not a sweep's trials"):
        store.read_sweep("bad")
