"""Where artifacts go: below the output folder, through MLflow, and never where only a server says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps.tracking.artifacts import ArtifactPlace

TEXTS = {"replicates.json": "{}", "roc.svg": "<svg/>"}


class Client:
    """Keeps what is uploaded."""

    def __init__(self, uri: str = "http://127.0.0.1:5000") -> None:
        self.tracking_uri = uri
        self.uploaded: list[set[str]] = []

    def log_artifacts(self, run_id: str, folder: str) -> None:
        self.uploaded.append({path.name for path in Path(folder).iterdir()})


def test_artifacts_of_an_output_folder_lie_in_it(tmp_path: Path) -> None:
    place, client = ArtifactPlace(root=str(tmp_path)), Client()
    uri = (tmp_path / "mlartifacts" / "run" / "artifacts").as_uri()
    assert not place.stand(uri)
    place.write(client, "run", uri, TEXTS)
    folder = tmp_path / "mlartifacts" / "run" / "artifacts"
    assert {path.name: path.read_text() for path in folder.iterdir()} == TEXTS
    assert place.stand(uri)
    assert client.uploaded == []


@pytest.mark.parametrize("uri", ["{}/victim", "file://{}/victim", "file://localhost{}/victim", "victim"])
def test_a_server_makes_nobody_write_to_a_folder_here(
    uri: str, tmp_path: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    client = Client(f"http://server/{tmp_path.name}")
    ArtifactPlace(is_server=True).write(client, "run", uri.format(tmp_path), TEXTS)
    assert client.uploaded == []
    assert list(tmp_path.iterdir()) == []
    assert "--serve-artifacts" in caplog.text


@pytest.mark.parametrize("uri", ["mlflow-artifacts:/1/run/artifacts", "s3://bucket/1/run/artifacts"])
def test_a_server_s_own_place_is_written_through_mlflow(uri: str) -> None:
    client = Client()
    ArtifactPlace(is_server=True).write(client, "run", uri, TEXTS)
    assert client.uploaded == [set(TEXTS)]


def test_a_link_in_the_place_of_artifacts_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    output = tmp_path / "output"
    output.mkdir()
    (output / "mlartifacts").symlink_to(tmp_path / "elsewhere")
    uri = (output / "mlartifacts" / "run" / "artifacts").as_uri()
    with pytest.raises(OSError, match="found a link"):
        ArtifactPlace(root=str(output)).write(Client(), "run", uri, TEXTS)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_database_s_folder_elsewhere_is_left_to_mlflow(tmp_path: Path) -> None:
    client = Client("sqlite:///x.db")
    ArtifactPlace(root=str(tmp_path)).write(client, "run", "file:///elsewhere/run", TEXTS)
    assert client.uploaded == [set(TEXTS)]
