"""Where every number of the tables comes from."""

import json
from pathlib import Path

from analysis.tables import write_tables
from search_spaces.config import TrialConfig
from tests.analysis.stored_sweep import SweepBuilder


def test_provenance_says_where_every_number_comes_from(golden: SweepBuilder, tmp_path: Path) -> None:
    made = write_tables(golden.store, golden.manifest(), tmp_path)
    content = json.loads((tmp_path / "provenance.json").read_text())
    assert (content["schema"], content["rule"]["name"]) == (1, "ensemble-val-auroc")
    assert content["commits"] == ["c" * 40]
    assert len(content["cells"]) == len(made.frame)
    entry = next(c for c in content["cells"] if c["row"] == "S-LM")
    assert entry["decided_by"] == "rule value: 0.835 against 0.66, a lead of 0.175"
    assert len(entry["candidates"]) == 2
    done = golden.store.replicates.ended(entry["chosen"])
    assert TrialConfig.model_validate_json(json.dumps(entry["config"])).trial_id == entry["chosen"]
    for replicate in entry["replicates"]:
        stored = done[replicate["seed"]]
        assert replicate["attempt"] == stored.attempt
        assert (replicate["device"], replicate["threads"]) == ("cpu (x86_64)", 1)
        assert replicate["scores_sha256"] == stored.files["scores"].sha256
    assert entry["data_sha256"] == ["d" * 64]
    assert entry["versions"]["torch"] == ["2.13.0"]
    missing = next(c for c in content["cells"] if c["row"] == "CB-BCE")
    assert missing["chosen"] is None
    assert missing["test"] is None
