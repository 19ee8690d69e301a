"""`confirm`: winner and runner-up of each cell on fresh seeds, as a sweep of its own; the choice stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import Result

from analysis.confirmed import confirmed_frame
from analysis.tables import make_tables
from search_spaces.config import Bce, ConstraintConfig, SymmetricMargin, TrialConfig
from search_spaces.errors import InputError
from search_spaces.limits import MOST_REPLICATES
from sweeps.driver.confirming import confirming
from tests.analysis.stored_sweep import SweepBuilder, score_table, trial
from trainer.store import Store, SweepManifest

InProcess = Callable[..., Result]
SEEDS = (1, 2, 3)
FRESH = tuple(range(MOST_REPLICATES + 1, MOST_REPLICATES + 7))
WEAK, STRONG = ConstraintConfig(penalty=1e-6, margin=0.25), ConstraintConfig(penalty=1e-5, margin=1.0)


@pytest.fixture
def chosen(builder: SweepBuilder) -> SweepBuilder:
    """Rows S-LM, of three candidates, S-LM + ALM, of two, and BCE, of one; on three seeds."""
    for margin, val in ((0.5, 0.9), (1.0, 1.3), (2.0, 1.1)):
        builder.complete(trial(SymmetricMargin(margin=margin), seeds=SEEDS), f"m{margin}", val, 1.0)
    for name, constraint, val in (("weak", WEAK, 0.8), ("strong", STRONG, 1.2)):
        config = trial(SymmetricMargin(margin=0.5), constraint, seeds=SEEDS)
        builder.complete(config, name, val, 1.2)
    builder.complete(trial(Bce(), seeds=SEEDS), "bce", 1.0, 1.0)
    builder.store.write_sweep(builder.manifest("study"))
    return builder


@pytest.fixture
def builder(tmp_path: Path) -> SweepBuilder:
    return SweepBuilder(tmp_path / "store")


def train(builder: SweepBuilder, manifest: SweepManifest, shifts: dict[str, float]) -> None:
    """Write the fresh replicates, positives so far above the rest on validation and test, by trial."""
    for config in manifest.trials:
        for seed in config.seeds:
            shift = shifts.get(config.trial_id, 1.0)
            scores = score_table(config.trial_id, seed, {"val": shift, "test": shift})
            builder.replicate(config, seed, scores)


def ids(builder: SweepBuilder) -> dict[str, str]:
    """The trials by a name: m0.5, m1.0, m2.0, weak, strong, bce."""
    names = ("m0.5", "m1.0", "m2.0", "weak", "strong", "bce")
    return dict(zip(names, (config.trial_id for config in builder.trials), strict=True))


def test_winners_runners_up_and_baselines_on_fresh_seeds(chosen: SweepBuilder) -> None:
    found, by_name = confirming(chosen.store, chosen.manifest("study")), ids(chosen)
    manifest = found.manifest
    assert manifest.name == "study-confirm"
    expected = {by_name[name] for name in ("m1.0", "m2.0", "strong", "weak", "bce")}
    assert {config.trial_id for config in manifest.trials} == expected, "m0.5 came third"
    assert {config.seeds for config in manifest.trials} == {FRESH}, "at least six, none of 1 to 10,000"
    assert manifest.confirms is not None
    told = {(one.winner, one.runner_up) for one in manifest.confirms.cells}
    assert (by_name["m1.0"], by_name["m2.0"]) in told
    assert (by_name["bce"], None) in told
    assert found.lines == ()


def test_seeds_meet_none_of_a_trial_of_the_sweep_wanted_or_stored(chosen: SweepBuilder) -> None:
    """Of a sweep that names seeds beyond those that --replicates gives, and of one that was stored for it."""
    far = [replace_seeds(config, (FRESH[0], FRESH[2])) for config in chosen.trials]
    loser = chosen.trials[0]
    chosen.replicate(loser, FRESH[4], score_table("x", 1, {"val": 1, "test": 1}))
    for config in far:
        for seed in config.seeds:
            chosen.replicate(config, seed, score_table(config.trial_id, seed, {"val": 1, "test": 1}))
    manifest = SweepManifest("far", tuple(far))
    seeds = confirming(chosen.store, manifest, replicates=4).manifest.trials[0].seeds
    assert seeds == (FRESH[1], FRESH[3], FRESH[5], FRESH[5] + 1)


def replace_seeds(config: TrialConfig, seeds: tuple[int, ...]) -> TrialConfig:
    return config.model_copy(update={"seeds": seeds})


def test_a_runner_up_that_a_race_left_behind_is_told_so(builder: SweepBuilder) -> None:
    """By the command and the table; and fresh seeds are none that the race pruned."""
    seeds = (1, 2, 3, FRESH[0])
    builder.complete(trial(SymmetricMargin(margin=0.5), seeds=seeds), "winner", 1.3, 1.0)
    raced = builder.add(trial(SymmetricMargin(margin=1.0), seeds=seeds))
    for seed in seeds[:3]:
        builder.replicate(raced, seed, score_table("raced", seed, {"val": 1.0, "test": 1.0}))
    facts = {"pruned_by": "val/auroc", "raced_after": 3}
    builder.replicate(raced, FRESH[0], None, state="pruned", reason="race: behind", **facts)
    found = confirming(builder.store, builder.manifest("study"))
    (line,) = found.lines
    assert line.endswith(
        "the runner-up was left behind in a race after 3 replicates: it came second by these alone"
    )
    assert {config.seeds for config in found.manifest.trials} == {tuple(seed + 1 for seed in FRESH)}
    train(builder, found.manifest, {})
    builder.store.write_sweep(found.manifest)
    stored = builder.store.read_sweep("study-confirm")
    made = make_tables(builder.store, stored, draws=0)
    (confirmation,) = made.confirmed
    assert confirmation.runner_up is not None
    assert (confirmation.runner_up.trial_id, confirmation.raced_after) == (raced.trial_id, 3)
    notes = [fact for fact in made.document.facts if "a race had left the runner-up behind" in fact]
    assert len(notes) == 1
    assert set(confirmed_frame(made.confirmed)["raced_after"]) == {3}


def test_the_choice_stands_where_the_runner_up_now_leads(chosen: SweepBuilder) -> None:
    """And the confirmed sweep's own table keeps its seeds and its bytes."""
    by_name, before = ids(chosen), make_tables(chosen.store, chosen.manifest("study"), draws=200)
    manifest = confirming(chosen.store, chosen.manifest("study")).manifest
    train(chosen, manifest, {by_name["m1.0"]: 0.6, by_name["m2.0"]: 2.0, by_name["strong"]: 1.5})
    made = make_tables(chosen.store, manifest, draws=2000)
    rows = made.frame.set_index("row")
    assert rows.loc["S-LM", "trial_id"] == by_name["m1.0"]
    assert rows.loc["S-LM", "decided_by"] == "chosen in the sweep study"
    assert rows.loc["S-LM", "n"] == "n=6/6"
    told = {one.cell.row: one for one in made.confirmed}
    slm = told["S-LM"]
    assert slm.runner_up_leads
    assert not told["S-LM + ALM"].runner_up_leads
    assert told["BCE"].runner_up is None
    by_metric = {one.metric.name: one for one in slm.comparisons}
    areas = []
    for name in ("m1.0", "m2.0"):
        shift = {"m1.0": 0.6, "m2.0": 2.0}[name]
        tables = [score_table(by_name[name], s, {"val": shift, "test": shift}).to_pandas() for s in FRESH]
        tests = [table[table["split"] == "test"] for table in tables]
        areas.append(roc_auc_score(tests[0]["target"], sum(test["score"] for test in tests)))
    assert by_metric["auroc"].difference == pytest.approx(areas[0] - areas[1])
    assert by_metric["auroc"].mean_interval.high < 0, "over seeds and examples the runner-up is better"
    facts = " ".join(made.document.facts)
    assert "Confirms the choices of the sweep study on 6 fresh seeds, 10001, 10002" in facts
    assert "not for validation and test examples" in facts
    assert "The runner-up leads on validation in 1 of 2 cells" in facts
    assert "S-LM: the runner-up leads now, validation AUROC" in facts
    after = make_tables(chosen.store, chosen.manifest("study"), draws=200)
    assert after.markdown == before.markdown
    assert after.provenance == before.provenance


