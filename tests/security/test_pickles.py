"""Nothing in a result store is code: who may write to a store runs nothing on machines that read it."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import pickle
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from analysis.tables import make_tables
from search_spaces.errors import AlmsweepError, CheckpointError
from search_spaces.yaml.space import read_space
from sweeps.plan import make_plan
from sweeps.search.study import stored_configs
from sweeps.tracking.state import trial_state
from sweeps.tracking.view import trial_view
from trainer import checkpoint
from trainer.data.cache import load_arrays
from trainer.data.task import load_task
from trainer.evaluate import evaluate
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest
from trainer.trial import run_trial

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    p for name in ("search_spaces", "trainer", "sweeps", "analysis") for p in (ROOT / name).rglob("*.py")
)


class Bomb:
    """Its pickle makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def tampered(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Files that run code in a reader that trusts pickles, in every form that `torch.load` knows."""
    content = {"schema": checkpoint.CHECKPOINT_SCHEMA, "trial_id": "t", "seed": 1, "data_sha256": "d"}
    hostile = content | {"replicates": Bomb(marker), "models": [Bomb(marker)]}
    for zipped in (True, False):
        stream = io.BytesIO()
        torch.save(hostile, stream, _use_new_zipfile_serialization=zipped)
        yield f"torch, zipped: {zipped}", stream.getvalue()
    for protocol in (0, 2, 5):
        yield f"plain pickle {protocol}", pickle.dumps(hostile, protocol)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("storages", "tensors", "pickle", "sys_info"):
            data = pickle.dumps(hostile)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    yield "tar of old torch", stream.getvalue()
    stream = io.BytesIO()
    torch.save(content | {"models": [torch.nn.Linear(1, 1)]}, stream)
    yield "whole module", stream.getvalue()


def test_bombs_go_off_where_pickles_are_trusted(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    pickle.loads(pickle.dumps(Bomb(marker)))
    assert marker.is_dir()


def test_tampered_weights_and_checkpoints_run_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    files = dict(tampered(marker))
    assert len(files) == 7
    for kind, data in files.items():
        with pytest.raises(CheckpointError, match="damaged or not written by this program"):
            checkpoint.load_weights(data, trial_id="t", seed=1)
        with pytest.raises(CheckpointError, match="damaged or not written by this program"):
            checkpoint.restore_replicates(data, [], trial_id="t", data_sha256="d")
        assert not marker.exists(), kind


WEIGHTS = {"schema": checkpoint.CHECKPOINT_SCHEMA, "trial_id": "t", "seed": 1, "mean": [0.5], "std": [0.5]}


@pytest.mark.parametrize(
    "content", [[1, 2], WEIGHTS, *({**WEIGHTS, "models": models} for models in (7, [], [7], {"a": 1}))]
)
def test_weights_of_another_shape_are_bad_input(content: object) -> None:
    stream = io.BytesIO()
    torch.save(content, stream)
    with pytest.raises(CheckpointError):
        checkpoint.load_weights(stream.getvalue(), trial_id="t", seed=1)


def test_no_source_trusts_a_pickle_or_runs_a_text() -> None:
    found = [f"{path.relative_to(ROOT)}:{line}: {what}" for path in SOURCES for line, what in doubtful(path)]
    # The one unpickler admits array constructors only: see tests/trainer/data/sources/test_cifar_pickle.py.
    assert [f for f in found if "cifar_pickle.py" not in f] == []
    assert len(SOURCES) > 50


def doubtful(path: Path) -> Iterator[tuple[int, str]]:
    """Calls that would run what they read."""
    names = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler"}
    names |= {"joblib.load", "pd.read_pickle", "dill.load", "cloudpickle.loads", "yaml.load", "marshal.loads"}
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        options = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called in names or options.get("shell") == "True" or options.get("allow_pickle") == "True":
            yield node.lineno, called
        if called == "torch.load" and options.get("weights_only") != "True":
            yield node.lineno, called
        if called in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
            yield node.lineno, called


@pytest.mark.parametrize(
    "text",
    [
        "eval(x)",
        "subprocess.run(x, shell=True)",
        "torch.load(f)",
        "np.load(f)",
        "pickle.loads(b)",
        "yaml.load(f)",
    ],
)
def test_the_search_for_such_calls_finds_them(text: str, tmp_path: Path) -> None:
    (tmp_path / "source.py").write_text(text)
    assert len(list(doubtful(tmp_path / "source.py"))) == 1


def test_a_parquet_file_with_a_pickled_type_runs_nothing(tmp_path: Path) -> None:
    """pyarrow once loaded a pickle that a file's schema named as its extension type (CVE-2023-47248)."""
    marker = tmp_path / "ran"
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Bomb(marker)),
    }
    schema = pa.schema([pa.field("split", pa.string(), metadata=metadata)])
    stream = io.BytesIO()
    pq.write_table(pa.table({"split": ["val"]}, schema=schema), stream)
    store = Store(tmp_path / "output")
    done = store.replicates.write(
        "a" * 16,
        1,
        state="completed",
        attempt="0123abcd",
        epochs=pa.table({"epoch": [0]}),
        scores=pa.table({"split": ["val"]}),
        result={},
    )
    data = stream.getvalue()
    store.storage.write_bytes(f"trials/{'a' * 16}/replicates/1/{done.files['scores'].name}", data)
    marked = json.loads(store.storage.read_bytes(f"trials/{'a' * 16}/replicates/1/DONE") or b"")
    marked["files"]["scores"] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    store.storage.write_json(f"trials/{'a' * 16}/replicates/1/DONE", marked)
    assert store.replicates.read_scores(store.replicates.ended("a" * 16)[1])["split"].to_pylist() == ["val"]
    assert not marker.exists()


