"""Text of users stays text: in shells, in SQL, in Markdown, LaTeX and CSV, in pictures and in JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from analysis.pictures import write_figures
from analysis.tables import write_tables
from search_spaces.config import Binary, ImageFolder, TrialConfig
from search_spaces.labels import block_label
from sweeps.cli.cluster_commands import entrypoint
from sweeps.cli.main import app
from sweeps.cluster.jobs import SweepJobs
from sweeps.tracking.connection import import_mlflow
from sweeps.tracking.reconcile import ReconcileCounts, reconcile
from tests.processes import PATIENCE
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

# A table's label names the first two classes of a role.
LABELS = (
    r"\input{/etc/passwd}\write18{touch ran}$x_1^2$ %",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE runs; --",
    "a|b\n| c | d |\n\n# title [link](javascript:alert(1))",
    "$(touch ran) `touch ran`; touch ran && touch ran",
    "\x1b]0;title\x07\x1b[2J\u202e",
    "-1+1@SUM(A1)",
)


def hostile_trial() -> TrialConfig:
    """A trial on a user's own images, whose class labels are hostile."""
    plain = synthetic.trials(seeds=(1, 2))[1]
    source = ImageFolder(folder="scans", size=8, channels=1)
    data = Binary(source=source, negative=LABELS[:4], positive=LABELS[4:], imbalance_ratio=10)
    return plain.model_copy(update={"data": data})


def with_other_classes(trial: TrialConfig) -> TrialConfig:
    """A trial from which the first is told apart by all classes' labels."""
    roles = {"negative": (*trial.data.labels[:4], "a"), "positive": (*trial.data.labels[4:], "b")}
    return trial.model_copy(update={"data": trial.data.model_copy(update=roles)})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A finished sweep of such a trial; one replicate tells a hostile reason for its end."""
    made, config = Store(tmp_path / "output"), hostile_trial()
    synthetic.write_sweep(made, [config])
    synthetic.write_replicate(made, config, 1)
    made.notes.write_failure(config.trial_id, synthetic.failure(" ".join(LABELS)))
    return made


def test_tables_hold_no_live_text(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    synthetic.write_sweep(store, [hostile_trial(), with_other_classes(hostile_trial())])
    written = write_tables(store, store.read_sweep("demo"), folder)
    write_figures(written, tmp_path / "figures")
    kinds = {path.stem.partition("-")[0] for path in (tmp_path / "figures").glob("*.png")}
    assert {"table", "roc", "epochs"} <= kinds
    for path in (*folder.glob("*.csv"), *(tmp_path / "figures").glob("*.csv")):
        for row in csv.reader(io.StringIO(path.read_text())):
            assert not [cell for cell in row if re.match(r"[=+@\t\r]|-(?!\d)", cell)]
    markdown, latex = ((folder / name).read_text() for name in ("best.md", "best.tex"))
    assert "script" in markdown, "the label is in the table"
    assert "<" not in re.sub(r"&lt;", "", markdown)
    assert "](" not in markdown.replace("\\](", "").replace("\\]\\(", "")
    assert not re.search(r"(?m)^(# title|\| c)", markdown)
    for command in ("input", "write"):
        assert command in latex, "the label is in the table"
        assert f"\\{command}" not in latex
    for text in (markdown, latex, written.text, (folder / "best.csv").read_text()):
        assert "\x1b" not in text
        assert "\u202e" not in text
    cell, _ = json.loads((folder / "provenance.json").read_text())["cells"]
    assert cell["data"]["negative"][:4] == [*LABELS[:4]]


def test_latex_of_a_hostile_sweep_is_balanced(store: Store, tmp_path: Path) -> None:
    latex = write_tables(store, store.read_sweep("demo"), tmp_path).latex
    depth = 0
    for brace in re.findall(r"(?<!\\)(?:\\\\)*([{}])", latex):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert latex.count(r"\begin{") == latex.count(r"\end{")


def test_mlflow_keeps_hostile_text_as_it_is(store: Store) -> None:
    config = hostile_trial()
    assert reconcile(store, store.read_sweep("demo")) == ReconcileCounts(created=1)
    client = import_mlflow().MlflowClient(f"sqlite:///{store.storage.root}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    assert run.info.run_name.endswith(block_label(config.data))
    assert json.loads(run.data.params["data.negative"]) == [*LABELS[:4]]
    assert "DROP TABLE" in run.data.tags["reason"]
    assert reconcile(store, store.read_sweep("demo")) == ReconcileCounts(unchanged=1)
    client._tracking_client.store.engine.dispose()


@pytest.mark.parametrize("far", [True, False])
def test_a_job_s_command_passes_every_argument_whole(
    far: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of a Ray job goes through a shell on the head."""
    hostile = [label.replace("\x00", "") for label in LABELS]
    folder = tmp_path / "a b;touch ran"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    fake = tmp_path / "python"
    fake.write_text(
        f"#!{os.path.realpath('/proc/self/exe')}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"
    )
    fake.chmod(0o755)
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    for value in hostile:
        given = [value if not value.startswith("-") else f"./{value}", "--output", value, "--rule", value]
        context = command.make_context("run", [*given, "--job"])
        text = entrypoint(context, far=far)
        done = subprocess.run(
            ["bash", "-c", text],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        assert json.loads(done.stdout) == ["-m", "sweeps.cli", "run", *given]
    assert not list(tmp_path.rglob("ran"))


def test_a_job_s_id_is_plain() -> None:
    taken: list[str] = []
    jobs = SweepJobs.__new__(SweepJobs)
    jobs._client = SimpleNamespace(submit_job=lambda **given: taken.append(given["submission_id"]))
    for label in LABELS:
        assert re.fullmatch(r"almsweep-[A-Za-z0-9_-]+", jobs.submit("true", label))
    assert len(taken) == len(LABELS)


@pytest.mark.parametrize("value", [*LABELS, "a b", "'", '"', "$HOME"])
def test_the_hosts_environment_file_holds_values_as_they_are(value: str, tmp_path: Path) -> None:
    """setup-node.sh writes options into a file that every shell of the host reads."""
    script = (Path(__file__).resolve().parents[2] / "docker" / "setup-node.sh").read_text()
    begin, end = script.index("{\n  echo"), script.index('>"$base/environment"')
    block = script[begin:end].replace("$stage/COMMIT", "/dev/null") + '>"$base/environment"'
    assignments = (
        'base=$1 output=$2 data=$2 gpus=$2 tracking=$2 stage=$1\n. /dev/stdin <<"X"\n' + block + "\nX\n"
    )
    check = '. "$base/environment"; printf %s "$ALMSWEEP_OUTPUT"'
    clean = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-euc", assignments + check, "bash", str(tmp_path), value],
        env=clean,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == value
    assert not (tmp_path / "ran").exists()
