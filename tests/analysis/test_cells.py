"""Cells of the tables: what is chosen, what is marked, and what is never bold."""

import pytest

from analysis.tables import make_tables
from search_spaces.config import FAMILIES, Bce, Ldam, Mbauc, SymmetricMargin
from search_spaces.errors import InputError
from tests.analysis.stored_sweep import (
    ALM,
    SweepBuilder,
    cell,
    permutation,
    score_table,
    trial,
    with_column,
)
from trainer.store import SweepManifest


def test_permuting_test_scores_changes_no_choice(golden: SweepBuilder) -> None:
    before = make_tables(golden.store, golden.manifest())
    for done in [d for seeds in golden.store.all_replicates().values() for d in seeds.values()]:
        if done.state == "completed":
            table = golden.store.replicates.read_scores(done)
            scores, splits = table.column("score").to_pylist(), table.column("split").to_pylist()
            places = [i for i, split in enumerate(splits) if split == "test"]
            for place, source in zip(places, permutation(len(places), done.trial_id), strict=True):
                scores[place] = table.column("score")[places[source]].as_py()
            config = next(t for t in golden.trials if t.trial_id == done.trial_id)
            golden.replicate(config, done.seed, with_column(table, "score", scores))
    after = make_tables(golden.store, golden.manifest())
    assert list(before.frame["trial_id"]) == list(after.frame["trial_id"])
    assert list(before.frame["auc"].dropna()) != list(after.frame["auc"].dropna())


def test_validation_decides_even_against_the_test_scores(builder: SweepBuilder) -> None:
    builder.complete(trial(SymmetricMargin(margin=0.5)), "a", 0.5, 3.0)
    good_on_validation = builder.complete(trial(SymmetricMargin(margin=2.0)), "b", 3.0, 0.5)
    made = make_tables(builder.store, builder.manifest())
    assert cell(made, "S-LM")["trial_id"] == good_on_validation.trial_id


def test_every_expected_cell_is_there_in_the_papers_order(builder: SweepBuilder) -> None:
    for constraint in (ALM, None):
        for loss in (Mbauc(), Ldam(), SymmetricMargin(margin=1.0), Bce()):
            builder.add(trial(loss, constraint))
    made = make_tables(builder.store, builder.manifest())
    rows = ["BCE", "S-LM", "LDAM", "MBAUC"]
    assert [r for r in FAMILIES if r in rows] == rows
    assert list(made.frame["row"]) == rows + [f"{r} + ALM" for r in rows]
    assert set(made.frame["n"]) == {"n=0/4"}
    assert made.frame["auc"].isna().all()
    assert made.markdown.count("missing") == 8
    assert "**" not in made.markdown


def test_incomplete_cells_are_marked_and_never_bold(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest())
    partial = cell(made, "BCE + ALM")
    cifar = made.frame[made.frame["block"] == made.frame["block"].iloc[0]]
    assert partial["auc"] == cifar["auc"].max()
    lines = made.markdown.splitlines()
    marked = [line for line in lines if line.startswith("|") and "†" in line]
    assert {line.split("|")[1].strip() for line in marked} == {"BCE + ALM †", "CB-BCE †", "LDAM + ALM †"}
    assert all("**" not in line for line in marked)
    best = cifar.loc[cifar["complete"], "auc"].max()
    assert f"**{best:.4f}**" in made.markdown
    assert partial["n"] == "n=2/4"
    assert "1 diverged (train loss is nan in epoch 3), 1 failed (disk | full" in str(partial["note"])


def test_what_takes_no_learning_is_never_bold(builder: SweepBuilder) -> None:
    """All examples are taken for positives to reach the rate; scores that know nothing have an AUC of 0.5."""
    config = builder.add(trial(Bce(), seeds=(1,)))
    table = score_table("a", 1, {"val": 1, "test": 1})
    targets = table.column("target").to_pylist()
    one_missed = targets.index(1, targets.index(0))  # a critical test example that scores below all others
    scores = [-9.0 if place == one_missed else float(target) for place, target in enumerate(targets)]
    builder.replicate(config, 1, with_column(table, "score", scores))
    made = make_tables(builder.store, builder.manifest())
    assert cell(made, "BCE")["fpr_at_tpr_98"] == 1.0
    assert "**100.00**" not in made.markdown
    assert "100.00" in made.markdown
    assert f"**{cell(made, 'BCE')['auc']:.4f}**" in made.markdown
    assert "0.00 ‡" in made.markdown, "20 positives resolve none of the rates, so none is bold"


def test_a_cell_with_an_unfinished_candidate_is_incomplete_but_divergence_is_final(
    builder: SweepBuilder,
) -> None:
    builder.complete(trial(SymmetricMargin(margin=0.5)), "a", 1.0, 1.0)
    other = builder.add(trial(SymmetricMargin(margin=2.0)))
    pending = cell(make_tables(builder.store, builder.manifest()), "S-LM")
    assert (pending["complete"], pending["candidates_complete"], pending["candidates_total"]) == (False, 1, 2)
    assert "4 pending" in str(pending["note"])
    for seed in other.seeds:
        builder.replicate(other, seed, None, state="diverged", reason="loss is nan")
    final = cell(make_tables(builder.store, builder.manifest()), "S-LM")
    assert (final["complete"], final["candidates_complete"], final["note"]) == (True, 1, "")


