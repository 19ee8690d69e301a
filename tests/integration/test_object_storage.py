"""The command line on object storage: train, status and tables, from and to an S3 server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from typer.testing import CliRunner

from search_spaces.config import Bce, SymmetricMargin, TrialConfig
from search_spaces.presets import preset
from sweeps.cli.main import app
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest
from trainer.trial import run_trial

CPU = torch.device("cpu")


def test_tables_from_object_storage_are_those_from_a_disk(
    s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**preset("digits", 20), "epochs": 2, "seeds": (1, 2)}
    trials = tuple(
        TrialConfig.model_validate({**fields, "loss": loss}) for loss in (Bce(), SymmetricMargin(margin=1.0))
    )
    for store in (Store(s3_uri), Store(tmp_path / "disk")):
        store.write_sweep(SweepManifest("small", trials))
        for config in trials:
            run_trial(config, store, CPU, TrialOptions())
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for output in (s3_uri, str(tmp_path / "disk")):
        told = CliRunner().invoke(app, ["tables", "small", "--output", output])
        assert told.exit_code == 0, told.output
    there, here = tmp_path / "work" / "tables" / "small", tmp_path / "disk" / "tables" / "small"
    tables = sorted(path.name for path in here.iterdir() if path.suffix in (".csv", ".md", ".tex"))
    assert len(tables) >= 3
    for name in tables:
        assert (there / name).read_bytes() == (here / name).read_bytes()
    told = CliRunner().invoke(app, ["status", "--output", s3_uri])
    assert told.exit_code == 0, told.output
    assert "small" in told.output


def test_a_missing_bucket_ends_with_a_line_and_code_3(
    s3: object, almsweep: Callable[..., CompletedProcess[str]]
) -> None:
    told = almsweep("status", "--output", "s3://no-such-bucket/x")
    assert told.returncode == 3
    assert "almsweep: error: s3://no-such-bucket/x: no such bucket" in told.stderr
    assert "Traceback" not in told.stderr
