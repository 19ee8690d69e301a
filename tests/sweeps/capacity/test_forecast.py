"""What a sweep costs: measured seconds, and the concurrency that would be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from search_spaces.catalog import load_space
from sweeps.capacity import forecast as forecasting
from sweeps.capacity.forecast import Forecast, forecast
from sweeps.capacity.machine import Room
from sweeps.cli.report import print_time
from sweeps.options import RunOptions
from sweeps.plan import Plan, make_plan
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.trial_needs import TrialNeeds

GB = 1000**3


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """The demo: 12 trials of 6 replicates and 12 epochs, LDAM's among them of another kind."""
    return make_plan("demo", load_space("demo").trials, Store(tmp_path))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, TrialNeeds]:
    """The answer of every probe, to be changed by a test."""
    answer = {"needs": TrialNeeds("cpu", 10.0, GB)}
    monkeypatch.setattr("sweeps.capacity.probe.measure", lambda request: answer["needs"])
    return answer


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[Room]:
    """This machine, to be changed by a test."""
    found = [Room(4, 0, 3.5 * GB)]
    monkeypatch.setattr(forecasting, "local_room", lambda: found[0])
    return found


def shown(found: Forecast) -> str:
    text = io.StringIO()
    print_time(Console(file=text, width=200), found)
    return text.getvalue()


def cost(plan: Plan, tmp_path: Path, *, measure: bool = True, **options: object) -> Forecast:
    given = RunOptions(**options)  # type: ignore[arg-type]
    return forecast(plan, Store(tmp_path), given, Console(file=io.StringIO()), measure=measure)


@pytest.mark.usefixtures("measured", "rooms")
def test_unknown_until_measured(plan: Plan, tmp_path: Path) -> None:
    assert cost(plan, tmp_path, measure=False).time.unknown == 72
    assert "time: unknown (measure it with --probe)" in shown(cost(plan, tmp_path, measure=False))
    measured = cost(plan, tmp_path)
    assert cost(plan, tmp_path, measure=False) == measured


@pytest.mark.usefixtures("measured", "rooms")
def test_core_hours_and_wall_time_at_the_concurrency_that_fits(plan: Plan, tmp_path: Path) -> None:
    found = cost(plan, tmp_path)
    seconds = 12 * 6 * 12 * 10.0
    assert (found.device_seconds, found.wall_seconds) == (seconds, seconds / 3)
    assert "time: at most 2.4 core-hours, 48 min 00 s on this machine, without early stopping" in shown(found)
    assert "memory holds 3 (peak 1.0 GB, 3.5 GB free)" in shown(found)
    assert cost(plan, tmp_path, max_concurrent=2).wall_seconds == seconds / 2


@pytest.mark.usefixtures("rooms")
@pytest.mark.parametrize(
    ("bf16_seconds", "told"),
    [
        (5.0, "precision: bf16 would be 2 times as fast here"),
        (9.9, "precision: bf16 would be no faster here"),
        (20.0, "precision: bf16 would be no faster here"),
        (None, None),
    ],
)
def test_what_bf16_would_save_is_told_where_it_was_measured(
    plan: Plan,
    tmp_path: Path,
    measured: dict[str, TrialNeeds],
    bf16_seconds: float | None,
    told: str | None,
) -> None:
    measured["needs"] = TrialNeeds(
        "cpu", 10.0, GB, has_bf16=bf16_seconds is not None, bf16_seconds=bf16_seconds
    )
    text = shown(cost(plan, tmp_path))
    if told is None:
        assert "bf16" not in text
    else:
        assert told in text


@pytest.mark.usefixtures("measured", "rooms")
def test_cores_of_a_trial_are_counted(plan: Plan, tmp_path: Path) -> None:
    found = cost(plan, tmp_path, trial=TrialOptions(threads=2))
    seconds = 12 * 6 * 12 * 10.0
    assert (found.device_seconds, found.wall_seconds) == (2 * seconds, seconds / 2)


def test_trials_that_share_a_gpu_share_its_seconds(
    plan: Plan, tmp_path: Path, measured: dict[str, TrialNeeds], rooms: list[Room]
) -> None:
    measured["needs"] = TrialNeeds("cuda", 1.0, GB, 10 * GB, 80 * GB)
    rooms[0] = Room(16, 2, 64 * GB)
    found = cost(plan, tmp_path)
    assert found.packing.concurrent == 14
    assert (found.device_seconds, found.wall_seconds) == (864, 432)
    assert "time: at most 0.24 GPU-hours, 7 min 12 s" in shown(found)


@pytest.mark.usefixtures("measured")
def test_a_cluster_is_asked_for_what_it_has_free(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = []

    @contextmanager
    def session(options: RunOptions) -> Iterator[dict[str, float]]:
        joined.append(options.address)
        yield {}

    monkeypatch.setattr(forecasting, "ray_session", session)
    monkeypatch.setattr(forecasting, "cluster_rooms", lambda: [Room(1, 0, 100 * GB), Room(5, 0, 100 * GB)])
    monkeypatch.setattr("sweeps.capacity.probe.on_a_node", lambda cpus, gpus: lambda call: call())
    found = cost(plan, tmp_path, address="head:6379")
    assert (joined, found.packing.concurrent) == (["head:6379"], 6)
    assert "on the cluster" in shown(found)
