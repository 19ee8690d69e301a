"""How many trials run side by side: from measurements that are given here, on nodes made up and in Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.catalog import load_space
from search_spaces.errors import InputError
from sweeps.capacity.machine import Room
from sweeps.capacity.packing import SHARE, Wanted, choose_packing, gpu_share, largest, pack
from sweeps.capacity.probe import Probes
from tests.processes import PATIENCE
from trainer.options import TrialOptions
from trainer.trial_needs import TrialNeeds

GB = 1000**3
DEMO = load_space("demo").trials
PAPER = load_space("paper").trials


class Given(Probes):
    """Measurements that are given, or fail; counts how often one was asked for."""

    def __init__(self, needs: TrialNeeds | None) -> None:
        super().__init__("", TrialOptions())
        object.__setattr__(self, "given", needs)
        object.__setattr__(self, "asked", [])

    def needs(self, config: Any, *, memory: bool) -> TrialNeeds:
        self.asked.append(config)  # type: ignore[attr-defined]
        found: TrialNeeds | None = self.given  # type: ignore[attr-defined]
        if found is None:
            raise InputError("probe of it: its process was killed")
        return found

    def known(self, config: Any) -> TrialNeeds | None:
        found: TrialNeeds | None = self.given  # type: ignore[attr-defined]
        return found


def asked(probes: Given) -> int:
    return len(probes.asked)  # type: ignore[attr-defined]


def on_cpu(peak: float) -> TrialNeeds:
    return TrialNeeds("cpu", 1.0, int(peak))


def on_gpu(peak: float, total: float, host: float = 2 * GB) -> TrialNeeds:
    return TrialNeeds("cuda", 1.0, int(host), int(peak), int(total))


def test_memory_limits_where_it_is_short() -> None:
    rooms = [Room(8, 0, 10 * GB)]
    found = pack(rooms, Wanted(1), on_cpu(2.9 * GB), "measured on it")
    assert found.concurrent == 3
    assert found.resources == {"cpu": 1, "gpu": 0, "memory": found.memory}
    assert found.memory == pytest.approx(2.9 * GB / SHARE, rel=1e-6)
    assert found.reason == (
        "3 trials at a time: CPUs hold 8 (1 per trial), memory holds 3 (peak 2.9 GB, 10.0 GB free), "
        "measured on it"
    )


def test_cpus_limit_where_memory_is_plenty() -> None:
    assert pack([Room(8, 0, 100 * GB)], Wanted(2), on_cpu(3 * GB), "").concurrent == 4


def test_the_users_limit_holds() -> None:
    found = pack([Room(8, 0, 100 * GB)], Wanted(1, max_concurrent=2), on_cpu(GB), "")
    assert found.concurrent == 2
    assert "--max-concurrent is 2" in found.reason


def test_every_node_counts_for_itself() -> None:
    rooms = [Room(2, 0, 100 * GB), Room(64, 0, 5 * GB), Room(0, 0, 500 * GB)]
    assert pack(rooms, Wanted(1), on_cpu(2 * GB), "").concurrent == 2 + 2


def test_a_trial_that_no_node_holds_with_room_to_spare_still_runs() -> None:
    found = pack([Room(8, 0, 2 * GB)], Wanted(1), on_cpu(3 * GB), "")
    assert (found.concurrent, found.memory) == (1, 2 * GB)


def test_share_of_a_gpu_follows_its_memory() -> None:
    found = pack([Room(16, 1, 128 * GB)], Wanted(1), on_gpu(9 * GB, 80 * GB), "")
    assert found.gpus == pytest.approx(0.125)
    assert found.concurrent == 8
    assert "GPUs hold 8 (0.125 per trial: peak 9.0 GB of 80.0 GB)" in found.reason


def test_memory_of_the_node_limits_trials_on_a_gpu_too() -> None:
    found = pack([Room(16, 1, 9 * GB)], Wanted(1), on_gpu(9 * GB, 80 * GB, host=2 * GB), "")
    assert found.concurrent == 4


def test_a_share_lies_on_one_gpu() -> None:
    assert pack([Room(16, 2, 128 * GB)], Wanted(1, gpus=0.4), None, "").concurrent == 4


@given(st.integers(1, 200), st.integers(1, 200))
def test_trials_on_a_gpu_stay_within_its_memory(peak: int, total: int) -> None:
    share = gpu_share(on_gpu(peak, total))
    trials = int(1 / share + 1e-9)
    assert trials == 1 or trials * peak <= SHARE * total
    assert share <= 1


def test_explicit_shares_are_taken_and_measured_all_the_same() -> None:
    probes = Given(on_gpu(40 * GB, 80 * GB, host=9 * GB))
    found = choose_packing(PAPER, [Room(16, 1, 128 * GB)], Wanted(1, gpus=0.25), probes)
    assert (found.gpus, found.memory, found.concurrent, asked(probes)) == (0.25, 10 * GB, 4, 1)
    assert (
        "TOO MANY for a peak of 40.0 GB on GPUs of 80.0 GB, which needs --gpus-per-trial 0.5556"
        in found.reason
    )
    enough = choose_packing(PAPER, [Room(16, 1, 128 * GB)], Wanted(1, gpus=0.6), probes)
    assert "TOO MANY" not in enough.reason


def test_explicit_shares_of_gpus_that_others_use_wait_for_no_probe() -> None:
    probes = Given(on_gpu(40 * GB, 80 * GB))
    found = choose_packing(PAPER, [Room(16, 0.5, 128 * GB)], Wanted(1, gpus=0.25), probes)
    assert (found.gpus, asked(probes)) == (0.25, 0)
    assert "TOO MANY" in found.reason, "what is known is told"


def test_explicit_shares_of_gpus_that_are_not_there_yet() -> None:
    probes = Given(None)
    found = choose_packing(PAPER, [Room(0, 0, 8 * GB)], Wanted(1, gpus=0.25), probes)
    assert found.resources == {"cpu": 1, "gpu": 0.25}
    assert asked(probes) == 0


def test_gpus_can_be_refused() -> None:
    found = choose_packing(DEMO, [Room(4, 1, 500 * GB)], Wanted(1, gpus=0), Given(None))
    assert found.gpus == 0


def test_small_trials_on_a_large_machine_need_no_probe() -> None:
    probes = Given(on_cpu(GB))
    found = choose_packing(DEMO, [Room(4, 0, 24 * GB)], Wanted(1), probes)
    assert (found.concurrent, found.memory, asked(probes)) == (4, 0, 0)
    assert "memory is ample" in found.reason


def test_small_memory_is_measured() -> None:
    probes = Given(on_cpu(0.5 * GB))
    found = choose_packing(DEMO, [Room(16, 0, 4 * GB)], Wanted(1), probes)
    assert (found.concurrent, asked(probes)) == (7, 1)
    assert "measured on digits-critical 1:40" in found.reason


def test_a_plan_measures_nothing() -> None:
    probes = Given(on_cpu(0.5 * GB))
    found = choose_packing(DEMO, [Room(16, 0, 4 * GB)], Wanted(1), probes, measure=False)
    assert (found.concurrent, asked(probes)) == (7, 0)


def test_a_failed_probe_is_told_and_leaves_a_gpu_to_each_trial() -> None:
    found = choose_packing(PAPER, [Room(16, 2, 128 * GB)], Wanted(1), Given(None))
    assert (found.gpus, found.concurrent) == (1.0, 2)
    assert "memory is not measured (probe of it: its process was killed)" in found.reason


def test_the_largest_trial_is_measured() -> None:
    assert largest(()) is None
    wide = DEMO[0].model_copy(update={"model": DEMO[0].model.model_copy(update={"width": 64})})
    many = DEMO[0].model_copy(update={"seeds": tuple(range(1, 41))})
    assert largest([*DEMO, wide, DEMO[1]]) == wide
    assert largest([*DEMO, many, DEMO[1]]) == many
    assert largest(PAPER).constraint is not None  # type: ignore[union-attr]


IN_RAY = """
import json, logging, os, sys, time
import ray
from ray import tune
from sweeps.capacity.machine import cluster_rooms
from sweeps.capacity.packing import Wanted, pack
from trainer.trial_needs import TrialNeeds

