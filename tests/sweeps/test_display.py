"""What cannot be shown costs the display, never the work: full disks, readers gone, narrow encodings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
SPACE = (
    "fixed: {dataset: digits, ratio: 20, seeds: [1], loss: baseline_BCE, epochs: 1, model.width: 4, "
    "alm: ALM_16_beg, delta: 0.1}\n"
)


def run(
    *words: object,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
    encoding: str = "utf-8",
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, printing to these streams in this encoding."""
    command = [sys.executable, "-m", "sweeps.cli", *map(str, words)]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONIOENCODING": encoding}
    return subprocess.run(
        command, stdout=stdout, stderr=stderr, encoding=encoding, env=environment, check=False
    )


def printed(code: str, **environment: str) -> str:
    """What lines of Python print in a process that has the command line's streams."""
    lines = f"from sweeps.cli.display import open_streams; open_streams()\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", lines],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a finished sweep."""
    store = Store(tmp_path_factory.mktemp("output"))
    synthetic.write_sweep(store, synthetic.trials())
    for trial in synthetic.trials():
        synthetic.write_trial(store, trial)
    return Path(store.uri)


@needs_full
def test_a_full_disk_is_one_line_and_the_tables_are_written(output: Path) -> None:
    with FULL.open("w") as full:
        done = run("tables", output, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "almsweep: error: standard output could not be written: No space left on device\n"
    assert (output / "tables" / "demo" / "best.csv").exists()


def test_a_reader_that_leaves_is_no_error(output: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run("status", "-o", output, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_table_in_ascii(output: Path) -> None:
    done = run("tables", output, encoding="ascii")
    assert done.returncode == 0, done.stderr
    assert "delta" in done.stdout
    assert "\\u" not in done.stdout


@needs_full
@pytest.mark.slow
@pytest.mark.parametrize("streams", ["full", "closed"])
def test_a_training_needs_no_stream(streams: str, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(SPACE)
    redirected = {"full": f">{FULL} 2>{FULL}", "closed": "<&- >&- 2>&-"}[streams]
    words = f'train "{tmp_path}/one.yaml" --trial 1 -o "{tmp_path}/output"'
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m sweeps.cli {words} {redirected}'], check=False
    )
    assert done.returncode == 0
    assert list(tmp_path.glob("output/trials/*/replicates/1/DONE"))


def test_signs_that_an_encoding_lacks_stand_by_others() -> None:
    shown = printed(r"print('1.2 \u00b1 0.1 \u00b7 \u03b4=0.5 \u80ba \udcff')", PYTHONIOENCODING="ascii")
    assert shown == "1.2 +- 0.1 - delta=0.5 \\u80ba \\udcff\n"


def test_a_closed_descriptor_is_given_to_no_file(tmp_path: Path) -> None:
    lines = "from sweeps.cli.display import open_streams; open_streams()"
    code = f"{lines}; import sys; print(open({str(tmp_path / 'file')!r}, 'w').fileno(), file=sys.stderr)"
    command = f'"{sys.executable}" -c "{code}" <&- >&-'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert int(done.stderr) > 2


def test_a_pipe_that_blocks_no_writer_is_waited_for() -> None:
    code = "import os; os.set_blocking(1, False)\nfor _ in range(4000): print('x' * 99)"
    assert printed(code) == ("x" * 99 + "\n") * 4000
