"""Storage that is full or fails in the middle of a sweep: a small file system, and an S3 server."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.faults.play import Played, Unavailable, expect, relaunch
from tests.integration.faults.scene import Scene
from tests.s3_server import SLOW_DOWN, S3Server

TMPFS_BYTES = 32 * 1024**2
OUTAGE_SECONDS = 20.0
QUICK_RETRY = {"ALMSWEEP_STORE_RETRY_SECONDS": "4"}


@contextmanager
def tmpfs(folder: Path) -> Iterator[Scene]:
    """A scene whose results lie on a small file system of their own."""
    with TemporaryDirectory(prefix="almsweep-tmpfs-") as mounted:
        command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", mounted]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise Unavailable("needs the command mount") from error
        if done.returncode != 0:
            raise Unavailable(f"needs the right to mount a tmpfs: {done.stderr.strip()}")
        try:
            yield Scene(folder, output=f"{mounted}/output")
        finally:
            subprocess.run(["umount", "--lazy", mounted], check=True)


def _fill(output: str) -> Path:
    """Take all the space that is left on the file system."""
    ballast = Path(output).parent / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        for size in (1024**2, 4096, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue
    return ballast


def disk_full_for_a_while(scene: Scene) -> Played:
    with scene.driver() as driver:
        scene.wait_for_middle(driver)
        before = scene.attempts()
        ballast = _fill(scene.output)
        time.sleep(OUTAGE_SECONDS)
        ballast.unlink()
        expect(scene.wait(driver), 0)
    return Played("waited and went on", before)


def disk_full_for_good(scene: Scene) -> Played:
    scene.environment.update(QUICK_RETRY)
    with scene.driver() as driver:
        scene.wait_for_middle(driver)
        before = scene.attempts()
        ballast = _fill(scene.output)
        ended = scene.wait(driver)
    if ended.code not in (1, 3) or "No space left on device" not in ended.text:
        raise RuntimeError(f"expected the reason and code 1 or 3, found {ended.code}:\n{ended.text[-4000:]}")
    if 'driver.py", line' in ended.text:
        raise RuntimeError(f"the command line ended with a traceback:\n{ended.text[-4000:]}")
    done = scene.states()["done"]
    ballast.unlink()
    relaunch(scene)
    return Played(f"ended with {done} done, the reason, code {ended.code}; space freed, relaunched", before)


@contextmanager
def bucket(folder: Path) -> Iterator[Scene]:
    """A scene whose results lie in a bucket of an S3 server on loopback."""
    try:
        import boto3
        import moto.server  # noqa: F401
    except ImportError as error:
        raise Unavailable("needs an S3 server: pip install 'moto[server]'") from error
    described = S3Server()
    server = described.start()
    settings = {
        "AWS_ENDPOINT_URL": described.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    former = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        boto3.client("s3").create_bucket(Bucket="faults")
        scene = BucketScene(folder, output="s3://faults/output")
        scene.server = described
        scene.tracking_uri = f"sqlite:///{folder / 'mlflow.db'}"
        yield scene
    finally:
        server.shutdown()
        server.server_close()
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class BucketScene(Scene):
    """A scene with the server of its bucket."""

    server: S3Server


def bucket_fails_for_a_while(scene: Scene) -> Played:
    assert isinstance(scene, BucketScene)
    with scene.driver() as driver:
        scene.wait_for_middle(driver)
        before = scene.attempts()
        scene.server.fault = lambda method, path: SLOW_DOWN
        time.sleep(OUTAGE_SECONDS)
        scene.server.fault = None
        expect(scene.wait(driver), 0)
    return Played("waited and went on", before)
