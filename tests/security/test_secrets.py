"""Secrets come from the environment or from files, and go nowhere: not to logs, results, MLflow or errors."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from search_spaces.errors import InputError
from search_spaces.redaction import has_credentials, redacted
from sweeps.cli.guard import ShownFilter
from sweeps.tracking.connection import checked_uri
from sweeps.tracking.ui import free_port
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "MLFLOW_TRACKING_PASSWORD": "tracking-4c1f0c7e",
    "AWS_SECRET_ACCESS_KEY": "aws/9d3b+27aa/5e",
    "AWS_SESSION_TOKEN": "session-55ab01c9",
    "RAY_AUTH_TOKEN": "a3f17c9b5d2e8f60a3f17c9b5d2e8f60",
    "PGPASSWORD": "postgres-77be21d0",
    "HF_TOKEN": "hf_b1946ac92492d234",
}
URI_PASSWORD = "uri:pass/word-e59f"
URIS = [
    "postgresql://me:{}@db/mlflow",
    "postgresql+psycopg2://me:{}@127.0.0.1:5432/mlflow?sslmode=require",
    "http://admin:{}@127.0.0.1:5000",
    "mysql+pymysql://:{}@db/x",
    "s3://AKIAIOSFODNN7:{}@bucket/folder",
    "https://{}@host/path",
]
QUERY_URIS = [
    "postgresql://db/mlflow?user=me&password={}",
    "mysql+pymysql://db/x?passwd={}",
    "http://host/x?token={}&a=1",
]


@pytest.mark.parametrize("uri", URIS)
@pytest.mark.parametrize("password", ["plain-1234", URI_PASSWORD, "p@ss@word", "per%2Fcent", "a:b:c", "üñí"])
@pytest.mark.parametrize("around", ["{}", "cannot reach '{}': refused", "[{}]\nand ({})", "x={}, y={}"])
def test_uris_are_shown_without_user_and_password(uri: str, password: str, around: str) -> None:
    full = uri.format(password)
    assert has_credentials(full)
    shown = redacted(around.replace("{}", full))
    assert password not in shown
    assert "AKIA" not in shown
    assert full.rpartition("@")[2].split("?")[0].split("/")[0] in shown, "the host stays"


@pytest.mark.parametrize("uri", QUERY_URIS)
def test_a_secret_in_the_query_counts_as_one(uri: str) -> None:
    full = uri.format("hunter22")
    assert has_credentials(full)
    assert "hunter22" not in redacted(full)
    assert not has_credentials("postgresql://db/mlflow?sslmode=require&user=me")


@pytest.mark.parametrize(
    "text",
    ["postgresql:///db?user=me&password=hunter22", "PGPASSWORD=hunter22", "?X-Amz-Signature=hunter22&a=1"],
)
def test_named_secrets_are_hidden(text: str) -> None:
    assert "hunter22" not in redacted(text)


def test_ordinary_text_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")  # too short to be told from a word
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/run/secrets/token")
    for text in (
        "test/auroc 0.5 at s3://bucket/folder",
        "read /run/secrets/token",
        "http://127.0.0.1:5000 and me@example.com",
        "val/auroc=0.5; epochs=3",
    ):
        assert redacted(text) == text


def test_values_of_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{URI_PASSWORD}@host")
    text = redacted(" | ".join([*SECRETS.values(), URI_PASSWORD]))
    assert not [value for value in (*SECRETS.values(), URI_PASSWORD) if value in text]


def test_log_records_are_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRETS["PGPASSWORD"])
    record = logging.LogRecord(
        "x", 30, "f", 1, "at %s: %s\x1b[2J", ("http://a:b@c", SECRETS["PGPASSWORD"]), None
    )
    assert ShownFilter().filter(record)
    assert record.getMessage() == "at http://c: [hidden]\N{REPLACEMENT CHARACTER}[2J"


@pytest.mark.parametrize("uri", ["s3://KEY:SECRETSECRET@b/x", "s3://KEY:SEC/RETSECRET@b/x", "gs://KEY@b/x"])
def test_a_store_with_credentials_in_its_uri_is_refused_unseen(uri: str) -> None:
    with pytest.raises(InputError, match="without credentials") as refused:
        Store(uri)
    assert "SECRETSECRET" not in str(refused.value)
    assert "RETSECRET" not in str(refused.value)
    assert "KEY:" not in str(refused.value)


def test_an_unknown_tracking_uri_is_shown_without_its_password() -> None:
    with pytest.raises(InputError) as refused:
        checked_uri(f"ftp://me:{URI_PASSWORD}@host/x")
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize("command", ["run", "reconcile", "retry", "ui"])
@pytest.mark.parametrize("uri", [URIS[0], QUERY_URIS[0]])
def test_a_password_on_the_command_line_is_refused_unseen(
    cli: Callable[..., Result], tmp_path: Path, command: str, uri: str
) -> None:
    """Every user of a machine can read the arguments of its processes, and Ray stores those of a job."""
    space = [] if command == "ui" else ["demo"]
    done = cli(command, *space, "--tracking-uri", uri.format(URI_PASSWORD), "--output", tmp_path / "output")
    assert done.exit_code == 2
    assert "expected a URI without user and password" in done.stderr
    assert "pass/word" not in done.output
    assert not (tmp_path / "output").exists()


def test_failures_are_stored_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRETS["PGPASSWORD"])
    store, config = Store(tmp_path), synthetic.trials()[0]
    store.notes.write_failure(
        config.trial_id, synthetic.failure(f"http://a:b@c refused {SECRETS['PGPASSWORD']}")
    )
    failure = store.notes.read_failure(config.trial_id)
    assert failure is not None
    assert failure["message"] == "http://c refused [hidden]"
    assert failure["traceback"][-1] == "RuntimeError: http://c refused [hidden]"
    assert failure["seeds"] == [1, 2, 3]


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Where Ray keeps its logs; its sockets need a short path."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def holders(folder: Path, secrets: list[bytes]) -> list[str]:
    """Files below a folder that hold one of the secrets, and their names with one in it."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        content = path.read_bytes() + str(path).encode()
        found += [f"{path}: {secret.decode()}" for secret in secrets if secret in content]
    return found


