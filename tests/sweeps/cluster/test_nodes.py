"""The check of a cluster's nodes: what it compares, and that its message names the node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search_spaces.config import Bce, DataConfig, TrialConfig
from search_spaces.errors import DataError, InputError
from search_spaces.presets import TASKS
from sweeps.cluster import nodes
from sweeps.cluster.nodes import Node, check_nodes, data_differences, look_on_nodes
from sweeps.cluster.software import software, software_differences, source_sha256
from trainer.data.survey import Finding, HeldOutFacts, Survey
from trainer.options import TrialOptions

HEAD = Node("a" * 8, "h1", "10.0.0.1", takes_trials=False)
FIRST = Node("b" * 8, "h2", "10.0.0.2", takes_trials=True)
SECOND = Node("c" * 8, "h3", "10.0.0.3", takes_trials=True)
THIRD = Node("d" * 8, "h4", "10.0.0.4", takes_trials=True)


def test_software_names_what_can_change_a_number() -> None:
    found = software()
    assert {"python", "almsweep", "torch", "numpy", "ray", "commit", "source"} <= set(found)
    assert len(found["source"]) == 64


def test_source_hash_follows_contents_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "hashed_package"
    package.mkdir()
    (package / "one.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    hashes = [source_sha256.__wrapped__(("hashed_package",))]
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "one.pyc").write_bytes(b"1")
    assert source_sha256.__wrapped__(("hashed_package",)) == hashes[0]
    (package / "one.py").write_text("x = 2\n")
    hashes.append(source_sha256.__wrapped__(("hashed_package",)))
    (package / "one.py").rename(package / "two.py")
    hashes.append(source_sha256.__wrapped__(("hashed_package",)))
    assert len(set(hashes)) == 3


def test_differences_of_software_name_node_fact_and_values() -> None:
    expected = {"torch": "2.13.0", "commit": "abc", "source": "1" * 64}
    assert software_differences(HEAD, expected, expected, "h1") == []
    assert software_differences(FIRST, {**expected, "torch": "2.12.0"}, expected, "h1") == [
        "h2 (10.0.0.2) has torch 2.12.0, the driver on h1 has 2.13.0"
    ]
    assert software_differences(SECOND, {**expected, "source": "2" * 64}, expected, "h1") == [
        "h3 (10.0.0.3) has source 222222222222…, the driver on h1 has 111111111111…"
    ]
    assert software_differences(FIRST, {}, {"ray": "2"}, "h1") == [
        "h2 (10.0.0.2) has ray unknown, the driver on h1 has 2"
    ]


def test_differences_of_data_blame_the_minority() -> None:
    same = {"cifar10": finding("1" * 64), "digits": finding("3" * 64)}
    other = {"cifar10": finding("2" * 64), "digits": finding("3" * 64)}
    assert data_differences({FIRST: same, SECOND: same}) == []
    lines = data_differences({FIRST: other, SECOND: same, THIRD: same})
    assert lines == [
        "h2 (10.0.0.2) loads other data for cifar10: 222222222222…, h3 (10.0.0.3) has 111111111111…"
    ]


def test_a_node_without_data_is_said_to_have_none_wherever_it_stands() -> None:
    """Those that can train on the data are not blamed, be they fewer."""
    has, missing = finding("1" * 64), Finding(fault="cifar10: expected a folder", is_missing=True)
    line = "has no data for cifar10 (cifar10: expected a folder), h4 (10.0.0.4) has 111111111111…"
    told = data_differences(
        {FIRST: {"cifar10": missing}, SECOND: {"cifar10": missing}, THIRD: {"cifar10": has}}
    )
    assert told == [f"h2 (10.0.0.2) {line}", f"h3 (10.0.0.3) {line}"]
    spoilt = Finding(fault="cifar10: a batch is cut")
    assert data_differences({FIRST: {"cifar10": has}, SECOND: {"cifar10": spoilt}}) == [
        "h3 (10.0.0.3) cannot train on cifar10 (cifar10: a batch is cut), h2 (10.0.0.2) has 111111111111…"
    ]
    assert data_differences({FIRST: {"cifar10": missing}, SECOND: {"cifar10": spoilt}}) == [
        "h3 (10.0.0.3) cannot train on cifar10 (cifar10: a batch is cut), "
        "h2 (10.0.0.2) says: cifar10: expected a folder"
    ]


def trial(data: DataConfig, **changes: object) -> TrialConfig:
    return TrialConfig(data=data.model_copy(update=changes), loss=Bce())


def answering(answers: dict[str, dict[Node, Any]]) -> Callable[..., Any]:
    """A stand-in for asking the nodes."""

    def ask(asked: list[Node], probe: Callable[[], Any], timeout: float | None = None) -> dict[Node, Any]:
        kind = "software" if "software" in probe.__qualname__ else "data"
        return {node: answers[kind][node] for node in asked}

    return ask


def finding(sha256: str) -> Finding:
    held_out = HeldOutFacts(counts=(1, 1), drawn=True)
    return Finding(
        survey=Survey(train=(1, 1), sizes=(1, 1), validation=held_out, test=held_out, sha256=sha256)
    )


def test_data_are_looked_at_where_trials_run_and_must_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [HEAD, FIRST, SECOND]
    tasks = [TASKS["digits"].with_ratio(ratio) for ratio in (10.0, 20.0, None)]
    # One ratio cannot be trained: that is a finding of all nodes, and no difference between them.
    alike = [finding("1"), Finding(fault="too few"), finding("1")]
    monkeypatch.setattr(nodes, "_ask", answering({"data": {FIRST: alike, SECOND: alike}}))
    assert look_on_nodes(found, tasks, (), TrialOptions()) == dict(zip(tasks, alike, strict=True))
    other = [finding("2"), Finding(fault="too few"), finding("2")]
    monkeypatch.setattr(nodes, "_ask", answering({"data": {FIRST: alike, SECOND: other}}))
    with pytest.raises(
        DataError, match=r"expected 2 nodes .* h3 \(10.0.0.3\) loads other data for digits: 2,"
    ):
        look_on_nodes(found, tasks, (), TrialOptions())
    missing = [Finding(fault="no folder", is_missing=True)] * 3
    monkeypatch.setattr(nodes, "_ask", answering({"data": {FIRST: alike, SECOND: missing}}))
    with pytest.raises(DataError, match=r"h3 \(10.0.0.3\) has no data for digits \(no folder\), h2"):
        look_on_nodes(found, tasks, (), TrialOptions())


def test_check_of_software_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "live_nodes", lambda cpus, gpus: [FIRST])
    monkeypatch.setattr(nodes, "_ask", answering({"software": {FIRST: software() | {"numpy": "1.0"}}}))
    with pytest.raises(InputError, match=r"h2 \(10.0.0.2\) has numpy 1.0, the driver on "):
        check_nodes([trial(TASKS["digits"])], TrialOptions())


def test_long_lists_of_differences_are_cut() -> None:
    with pytest.raises(InputError, match=r"line 7; and 3 more$"):
        nodes._raise(InputError, [f"line {i}" for i in range(11)], 2)