gpus, memory, needs = json.loads(sys.argv[1])
ray.init("local", num_cpus=6, num_gpus=gpus, _memory=memory, include_dashboard=False,
         logging_level=logging.ERROR, object_store_memory=80 * 1024**2, log_to_driver=False)
packing = pack(cluster_rooms(), Wanted(1), TrialNeeds(**needs), "")

@ray.remote(num_cpus=0)
class Counter:
    def __init__(self): self.now = self.most = 0
    def add(self, n):
        self.now += n
        self.most = max(self.most, self.now)
        return self.most

counter = Counter.remote()

def train(params):
    ray.get(counter.add.remote(1))
    # until as many as may run have been here together, and a little longer: more would come now
    end = time.monotonic() + 150
    while time.monotonic() < end and ray.get(counter.add.remote(0)) < packing.concurrent:
        time.sleep(0.1)
    time.sleep(2)
    ray.get(counter.add.remote(-1))
    tune.report({"x": 1})

trainable = tune.with_resources(train, packing.resources)
result = tune.Tuner(trainable, param_space={"i": tune.grid_search([1] * 5)},
                    run_config=tune.RunConfig(storage_path=sys.argv[2], verbose=0)).fit()
print(json.dumps([packing.concurrent, ray.get(counter.add.remote(0)), len(result), result.num_errors]))
"""


@pytest.mark.group(name="packing")
@pytest.mark.parametrize(
    ("gpus", "memory", "needs", "expected"),
    [
        (1, 64 * GB, on_gpu(20 * GB, 80 * GB), 3),
        (0, 4 * GB, on_cpu(1.5 * GB), 2),
    ],
    ids=["GPU memory", "memory"],
)
def test_ray_starts_as_many_as_were_promised(
    tmp_path: Path, gpus: int, memory: int, needs: TrialNeeds, expected: int
) -> None:
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled"}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)  # a GPU that Ray is told of, not one of this machine
    done = subprocess.run(
        [sys.executable, "-c", IN_RAY, json.dumps([gpus, memory, vars(needs)]), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    promised, most, trials, errors = json.loads(done.stdout.splitlines()[-1])
    assert (promised, most, trials, errors) == (expected, expected, 5, 0)
