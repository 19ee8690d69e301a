"""`docs/cluster.md` names the files and variables that there are."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_variable_and_file_is_documented(docker: Path) -> None:
    page = (docker.parent / "docs" / "cluster.md").read_text()
    sources = [*docker.glob("*.sh"), *docker.glob("compose*.yaml")]
    used = {name for path in sources for name in re.findall(r"\bALMSWEEP_[A-Z_]+\b", path.read_text())}
    # Set by our own files for the package, whose own documentation has them.
    used -= {"ALMSWEEP_OUTPUT", "ALMSWEEP_DATA"}
    assert len(used) > 12
    assert sorted(name for name in used if name not in page) == []
    package = {
        name
        for path in (docker.parent / "trainer").rglob("*.py")
        for name in re.findall(r'"(ALMSWEEP_[A-Z_]+)"', path.read_text())
    }
    assert sorted(set(re.findall(r"\bALMSWEEP_[A-Z_]+\b", page)) - used - package) == []


def test_documented_files_exist(docker: Path) -> None:
    page = (docker.parent / "docs" / "cluster.md").read_text()
    named = set(re.findall(r"\b(?:docker|tests)/[\w./-]+\.\w+", page))
    assert len(named) > 10
    assert sorted(name for name in named if not (docker.parent / name).exists()) == []
