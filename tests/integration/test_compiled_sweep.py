"""`--compile` from the command line to the trials' processes, and what is left behind there."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainer.store import Store

pytestmark = [
    pytest.mark.group(name="compiled"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs the C++ compiler g++"),
]

SPACE = """
name: compiled
fixed: {dataset: digits, ratio: 20, loss: baseline_BCE, epochs: 2, seeds: [1]}
grid: {alm: [none, ALM_14_beg]}
"""

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, with a path short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="c-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def test_trials_of_a_sweep_are_compiled_in_the_users_cache(
    almsweep: Cli, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, output, cache = (tmp_path / name for name in ("space.yaml", "output", "cache"))
    space.write_text(SPACE)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)  # torch itself sets it, in this process too
    environment = {"ALMSWEEP_CACHE": str(cache), "TMPDIR": str(temporary)}

    def run(*options: object, **variables: str) -> subprocess.CompletedProcess[str]:
        command = ("run", space, "--output", output, "--no-tracking", "--yes", *options)
        return almsweep(*command, env={**environment, **variables})

    refused = run("--compile", CXX="no-such-compiler")
    assert refused.returncode == 2
    assert "--compile: expected the C++ compiler no-such-compiler" in refused.stderr
    done = run("--compile", "--max-concurrent", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(output)
    results = [
        store.replicates.read_result(one)
        for t in store.trial_ids()
        for one in store.replicates.ended(t).values()
    ]
    assert [result["compiled"] for result in results] == [True, True]
    assert list((cache / "compiled").rglob("*.so"))
    assert [p for p in temporary.rglob("torchinductor*/**/*") if p.is_file()] == []