@pytest.mark.group(name="tracking")
def test_a_sweep_leaves_no_secret_anywhere(almsweep: Cli, tmp_path: Path, ray_folder: Path) -> None:
    """A trial fails with every secret in its error, and MLflow is away: the worst that a sweep can tell."""
    space, output = tmp_path / "leaky.yaml", tmp_path / "output"
    space.write_text(
        "fixed: {dataset: digits, ratio: 20, epochs: 2, seeds: [1], loss: baseline_BCE}\n"
        "grid: {alm: [none, ALM_14_beg], delta: [0.25]}\n"
    )
    environment = {**os.environ, **SECRETS, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(ray_folder)}
    environment |= {"RAY_AUTH_MODE": "token", "COLUMNS": "250", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    environment["MLFLOW_TRACKING_URI"] = f"http://admin:{URI_PASSWORD}@127.0.0.1:{free_port()}"
    script = Path(__file__).parent / "leaky_run.py"
    command = [sys.executable, script, "--verbose", "run", space, "--output", output]
    ran = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "now 1 done, 0 partial, 1 failed, 0 pending" in ran.stdout
    assert "only counted" in ran.stderr, "MLflow was missed"
    status = almsweep("status", "leaky", "--failed", "--output", output, env=SECRETS)
    assert "ConnectionError: nobody answers at http" in status.stdout
    level = almsweep("reconcile", "leaky", "--output", output, env={**SECRETS, "RAY_AUTH_MODE": "token"})
    assert level.returncode == 0, level.stderr
    secrets = [value.encode() for value in (*SECRETS.values(), URI_PASSWORD, "pass/word")]
    assert (output / "mlflow.db").exists()
    assert list(ray_folder.rglob("*.log"))
    assert holders(output, secrets) == []
    assert holders(ray_folder, secrets) == []
    said = "\n".join((ran.stdout, ran.stderr, status.stdout, status.stderr, level.stdout, level.stderr))
    assert [secret for secret in secrets if secret.decode() in said] == []


def test_the_search_for_secrets_finds_them(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"..." + SECRETS["PGPASSWORD"].encode())
    assert len(holders(tmp_path, [value.encode() for value in SECRETS.values()])) == 1
