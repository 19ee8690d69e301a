"""Selection rules by name: what each goes by, which is a short name for which, and the oracle apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve
from typer.testing import Result

from analysis.select import check_rule, rule_of
from analysis.tables import make_tables
from search_spaces.config import DEFAULT_TARGETS, MultiClass, SymmetricMargin, Targets, TrialConfig
from search_spaces.errors import InputError
from tests.analysis.stored_sweep import CIFAR, LONG_TAIL, SweepBuilder, score_table, trial
from trainer.store import SweepManifest

SHIFTS = {0.5: (1.0, 0.2), 1.0: (0.9, 1.4), 2.0: (1.1, 0.6), 4.0: (0.8, 2.0)}  # by margin: val, test


def candidates(builder: SweepBuilder) -> list[TrialConfig]:
    """Four trials of one cell, of which validation and test prefer different ones."""
    made = []
    for margin, (val, test) in SHIFTS.items():
        made.append(builder.complete(trial(SymmetricMargin(margin=margin)), f"m{margin}", val, test))
    return made


def outputs(config: TrialConfig, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets and ensemble scores as they were written."""
    margin = config.loss.margin  # type: ignore[attr-defined]
    val, test = SHIFTS[margin]
    tables = [score_table(f"m{margin}", s, {"val": val, "test": test}).to_pandas() for s in config.seeds]
    parts = [table[table["split"] == split] for table in tables]
    return parts[0]["target"].to_numpy(), np.mean([part["score"] for part in parts], axis=0)


def partial(targets: np.ndarray, scores: np.ndarray) -> float:
    fprs, tprs, _ = roc_curve(targets, scores, drop_intermediate=False)
    grid = (np.arange(100_000) + 0.5) / 100_000
    return float(np.mean(np.maximum(np.interp(grid, fprs, tprs) - 0.9, 0)))


def fpr_at(targets: np.ndarray, scores: np.ndarray, rate: float) -> float:
    fprs, tprs, _ = roc_curve(targets, scores, drop_intermediate=False)
    return float(min(fprs[tprs >= rate]))


@pytest.mark.parametrize("name", ["steering", "partial_auc", "val_fpr_at_tpr_80", "oracle"])
def test_each_rule_chooses_by_what_it_names(builder: SweepBuilder, name: str) -> None:
    configs = candidates(builder)
    (cell,) = make_tables(builder.store, builder.manifest(), rule=name, draws=0).cells
    split = "test" if name == "oracle" else "val"
    gains = []
    for config in configs:
        targets, scores = outputs(config, split)
        value = {
            "partial_auc": partial,
            "val_fpr_at_tpr_80": lambda t, s: -fpr_at(t, s, 0.8),
        }.get(name, roc_auc_score)(targets, scores)
        gains.append((value, roc_auc_score(targets, scores), config.trial_id))
    assert cell.chosen_id == max(gains, key=lambda gain: (gain[0], gain[1]))[2]
    if name == "steering":
        assert cell.rule == make_tables(builder.store, builder.manifest(), draws=0).cells[0].rule


def test_the_oracle_says_so_wherever_it_prints_and_takes_no_tables_place(
    cli: Callable[..., Result], builder: SweepBuilder
) -> None:
    configs = candidates(builder)
    builder.store.write_sweep(builder.manifest())
    tables = builder.folder / "tables" / "golden"
    assert cli("tables", "golden", "--output", builder.folder).exit_code == 0
    before = (tables / "best.csv").read_bytes()
    done = cli("tables", "golden", "--output", builder.folder, "--rule", "oracle")
    assert done.exit_code == 0, done.output
    assert "ORACLE, no result to take" in done.stdout
    assert "S-LM (oracle)" in done.stdout
    assert "Val." not in done.stdout.splitlines()[2:6]
    assert (tables / "best.csv").read_bytes() == before
    for name in ("best.csv", "best.md", "best.tex", "operating_points.md", "calibration.md"):
        assert "oracle" in (tables / "oracle" / name).read_text(), name
    row = pd.read_csv(tables / "oracle" / "best.csv").iloc[0]
    assert row["trial_id"] == configs[-1].trial_id
    assert row["rule"] == "oracle"
    assert row["val_auroc"] == pytest.approx(roc_auc_score(*outputs(configs[-1], "val")))
    told = cli("explain", "golden", "--output", builder.folder, "--rule", "oracle")
    assert told.exit_code == 0, told.output
    assert f"1. {configs[-1].trial_id}" in told.stdout
    assert "validation value" not in told.stdout


