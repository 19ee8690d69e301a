"""The Dockerfile, linted and read; the shell scripts, linted; what the build may see."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.processes import PATIENCE

TOOLS = Path(sysconfig.get_path("scripts"))


def lint(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A linter from the development dependencies, run."""
    return subprocess.run([str(TOOLS / tool), *arguments], capture_output=True, text=True, timeout=PATIENCE)


def test_dockerfile_passes_hadolint(docker: Path) -> None:
    done = lint("hadolint", "--no-color", str(docker / "Dockerfile"))
    assert done.returncode == 0, done.stdout
    assert done.stdout == ""


def test_hadolint_finds_mistakes(docker: Path, tmp_path: Path) -> None:
    broken = tmp_path / "Dockerfile"
    broken.write_text((docker / "Dockerfile").read_text() + "RUN cd /tmp && sudo ls\n")
    done = lint("hadolint", "--no-color", str(broken))
    assert done.returncode != 0
    assert "DL3004" in done.stdout


def test_scripts_pass_shellcheck(docker: Path) -> None:
    scripts = sorted(str(path) for path in docker.glob("*.sh"))
    assert len(scripts) == 5
    done = lint("shellcheck", *scripts)
    assert done.returncode == 0, done.stdout


def test_shellcheck_finds_mistakes(tmp_path: Path) -> None:
    script = tmp_path / "x.sh"
    script.write_text("#!/bin/bash\nrm -rf $1/*\n")
    assert lint("shellcheck", str(script)).returncode != 0


def stage(text: str, name: str) -> str:
    """The instructions of one build stage."""
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found.group(1)


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_image_runs_unprivileged_under_its_entry_point(docker: Path, target: str) -> None:
    text = (docker / "Dockerfile").read_text()
    final = stage(text, target)
    assert re.search(r"^ARG UID=1000\nUSER \$UID\s*\Z", final, re.MULTILINE)
    assert f"COPY --from=dependencies-{target} /opt/almsweep /opt/almsweep" in final
    assert re.search(rf"^FROM runtime AS {target}$", text, re.MULTILINE)
    runtime = stage(text, "runtime")
    assert 'ENTRYPOINT ["tini", "--", "almsweep-entrypoint"]' in runtime
    assert "HEALTHCHECK" in runtime
    assert "RAY_AUTH_MODE=token" in runtime


def test_image_holds_no_secret_and_only_locked_packages(docker: Path) -> None:
    text = (docker / "Dockerfile").read_text()
    assert not re.search(r"(?i)(password|secret|token_path|auth_token)", text)
    installs = re.findall(r"pip install (.*)$", text, re.MULTILINE)
    assert len(installs) == 5
    for install in installs:
        assert "--no-deps" in install
        assert "--require-hashes" in install or "--no-index" in install or "requirements-cpu.txt" in install


def test_everything_fetched_can_come_from_elsewhere(docker: Path) -> None:
    text = (docker / "Dockerfile").read_text()
    assert "# syntax=" not in text, "a registry would be asked for it"
    given = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", text, re.MULTILINE)
    assert given is not None
    images = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert images - stages == {"${PYTHON_IMAGE}"}
    assert "ARG PIP_INDEX_URL" in stage(text, "dependencies")
    assert '--index-url "$CPU_INDEX"' in stage(text, "dependencies-cpu")
    assert "$DEBIAN_MIRROR" in stage(text, "runtime")


def test_debian_mirror_takes_the_place_of_debians_servers(docker: Path, tmp_path: Path) -> None:
    text = (docker / "Dockerfile").read_text()
    (program,) = re.findall(r'sed -i -E "(.*)" \{\}', text)
    program = program.replace("$DEBIAN_MIRROR", "http://mirror.local:8080/d")
    sources = tmp_path / "debian.sources"
    sources.write_text(
        "URIs: http://deb.debian.org/debian\nURIs: http://deb.debian.org/debian-security\n"
        "deb https://security.debian.org/debian-security bookworm-security main\n"
    )
    subprocess.run(["sed", "-i", "-E", program, str(sources)], check=True, timeout=PATIENCE)
    assert sources.read_text() == (
        "URIs: http://mirror.local:8080/d/debian\nURIs: http://mirror.local:8080/d/debian-security\n"
        "deb http://mirror.local:8080/d/debian-security bookworm-security main\n"
    )


def test_build_context_has_what_is_copied_and_nothing_else(docker: Path) -> None:
    root = docker.parent
    lines = (docker / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    copies = re.findall(r"^COPY (?!--from)(.*)$", (docker / "Dockerfile").read_text(), re.MULTILINE)
    sources = [word for copy in copies for word in copy.split()[:-1] if not word.startswith("--")]
    assert len(sources) >= 10
    for source in sources:
        assert (root / source).exists(), source
        assert any(fnmatch(source, rule) for rule in allowed), source
    for rule in allowed:
        assert any(fnmatch(source, rule) for source in sources), rule
