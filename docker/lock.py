"""Writes the pinned requirements of the image and of cluster hosts beside this file.

    python -m pip install uv
    python docker/lock.py            # newest versions that pyproject.toml allows
    python docker/lock.py --keep     # only what pyproject.toml or `EXTRA` changed

Three files come out. `requirements.txt`: all but PyTorch, with hashes. `requirements-cuda.txt`: PyTorch and
NVIDIA's libraries, with hashes. `requirements-cpu.txt`: PyTorch's CPU builds of the same versions, whose
hashes are not known here; Dockerfile and setup-node.sh say which index has them. uv is told to ignore local
configuration, so that no path of this machine gets into a lock; `tests/docker/test_locks.py` checks it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Needed by the image and the hosts, not by the package: the MLflow server behind a password, S3, the build.
EXTRA = ("mlflow[auth]", "boto3", "setuptools>=77", "wheel")
TORCH = re.compile(r"(torch|torchvision|triton|nvidia-.*|cuda-.*)$")


def entries(text: str) -> dict[str, str]:
    """Requirement name -> its lines (markers and hashes); two entries of one name are joined."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            continue
        if not line.startswith(" "):
            name = line.split("==")[0].strip()
        found[name] = found.get(name, "") + line
    return found


def resolve(previous: str) -> str:
    """The whole lock as uv writes it, for Python 3.11 and later; `previous` holds versions to prefer."""
    with tempfile.TemporaryDirectory() as folder:
        extra = Path(folder, "extra.in")
        extra.write_text("\n".join(EXTRA) + "\n")
        output = Path(folder, "requirements.txt")
        output.write_text(previous)
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--universal"]
        command += ["--python-version", "3.11", "--extra", "postgres", "--generate-hashes", "--no-annotate"]
        command += ["--no-header", "-o", str(output), str(HERE.parent / "pyproject.toml"), str(extra)]
        subprocess.run(command, check=True)
        return output.read_text()


def cpu_lock(cuda: dict[str, str]) -> str:
    """PyTorch's CPU builds of the versions in the CUDA lock."""
    lines = []
    for name in ("torch", "torchvision"):
        version = cuda[name].split("==")[1].split()[0]
        lines.append(f"{name}=={version}+cpu\n")
    return "".join(lines)


def main() -> None:
    """Resolves and writes the three files."""
    files = [HERE / "requirements.txt", HERE / "requirements-cuda.txt"]
    keep = "--keep" in sys.argv[1:]
    previous = "".join(file.read_text() for file in files if file.exists()) if keep else ""
    found = entries(resolve(previous))
    cuda = {name: lines for name, lines in found.items() if TORCH.match(name)}
    common = {name: lines for name, lines in found.items() if name not in cuda}
    header = "# Written by docker/lock.py; do not edit.\n"
    files[0].write_text(header + "".join(common.values()))
    files[1].write_text(header + "".join(cuda.values()))
    (HERE / "requirements-cpu.txt").write_text(header + cpu_lock(cuda))


if __name__ == "__main__":
    main()
