"""Whether a trial fits on a cluster: on what is there, or on what its autoscaler may start."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from search_spaces.errors import InputError
from sweeps.cluster.scaling import NodeTypes, check_resources, node_types

ROOT = Path(__file__).parent.parent.parent.parent
AWS = ROOT / "docker" / "cluster-aws.yaml"
EMPTY_HEAD = {"CPU": 0.0, "memory": 1e9}


def never() -> NodeTypes:
    raise AssertionError("the autoscaler is asked only where the nodes do not hold a trial")


def nothing() -> NodeTypes:
    return {}


def l4() -> NodeTypes:
    return {"worker": {"resources": {"CPU": 4, "GPU": 1}}}


def test_a_trial_that_fits_asks_nobody() -> None:
    check_resources([{"CPU": 4, "GPU": 1}], 2, 0.5, never)
    check_resources([{"CPU": 1}, {"CPU": 4}], 4, None, never)


def test_a_trial_has_to_fit_on_one_node() -> None:
    pairs = [{"CPU": 2, "GPU": 1}] * 2
    with pytest.raises(InputError, match=r"^--cpus-per-trial: a trial wants 3, the largest node has 2$"):
        check_resources(pairs, 3, None, nothing)
    with pytest.raises(InputError, match=r"^--gpus-per-trial: a trial wants 2, the largest node has 1$"):
        check_resources(pairs, 1, 2, nothing)
    apart = [{"CPU": 4}, {"CPU": 1, "GPU": 1}]
    with pytest.raises(InputError, match=r"no node has 2 CPUs and 0\.5 GPUs for a trial; they have 4"):
        check_resources(apart, 2, 0.5, nothing)


def test_an_explicit_share_is_trusted_where_nodes_can_start() -> None:
    check_resources([EMPTY_HEAD], 1, 0.25, l4)
    check_resources([EMPTY_HEAD], 4, 1, l4)


@pytest.mark.parametrize(
    ("cpus", "gpus", "message"),
    [
        (
            1,
            2,
            "--gpus-per-trial: a trial wants 2, the largest node has 0 and can start nodes with 4 CPUs and 1",
        ),
        (
            8,
            0.25,
            "--gpus-per-trial: a trial wants 0.25, the largest node has 0 and can start nodes with 4 CPUs",
        ),
        (8, 0, "--cpus-per-trial: a trial wants 8, the largest node has 0 and can start"),
        (1, None, "--gpus-per-trial: expected a share of a GPU, like 0.25, given none"),
    ],
)
def test_what_no_node_to_come_can_hold_is_an_error(cpus: int, gpus: float | None, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_resources([EMPTY_HEAD], cpus, gpus, l4)
    assert message in str(error.value)


def test_a_cluster_that_does_not_grow_is_told_what_it_lacks() -> None:
    with pytest.raises(InputError, match=r"^--gpus-per-trial: a trial wants 0\.25, the largest node has 0$"):
        check_resources([{"CPU": 4}], 1, 0.25, nothing)
    with pytest.raises(InputError, match=r"^--cpus-per-trial: a trial wants 8, the largest node has 4$"):
        check_resources([{"CPU": 4}], 8, None, nothing)


def test_cpu_nodes_that_start_on_demand_need_no_share() -> None:
    check_resources([EMPTY_HEAD], 2, None, lambda: {"worker": {"resources": {"CPU": 4}}})


def test_our_aws_cluster_can_start_its_gpus() -> None:
    types = node_types(AWS)
    assert types == {"worker-l4": {"resources": {"CPU": 4, "GPU": 1}}}
    documented = float(AWS.read_text().split("--gpus-per-trial ")[1].split()[0])
    check_resources([EMPTY_HEAD], 1, documented, lambda: types)


def test_head_and_forbidden_nodes_are_not_started(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    kind = {"resources": {"CPU": 8}}
    kinds = {"head": kind, "none": {**kind, "max_workers": 0}, "some": kind}
    content = {"max_workers": 2, "head_node_type": "head", "available_node_types": kinds}
    path.write_text(yaml.safe_dump(content))
    assert set(node_types(path)) == {"some"}
    assert node_types(tmp_path / "absent.yaml") == {}
    path.write_text("[")
    assert node_types(path) == {}
