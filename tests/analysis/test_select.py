import math
from dataclasses import replace
from itertools import permutations

import pytest

from analysis.records import ValidationRecord
from analysis.select import CRITERIA, RULES, decided_by, ranked, select
from search_spaces.errors import InputError


def record(trial_id: str, auroc: float = 0.9, **changes: float) -> ValidationRecord:
    metrics = {"auroc": auroc, "fpr_at_tpr_98": 0.5, "fpr_at_tpr_95": 0.4, "fpr_at_tpr_90": 0.3}
    metrics.update({k: v for k, v in changes.items() if k in metrics})
    found = int(changes.get("found", 10))
    return ValidationRecord(trial_id, found, 10, metrics, mean_auroc=changes.get("mean_auroc", auroc))


# Pairs of (criterion, better, worse); the worse one comes first in the alphabet.
TIES = [
    (
        "complete before partial: 10/10 replicates against 9/10",
        record("b", auroc=0.8),
        record("a", auroc=0.9, found=9),
    ),
    ("rule value: 0.91 against 0.9, a lead of 0.01", record("b", auroc=0.91), record("a")),
    ("rule value: 0.900125 against 0.9, a lead of 0.000125", record("b", auroc=0.900125), record("a")),
    (
        "lower ensemble validation FPR at 98 % TPR: 0.49 against 0.5, a lead of 0.01",
        record("b", fpr_at_tpr_98=0.49),
        record("a"),
    ),
    (
        "lower ensemble validation FPR at 95 % TPR: 0.39 against 0.4, a lead of 0.01",
        record("b", fpr_at_tpr_95=0.39),
        record("a"),
    ),
    (
        "lower ensemble validation FPR at 90 % TPR: 0.29 against an undefined one",
        record("b", fpr_at_tpr_90=0.29),
        record("a", fpr_at_tpr_90=math.nan),
    ),
    ("trial id in alphabetical order", record("a"), record("b")),
]


@pytest.mark.parametrize(("criterion", "better", "worse"), TIES, ids=[t[0] for t in TIES])
def test_each_criterion_decides_when_the_earlier_ones_are_equal(
    criterion: str, better: ValidationRecord, worse: ValidationRecord
) -> None:
    assert ranked([worse, better]) == [better, worse]
    assert decided_by([worse, better]) == criterion


def test_ensemble_auroc_breaks_ties_of_the_other_rules() -> None:
    better, worse = record("b", auroc=0.91, mean_auroc=0.9), record("a", auroc=0.9, mean_auroc=0.9)
    assert select([worse, better], "mean-val-auroc") is better
    told = decided_by([worse, better], "mean-val-auroc")
    assert told == f"{CRITERIA[2]}: 0.91 against 0.9, a lead of 0.01"


def test_the_lead_of_a_rate_is_told_as_the_rate() -> None:
    better, worse = record("b", fpr_at_tpr_98=0.25), record("a")
    assert decided_by([worse, better], "ensemble-val-fpr98") == "rule value: 0.25 against 0.5, a lead of 0.25"


def test_an_earlier_criterion_outweighs_all_later_ones() -> None:
    first = record("z", auroc=0.9000001, fpr_at_tpr_98=1.0, fpr_at_tpr_95=1.0, fpr_at_tpr_90=1.0)
    assert select([record("a", fpr_at_tpr_98=0.0), first]) is first


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_candidates_does_not_matter(rule: str) -> None:
    candidates = [record("c"), record("a"), record("b", auroc=0.95, found=3), record("d", mean_auroc=0.8)]
    orders = {tuple(r.trial_id for r in ranked(p, rule)) for p in permutations(candidates)}
    assert len(orders) == 1


def test_the_rules_look_at_what_their_names_say() -> None:
    auroc, mean, fpr = record("a", auroc=0.95, mean_auroc=0.1), record("b", mean_auroc=0.99), record("c")
    fpr = replace(fpr, metrics={**fpr.metrics, "fpr_at_tpr_98": 0.1}, mean_auroc=0.2)
    chosen = {rule: select([auroc, mean, fpr], rule) for rule in RULES}
    assert chosen["ensemble-val-auroc"] is auroc
    assert chosen["mean-val-auroc"] is mean
    assert chosen["ensemble-val-fpr98"] is fpr


def test_an_undefined_value_is_never_chosen() -> None:
    undefined = record("a", auroc=math.nan)
    assert select([undefined]) is None
    assert decided_by([undefined]) == "no candidate"
    defined = record("b", auroc=0.1, found=1)
    assert select([undefined, defined]) is defined
    assert decided_by([undefined, defined]) == "only candidate"


def test_an_unknown_rule_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="ensemble-val-auroc"):
        select([record("a")], "best-on-test")