def test_the_command_goes_on_where_it_was_and_writes_the_comparison(
    chosen: SweepBuilder, cli: InProcess
) -> None:
    """Nothing is left to train, so nothing is started; the table and its exit code tell it."""
    by_name = ids(chosen)
    manifest = confirming(chosen.store, chosen.manifest("study")).manifest
    chosen.store.write_sweep(manifest)
    train(chosen, manifest, {by_name["m2.0"]: 2.0, by_name["strong"]: 1.5})
    done = cli("confirm", "study", "--output", chosen.folder, "--no-tracking")
    assert done.exit_code == 0, done.output
    assert "runner-up leads now" in done.stdout
    folder = chosen.folder / "tables" / "study-confirm"
    frame = pd.read_csv(folder / "confirmed.csv")
    leads = frame[frame["runner_up_leads"]]
    assert set(leads["winner"]) == {by_name["m1.0"]}
    assert "runner-up leads" in (folder / "confirmed.md").read_text()
    first = (folder / "confirmed.csv").read_bytes()
    assert cli("tables", "study-confirm", "--output", chosen.folder).exit_code == 0
    assert (folder / "confirmed.csv").read_bytes() == first
    again = cli("confirm", "study", "--output", chosen.folder, "--no-tracking", "--replicates", "4")
    assert again.exit_code == 0, again.output
    assert Store(chosen.folder).read_sweep("study-confirm").trials[0].seeds == FRESH[:4]