def test_the_oracle_is_refused_where_a_choice_is_kept(cli: Callable[..., Result], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a rule that reads validation alone"):
        check_rule("oracle", [CIFAR], DEFAULT_TARGETS)
    done = cli("run", "demo", "--output", tmp_path, "--rule", "oracle", "--yes")
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "trials").exists()


def test_short_names_of_several_classes() -> None:
    one = MultiClass(**{**dict(LONG_TAIL), "critical": (9,)})
    assert rule_of(one, "val_fpr_at_tpr_98", DEFAULT_TARGETS).metric.name == "fpr_at_tpr_98/9"
    two = rule_of(LONG_TAIL, "val_fpr_at_tpr_95/8", DEFAULT_TARGETS)
    assert two.metric.name == "fpr_at_tpr_95/8"
    with pytest.raises(InputError, match="val_fpr_at_tpr_98/8"):
        rule_of(LONG_TAIL, "val_fpr_at_tpr_98", DEFAULT_TARGETS)
    assert rule_of(LONG_TAIL, "partial_auc", DEFAULT_TARGETS).metric.name == "critical_partial_auc_tpr_90"
    with pytest.raises(InputError, match="steering"):
        rule_of(CIFAR, "val_fpr_at_tpr_97", DEFAULT_TARGETS)
    assert rule_of(CIFAR, "val_fpr_at_tpr_97", Targets(tpr=(0.97,))).name == "ensemble-val-fpr97"


def test_a_choice_by_partial_area_is_corrected_too(builder: SweepBuilder) -> None:
    candidates(builder)
    made = make_tables(builder.store, builder.manifest(), rule="partial_auc", draws=500)
    row = made.frame.iloc[0]
    assert row["val_corrected"] < row["val_rule"]
    assert "Val. Partial AUC" in made.markdown


def test_test_scores_change_no_choice_but_the_oracles(builder: SweepBuilder, tmp_path: Path) -> None:
    """The same validation scores, test scores turned round: the oracle alone chooses another."""
    configs, turned = candidates(builder), SweepBuilder(tmp_path / "turned")
    for config in configs:
        turned.add(config)
        margin = config.loss.margin  # type: ignore[attr-defined]
        for seed in config.seeds:
            val, test = SHIFTS[margin]
            table = score_table(f"m{margin}", seed, {"val": val, "test": -test})
            turned.replicate(config, seed, table)
    for rule in ("steering", "partial_auc", "val_fpr_at_tpr_95", "oracle"):
        chosen = []
        for one in (builder, turned):
            manifest = SweepManifest("golden", tuple(configs))
            chosen.append(make_tables(one.store, manifest, rule=rule, draws=0).cells[0].chosen_id)
        assert (chosen[0] == chosen[1]) == (rule != "oracle"), rule


def test_where_no_epoch_is_chosen_is_told_beside_the_choice(builder: SweepBuilder) -> None:
    builder.complete(trial(SymmetricMargin(margin=0.5)), "best", 1.3, 1.0)
    builder.complete(trial(SymmetricMargin(margin=0.5), scored="last"), "last", 1.0, 1.0)
    made = make_tables(builder.store, builder.manifest(), draws=500)
    row = made.frame.iloc[0]
    assert row["val_scored_last"] < row["val_rule"]
    assert f"({row['val_corrected']:.4f}, last {row['val_scored_last']:.4f})" in made.markdown
    assert "behind last the value of the same configuration with scored: last" in made.markdown