def test_a_data_cache_with_a_pickled_array_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    data = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(127) + b"\n"
    )
    data += pickle.dumps([Bomb(marker)])
    (tmp_path / "x.npy").write_bytes(data)
    facts: dict[str, object] = {}
    content = {
        "schema": 1,
        "facts": facts,
        "facts_sha256": hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest(),
        "arrays": {"x": {"bytes": len(data), "count": 1, "sha256": "0" * 64}},
    }
    (tmp_path / "facts.json").write_text(json.dumps(content))
    assert load_arrays(tmp_path) is None
    assert not marker.exists()


def test_a_store_full_of_bombs_runs_nothing(tmp_path: Path) -> None:
    """Every file of a real store, one after the other, becomes a pickle that would make a folder."""
    path, marker, store = tmp_path / "space.yaml", tmp_path / "ran", Store(tmp_path / "output")
    path.write_text(
        "fixed: {dataset: digits, ratio: 20, epochs: 2, seeds: [1]}\ngrid: {loss: [baseline_BCE]}\n"
    )
    (config,) = read_space(path).trials
    store.write_sweep(SweepManifest("space", (config,)))
    run_trial(config, store, torch.device("cpu"), TrialOptions())
    task = load_task(config.data, None)
    readers: dict[str, Callable[[], object]] = {
        "tables": lambda: make_tables(store, store.read_sweep("space")),
        "plan": lambda: make_plan("space", store.read_sweep("space").trials, store),
        "evaluate": lambda: evaluate(config, store, task, torch.device("cpu"), "test"),
        "search": lambda: stored_configs(store),
        "view": lambda: trial_view(trial_state(config, store.replicates.ended(config.trial_id), None), store),
    }
    for reader in readers.values():
        reader()
    files = [p for name in ("trials", "sweeps", "index") for p in (tmp_path / "output" / name).rglob("*.*")]
    files += list((tmp_path / "output" / "trials").rglob("DONE"))
    assert {p.name.split(".")[0] for p in files} >= {
        "DONE",
        "config",
        "epochs",
        "scores",
        "result",
        "weights",
    }
    failed = set()
    for file in files:
        before = file.read_bytes()
        for content in (pickle.dumps(Bomb(marker)), b"{}", b"[" * 100_000, b'{"schema": 1}'):
            file.write_bytes(content)
            for name, reader in readers.items():
                try:
                    reader()
                except AlmsweepError:
                    failed.add(name)
                assert not marker.exists(), (file, name)
        file.write_bytes(before)
    assert failed == readers.keys()
