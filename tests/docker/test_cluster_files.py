"""The `ray up` files against Ray's own schema and defaults, and the RayJob manifest."""

from __future__ import annotations

import copy
import ipaddress
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.processes import PATIENCE

CLUSTERS = ["cluster.yaml", "cluster-aws.yaml"]
# Fields of KubeRay's ray.io/v1 types and of a pod that the manifest may use.
FIELDS = {
    "RayJob": {"apiVersion", "kind", "metadata", "spec"},
    "RayJobSpec": {
        *("activeDeadlineSeconds", "backoffLimit", "entrypoint", "rayClusterSpec", "runtimeEnvYAML"),
        *("shutdownAfterJobFinishes", "submissionMode", "submitterPodTemplate", "suspend"),
        "ttlSecondsAfterFinished",
    },
    "RayClusterSpec": {
        *("authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "headGroupSpec", "rayVersion"),
        "workerGroupSpecs",
    },
    "HeadGroupSpec": {"serviceType", "enableIngress", "rayStartParams", "template"},
    "WorkerGroupSpec": {
        *("groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    },
    "PodTemplateSpec": {"metadata", "spec"},
    "PodSpec": {"automountServiceAccountToken", "containers", "nodeSelector", "securityContext", "volumes"},
    "Container": {
        *("name", "image", "command", "args", "env", "ports", "resources", "securityContext"),
        *("volumeMounts", "imagePullPolicy"),
    },
}


def load(docker: Path, name: str) -> dict[str, Any]:
    found = yaml.safe_load((docker / name).read_text())
    assert isinstance(found, dict)
    return found


def prepared(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration as `ray up` validates it: provider defaults filled in, then Ray's schema."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    full = prepare_config(copy.deepcopy(config))
    validate_config(full)
    return dict(full)


@pytest.mark.parametrize("name", CLUSTERS)
def test_ray_accepts_the_file(docker: Path, name: str) -> None:
    config = load(docker, name)
    full = prepared(config)
    assert full["setup_commands"] == config["setup_commands"]
    assert full["head_start_ray_commands"] == config["head_start_ray_commands"]


@pytest.mark.parametrize("name", CLUSTERS)
def test_ray_refuses_a_misspelt_file(docker: Path, name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        prepared(load(docker, name) | {"setup_command": ["true"]})


@pytest.mark.parametrize("name", CLUSTERS)
def test_nodes_start_with_the_token_and_a_loopback_dashboard(docker: Path, name: str) -> None:
    config = load(docker, name)
    head = [command for command in config["head_start_ray_commands"] if "ray start" in command]
    worker = [command for command in config["worker_start_ray_commands"] if "ray start" in command]
    assert len(head) == len(worker) == 1
    for command in head + worker:
        assert "RAY_AUTH_MODE=token ray start" in command
        assert not re.search(r"0\.0\.0\.0|::", command)
    assert "--dashboard-host=127.0.0.1" in head[0]
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in head[0]
    assert "--address=$RAY_HEAD_IP:6379" in worker[0]
    assert "entrypoint.sh mps" in worker[0]


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_token_is_a_file_and_no_secret_is_written(docker: Path, name: str) -> None:
    config = load(docker, name)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    text = (docker / name).read_text()
    assert not re.search(r"(?i)(password|aws_secret|RAY_AUTH_TOKEN)\s*[:=]", text)


@pytest.mark.parametrize("name", CLUSTERS)
def test_commands_are_shell_and_setup_accepts_its_options(docker: Path, name: str) -> None:
    config = load(docker, name)
    commands = [command for key, value in config.items() if key.endswith("_commands") for command in value]
    assert len(commands) >= 5
    for command in commands:
        done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, (command, done.stderr)
    (setup,) = [command for command in config["setup_commands"] if "setup-node.sh" in command]
    script = (docker / "setup-node.sh").read_text()
    for option in re.findall(r"--[a-z-]+", setup):
        assert f"    {option})" in script
    assert config["file_mounts"]["~/.almsweep/stage"] == "build/node"
    assert "$repository/build/node" in (docker / "stage.sh").read_text()


def test_own_hosts_are_private_and_all_used(docker: Path) -> None:
    config = load(docker, "cluster.yaml")
    addresses = [config["provider"]["head_ip"], *config["provider"]["worker_ips"]]
    assert len(set(addresses)) == len(addresses)
    assert all(ipaddress.ip_address(address).is_private for address in addresses)
    assert config["min_workers"] == config["max_workers"] == len(config["provider"]["worker_ips"])
    (node,) = prepared(config)["available_node_types"].values()
    assert node["min_workers"] == len(config["provider"]["worker_ips"])


def test_cloud_nodes_use_a_given_firewall_and_encrypted_disks(docker: Path) -> None:
    config = load(docker, "cluster-aws.yaml")
    assert "security_group" not in config["provider"]
    types = config["available_node_types"]
    assert config["head_node_type"] in types
    for node in types.values():
        settings = node["node_config"]
        assert settings["SecurityGroupIds"]
        assert settings["SubnetIds"]
        assert settings["MetadataOptions"] == {"HttpTokens": "required"}
        assert all(disk["Ebs"]["Encrypted"] for disk in settings["BlockDeviceMappings"])
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["worker-l4"]["resources"]["GPU"] == 1
    assert types["worker-l4"]["max_workers"] <= config["max_workers"]


@pytest.fixture
def manifests(docker: Path) -> dict[str, Any]:
    found = yaml.safe_load_all((docker / "rayjob.yaml").read_text())
    return {document["kind"]: document for document in found}


def groups(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def unknown(job: dict[str, Any]) -> list[str]:
    """Names of fields that the types of `FIELDS` do not have."""
    cluster = job["spec"]["rayClusterSpec"]
    parts = [("RayJob", job), ("RayJobSpec", job["spec"]), ("RayClusterSpec", cluster)]
    parts += [("HeadGroupSpec", cluster["headGroupSpec"])]
    parts += [("WorkerGroupSpec", group) for group in cluster["workerGroupSpecs"]]
    for group in groups(job):
        parts += [("PodTemplateSpec", group["template"]), ("PodSpec", group["template"]["spec"])]
        parts += [("Container", container) for container in group["template"]["spec"]["containers"]]
    return [f"{kind}.{key}" for kind, part in parts for key in part if key not in FIELDS[kind]]


def test_rayjob_uses_known_fields(manifests: dict[str, Any]) -> None:
    job = manifests["RayJob"]
    assert unknown(job) == []
    assert job["apiVersion"] == "ray.io/v1"
    job["spec"]["entryPoint"] = "x"
    groups(job)[1]["template"]["spec"]["containers"][0]["volumes"] = []
    assert unknown(job) == ["RayJobSpec.entryPoint", "Container.volumes"]


def test_rayjob_is_behind_a_token_and_a_firewall(manifests: dict[str, Any]) -> None:
    job, policy = manifests["RayJob"], manifests["NetworkPolicy"]
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    wanted = policy["spec"]["podSelector"]["matchLabels"]
    for group in groups(job):
        assert wanted.items() <= group["template"]["metadata"]["labels"].items()
        assert group["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in group["template"]["spec"]["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            for variable in container.get("env", []):
                secret = re.search("PASSWORD|TOKEN|SECRET", variable["name"])
                assert set(variable) == {"name", "valueFrom" if secret else "value"}


def test_rayjob_fits_together(manifests: dict[str, Any], docker: Path) -> None:
    job, claim = manifests["RayJob"], manifests["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    lock = (docker / "requirements.txt").read_text()
    assert f"\nray=={job['spec']['rayClusterSpec']['rayVersion']} " in lock
    images = {group["template"]["spec"]["containers"][0]["image"] for group in groups(job)}
    assert len(images) == 1
    for group in groups(job):
        pod = group["template"]["spec"]
        (volume,) = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        for container in pod["containers"]:
            assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/results", "/data"}
            assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"]}
            assert container["resources"]["requests"] == container["resources"]["limits"]
    worker = groups(job)[1]["template"]["spec"]["containers"][0]
    share = next(item["value"] for item in worker["env"] if item["name"] == "ALMSWEEP_GPUS_PER_TRIAL")
    assert f"--gpus-per-trial {share} " in job["spec"]["entrypoint"]
    assert worker["command"] == ["almsweep-entrypoint", "mps"]
