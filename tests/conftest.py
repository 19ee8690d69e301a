"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.groups import GROUPS
from tests.processes import PATIENCE
from tests.s3_server import S3Server
from trainer.store import Retry, Store

# A slow machine is no failure; the same examples on every run.
hypothesis.settings.register_profile("almsweep", deadline=None, derandomize=True)
hypothesis.settings.load_profile("almsweep")

ROOT = Path(__file__).parent.parent
# A package of its own, which is not installed beside ours.
collect_ignore = ["plugin"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadscope` a file's tests stay in one process, as they share servers; faults do not."""
    from xdist.scheduler import LoadScopeScheduling

    class FilesTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return nodeid if file.endswith("test_fault_matrix.py") else file

    return FilesTogether(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_configure(config: pytest.Config) -> None:
    """The same kernels on every machine, a thread per process, no GPU unless by `-m gpu`; Ctrl-C is heard.

    This comes before torch is imported, and holds in the processes that a test starts. A run in the
    background may have inherited a deaf ear for Ctrl-C, and so would all that it starts.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    if not config.option.markexpr.startswith("gpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of a group is slow; a group that nobody runs is a mistake."""
    for item in items:
        for mark in item.iter_markers("group"):
            if mark.kwargs.get("name") not in GROUPS:
                raise pytest.UsageError(
                    f"{item.nodeid}: expected a group of {', '.join(GROUPS)}, given {mark.kwargs}"
                )
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's cache of prepared data, nor does a process that one starts."""
    os.environ["ALMSWEEP_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real images (cifar10, cifar100, breastmnist); the test skips where there is none."""
    folder = os.environ.get("ALMSWEEP_TEST_DATA")
    if not folder:
        pytest.skip("needs real images: ALMSWEEP_TEST_DATA is not set")
    return Path(folder)


@pytest.fixture
def almsweep() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process of its own: `almsweep("plan", "demo")`."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sweeps.cli", *map(str, arguments)]
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        environment.update(options.pop("env", {}))  # type: ignore[arg-type]
        timeout = options.pop("timeout", PATIENCE)
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            timeout=timeout,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return run


@pytest.fixture
def cli() -> Callable[..., Result]:
    """The command line in this process: `cli("plan", "demo")`, for what trains and starts nothing."""
    from sweeps.cli.main import app

    def invoke(*arguments: object) -> Result:
        return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, [*map(str, arguments)])

    return invoke


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[S3Server]:
    pytest.importorskip("moto.server", reason="needs an S3 server: pip install 'moto[server]'")
    described = S3Server()
    server = described.start()
    yield described
    server.shutdown()
    server.server_close()


@pytest.fixture
def s3(_s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A real S3 server on loopback, told to this process and those it starts by the usual variables."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", _s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _s3_server.requests.clear()
    yield _s3_server
    _s3_server.fault = None


@pytest.fixture
def s3_uri(s3: S3Server) -> str:
    """A URI in a new bucket of the S3 server."""
    import boto3

    bucket = f"sweeps-{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    s3.requests.clear()
    return f"s3://{bucket}/output"


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A result store on a local disk and on object storage; what fails is repeated without long waits."""
    uri = tmp_path / "output" if request.param == "local" else request.getfixturevalue("s3_uri")
    return Store(uri, retry=Retry(tries=3, seconds=0.3))