def test_a_cell_with_pruned_candidates_says_so_and_is_never_bold(builder: SweepBuilder) -> None:
    best = builder.complete(trial(SymmetricMargin(margin=4.0), ALM), "a", 2.0, 2.0)
    for margin in (0.5, 2.0):
        other = builder.add(trial(SymmetricMargin(margin=margin), ALM))
        builder.replicate(other, 1, None, state="pruned", reason="asha of a search across losses")
    builder.complete(trial(Bce()), "b", 0.2, 0.2)
    made = make_tables(builder.store, builder.manifest())
    pruned, whole = cell(made, "S-LM + ALM"), cell(made, "BCE")
    assert (pruned["trial_id"], pruned["candidates_pruned"]) == (best.trial_id, 2)
    assert pruned["note"] == "2 of 3 candidates pruned"
    assert pruned["auc"] > whole["auc"]
    assert f"**{whole['auc']:.4f}**" in made.markdown
    (line,) = [line for line in made.markdown.splitlines() if line.startswith("| S-LM + ALM †")]
    assert "**" not in line
    assert pruned["complete"], "nothing is left to train"


@pytest.mark.parametrize(("by", "is_bold"), [("val/auroc", True), ("val/fpr_at_tpr_98", False)])
def test_a_race_by_the_rules_own_metric_leaves_the_choice_bold(
    builder: SweepBuilder, by: str, is_bold: bool
) -> None:
    builder.complete(trial(SymmetricMargin(margin=4.0), ALM), "a", 2.0, 2.0)
    other = builder.add(trial(SymmetricMargin(margin=0.5), ALM))
    builder.replicate(other, 1, None, state="pruned", reason="race: mean", pruned_by=by, raced_after=3)
    builder.complete(trial(Bce()), "b", 0.2, 0.2)
    made = make_tables(builder.store, builder.manifest())
    raced = cell(made, "S-LM + ALM")
    (line,) = [line for line in made.markdown.splitlines() if line.startswith("| S-LM + ALM")]
    assert ("**" in line) == is_bold
    assert raced["candidates_pruned"] == (not is_bold)
    assert raced["note"] == (
        "1 of 2 candidates left behind in a race" if is_bold else "1 of 2 candidates pruned"
    )
    assert (raced.get("candidates_raced", 0) == 1) == is_bold


@pytest.mark.parametrize(
    ("metric", "rule", "is_told"),
    [
        ("val/auroc", "ensemble-val-auroc", False),
        ("val/auroc", "ensemble-val-fpr98", True),
        ("val/fpr_at_tpr_98", "ensemble-val-auroc", True),
        ("val/fpr_at_tpr_98", "ensemble-val-fpr98", False),
        ("val/auroc", "mean-val-auroc", True),
        (None, "ensemble-val-fpr98", False),
    ],
)
def test_a_rule_that_differs_from_what_trials_were_pruned_by_is_told_in_a_line(
    builder: SweepBuilder, metric: str | None, rule: str, is_told: bool
) -> None:
    builder.complete(trial(Bce()), "a", 1.0, 1.0)
    pruned = builder.add(trial(Bce(), epochs=20))
    facts = {} if metric is None else {"pruned_by": metric}
    for seed in pruned.seeds:
        builder.replicate(pruned, seed, None, state="pruned", reason="asha", **facts)
    made = make_tables(builder.store, builder.manifest(), rule=rule)
    told = f"1 trial stopped early by the ensemble's {metric}, not by what {rule} selects"
    for text in (made.text, made.markdown.replace("\\", "")):
        lines = [line for line in text.splitlines() if told in line]
        assert len(lines) == int(is_told)
    candidates = made.provenance["cells"][0]["candidates"]
    assert [m["pruned_by"] for c in candidates for m in c["missing"]] == [metric] * 4


def test_ensembles_of_different_sizes_do_not_compete(builder: SweepBuilder) -> None:
    one = builder.complete(trial(Bce(), epochs=10, seeds=(1,)), "one", 1.3, 1.0)
    four = builder.complete(trial(Bce(), epochs=20), "four", 0.9, 1.0)
    builder.complete(trial(Ldam(), seeds=(1, 2)), "of another row", 1.0, 1.0)
    with pytest.raises(InputError, match=r"row BCE: expected candidates that want the same seeds") as caught:
        make_tables(builder.store, builder.manifest())
    assert one.trial_id in str(caught.value)
    assert four.trial_id in str(caught.value)
    trials = tuple(t.model_copy(update={"seeds": (1,)}) for t in builder.trials)
    made = make_tables(builder.store, SweepManifest("first seeds", trials))
    assert cell(made, "BCE")["n"] == "n=1/1"