def test_known_choices_and_seeds_stay_when_the_sweep_chooses_otherwise(chosen: SweepBuilder) -> None:
    first = confirming(chosen.store, chosen.manifest("study")).manifest
    chosen.store.write_sweep(first)
    better = trial(SymmetricMargin(margin=4.0), seeds=SEEDS)
    chosen.complete(better, "m4", 3.0, 3.0)
    later = confirming(chosen.store, chosen.manifest("study"), replicates=8)
    assert "study would now choose otherwise in 1 cell" in later.lines[0]
    assert later.manifest.confirms == first.confirms
    seeds = later.manifest.trials[0].seeds
    assert seeds[:6] == FRESH
    assert len(seeds) == 8


def test_a_choice_leaves_with_its_runner_up(chosen: SweepBuilder) -> None:
    """Of a sweep without it the next candidate is the runner-up."""
    by_name = ids(chosen)
    chosen.store.write_sweep(confirming(chosen.store, chosen.manifest("study")).manifest)
    less = tuple(config for config in chosen.trials if config.trial_id != by_name["m2.0"])
    found = confirming(chosen.store, SweepManifest("study", less)).manifest
    assert found.confirms is not None
    told = {one.winner: one.runner_up for one in found.confirms.cells}
    assert told[by_name["m1.0"]] == by_name["m0.5"]
    assert by_name["m0.5"] in {config.trial_id for config in found.trials}


def test_a_cell_without_a_final_choice_is_left_out_and_comes_when_it_ended(chosen: SweepBuilder) -> None:
    waiting = chosen.add(trial(Bce(), WEAK, seeds=SEEDS))
    found = confirming(chosen.store, chosen.manifest("study"))
    assert "BCE + ALM: left out, its choice is not final" in found.lines[0]
    chosen.store.write_sweep(found.manifest)
    for seed in SEEDS:
        chosen.replicate(waiting, seed, score_table("bce-alm", seed, {"val": 1, "test": 1}))
    later = confirming(chosen.store, chosen.manifest("study"))
    assert later.lines == ()
    assert waiting.trial_id in {config.trial_id for config in later.manifest.trials}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("study", "--rule", "oracle"), "reads validation alone"),
        (("study-confirm",), "expected a sweep that chooses"),
        (("study", "--rule", "partial_auc"), "was chosen, given partial_auc"),
        (("empty",), "expected a cell whose choice is final"),
    ],
)
def test_what_cannot_be_confirmed_is_one_line(
    chosen: SweepBuilder, cli: InProcess, arguments: tuple[str, ...], expected: str
) -> None:
    chosen.store.write_sweep(confirming(chosen.store, chosen.manifest("study")).manifest)
    pending = trial(Bce(), STRONG, seeds=SEEDS)
    chosen.store.write_sweep(SweepManifest("empty", (pending,)))
    stored = sorted(path for path in chosen.folder.rglob("*"))
    done = cli("confirm", *arguments, "--output", chosen.folder)
    assert done.exit_code == 2, done.output
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path for path in chosen.folder.rglob("*")) == stored


def test_a_confirming_sweep_has_one_rule_and_its_own_seeds(chosen: SweepBuilder, cli: InProcess) -> None:
    manifest = confirming(chosen.store, chosen.manifest("study")).manifest
    chosen.store.write_sweep(manifest)
    assert chosen.store.read_sweep("study-confirm") == manifest
    with pytest.raises(InputError, match="by which study chose"):
        make_tables(chosen.store, manifest, rule="partial_auc")
    refused = cli("tables", "study-confirm", "--output", chosen.folder, "--replicates", "3")
    assert refused.exit_code == 2
    assert "confirm study" in refused.stderr
    other = replace(manifest, confirms=None)
    chosen.store.write_sweep(other)
    with pytest.raises(InputError, match="found another of that name"):
        confirming(chosen.store, chosen.manifest("study"))
