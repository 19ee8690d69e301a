"""Two hosts with an sshd each and a laptop, all of them namespaces of this machine (`up.sh`)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.processes import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = Path(__file__).parent
BIN = Path(sys.executable).parent
PROGRAMS = ("ip", "ssh", "ssh-keygen", "rsync", "unshare", "nsenter", "mount", "/usr/sbin/sshd")

DIGITS = "{dataset: digits, ratio: 20, epochs: 6, seeds: [1, 2]}"
CIFAR = "{dataset: cifar10, ratio: 100, epochs: 1, model.width: 16, seeds: [1]}"
SPACE = """
name: {name}
fixed: {fixed}
choices:
  - {{loss: baseline_BCE}}
  - {{loss: baseline_BCE, alm: ALM_16_beg, delta: 0.25}}
  - {{loss: baseline_s_LM_m05}}
  - {{loss: baseline_s_LM_m05, alm: ALM_16_beg, delta: 0.25}}
"""
PREINSTALL = """
set -e
base=$HOME/.almsweep
ln -sfn {venv} "$base/venv"
cd "$base/stage"
stage=$PWD
(echo cpu && "$ALMSWEEP_PYTHON" --version && sha256sum "$stage"/requirements*.txt "$stage"/*.whl) \\
  | sha256sum >"$base/stamp"
"""


class Machines:
    """Two hosts and a laptop; `run` runs a command on one of them, `laptop` there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "shared" / "results"
        self.data = Path(os.environ.get("ALMSWEEP_TEST_DATA", folder / "shared"))
        self.fixed = CIFAR if "ALMSWEEP_TEST_DATA" in os.environ else DIGITS
        self.cluster = folder / "cluster.yaml"
        self.running: list[subprocess.Popen[str]] = []

    def command(self, name: str, *words: object) -> list[str]:
        pid = (self.folder / name / "pid").read_text().strip()
        return ["nsenter", "--target", pid, "--all", "--", *map(str, words)]

    def environment(self, name: str) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("LANG", "LC_ALL", "TMPDIR") if key in os.environ}
        return kept | {
            "HOME": str(self.folder / name / "home"),
            "PATH": f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_UP_enable_autoscaler_v2": "0",
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }

    def options(self, name: str) -> dict[str, Any]:
        """How a process of a machine is started: what it prints is kept, as one text."""
        return {
            "env": self.environment(name),
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }

    def start(self, name: str, *words: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.command(name, *words),
            **self.options(name),
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def run(self, name: str, *words: object, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(name, *words),
            **self.options(name),
            timeout=timeout,
            check=False,
        )

    def laptop(self, *words: object, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        return self.run("laptop", *words, timeout=timeout)

    def submit(self, *words: object) -> list[object]:
        launch = ROOT / "sweeps" / "launch.py"
        return ["ray", "submit", "--no-config-cache", self.cluster, launch, "--", *words]

    def almsweep(self, *words: object, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """The command line on the laptop."""
        return self.laptop(sys.executable, "-m", "sweeps.cli", *words, timeout=timeout)

    def space(self, name: str, fixed: str | None = None) -> Path:
        path = self.folder / "shared" / f"{name}.yaml"
        path.write_text(SPACE.format(name=name, fixed=fixed or self.fixed))
        return path

    def processes(self, name: str) -> list[str]:
        """Command lines of all processes of a machine."""
        found = self.run(name, "ps", "-e", "-o", "args=")
        assert found.returncode == 0, found.stdout
        return [line for line in found.stdout.splitlines() if not line.startswith("ps ")]

    def write_files(self) -> None:
        """The folder that the hosts share, the staged folder, and our version of the cluster file."""
        self.output.parent.mkdir()
        stage = self.folder / "stage"
        stage.mkdir()
        for path in [*(ROOT / "docker").glob("requirements*.txt"), ROOT / "docker" / "entrypoint.sh"]:
            shutil.copy(path, stage)
        shutil.copy(ROOT / "docker" / "setup-node.sh", stage)
        (stage / "almsweep-0-py3-none-any.whl").touch()
        (stage / "COMMIT").write_text("0123456789abcdef0123456789abcdef01234567\n")
        script = self.folder / "preinstall.sh"
        script.write_text(PREINSTALL.format(venv=sys.prefix))
        self.cluster.write_text(yaml.safe_dump(self.cluster_config(stage, script)))

    def cluster_config(self, stage: Path, preinstall: Path) -> dict[str, Any]:
        config: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "cluster.yaml").read_text())
        config["provider"] |= {"head_ip": "10.77.0.1", "worker_ips": ["10.77.0.2"]}
        config["auth"] = {"ssh_user": "root", "ssh_private_key": str(self.folder / "id")}
        config |= {"min_workers": 1, "max_workers": 1}
        config["file_mounts"]["~/.almsweep/stage"] = str(stage)
        (setup,) = config["setup_commands"]
        script = setup.partition(" --flavour")[0]
        own = f"{script} --flavour cpu --output {self.output} --data {self.data}"
        python = f"export ALMSWEEP_PYTHON={sys.executable}"
        config["setup_commands"] = [f"{python} && bash {preinstall} && {own}"]
        for role in ("head", "worker"):
            commands = config[f"{role}_start_ray_commands"]
            size = "ray start --num-cpus=1 --object-store-memory=200000000"
            config[f"{role}_start_ray_commands"] = [c.replace("ray start", size) for c in commands]
        return config

    def end(self) -> None:
        """End all machines, and with them all that runs on them."""
        subprocess.run([SCRIPTS / "down.sh", self.folder], check=True, timeout=PATIENCE)
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def missing_reason() -> str | None:
    """Why the machines cannot be made here, None where they can."""
    if os.geteuid() != 0:
        return "needs root, for namespaces"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)} (iproute2, openssh-server, openssh-client, rsync, util-linux)"
    name = f"alm-test-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=PATIENCE)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=PATIENCE)
    return None if made.returncode == 0 else f"needs network namespaces: {made.stderr.strip()}"
