import math
from dataclasses import replace
from itertools import permutations

import pytest

from analysis.records import ValidationRecord
from analysis.select import decided_by, ranked, rule_of, rules_of, select
from search_spaces.config import DEFAULT_TARGETS, Targets
from search_spaces.config.metrics import partial_aucs
from search_spaces.errors import InputError
from tests.analysis.stored_sweep import CIFAR, LONG_TAIL

RULES = rules_of(CIFAR, DEFAULT_TARGETS)
DEFAULT = rule_of(CIFAR, None, DEFAULT_TARGETS)


def record(trial_id: str, auroc: float = 0.9, **changes: float) -> ValidationRecord:
    metrics = {"auroc": auroc, "fpr_at_tpr_98": 0.5, "fpr_at_tpr_95": 0.4, "fpr_at_tpr_90": 0.3}
    metrics |= dict.fromkeys((metric.name for metric in partial_aucs()), auroc)
    metrics.update({k: v for k, v in changes.items() if k in metrics})
    found = int(changes.get("found", 10))
    return ValidationRecord(trial_id, found, 10, metrics, mean_steering=changes.get("mean", auroc))


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
    assert ranked([worse, better], DEFAULT) == [better, worse]
    assert decided_by([worse, better], DEFAULT) == criterion


def test_ensemble_auroc_breaks_ties_of_the_other_rules() -> None:
    better, worse = record("b", auroc=0.91, mean=0.9), record("a", auroc=0.9, mean=0.9)
    assert select([worse, better], RULES["mean-val-auroc"]) is better
    told = decided_by([worse, better], RULES["mean-val-auroc"])
    assert told == f"{DEFAULT.criteria[2]}: 0.91 against 0.9, a lead of 0.01"


def test_the_lead_of_a_rate_is_told_as_the_rate() -> None:
    better, worse = record("b", fpr_at_tpr_98=0.25), record("a")
    assert (
        decided_by([worse, better], RULES["ensemble-val-fpr98"])
        == "rule value: 0.25 against 0.5, a lead of 0.25"
    )


def test_an_earlier_criterion_outweighs_all_later_ones() -> None:
    first = record("z", auroc=0.9000001, fpr_at_tpr_98=1.0, fpr_at_tpr_95=1.0, fpr_at_tpr_90=1.0)
    assert select([record("a", fpr_at_tpr_98=0.0), first], DEFAULT) is first


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_candidates_does_not_matter(rule: str) -> None:
    candidates = [record("c"), record("a"), record("b", auroc=0.95, found=3), record("d", mean=0.8)]
    orders = {tuple(r.trial_id for r in ranked(p, RULES[rule])) for p in permutations(candidates)}
    assert len(orders) == 1


def test_the_rules_look_at_what_their_names_say() -> None:
    auroc, mean, fpr = record("a", auroc=0.95, mean=0.1), record("b", mean=0.99), record("c")
    fpr = replace(fpr, metrics={**fpr.metrics, "fpr_at_tpr_98": 0.1}, mean_steering=0.2)
    chosen = {name: select([auroc, mean, fpr], rule) for name, rule in RULES.items()}
    assert chosen["ensemble-val-auroc"] is auroc
    assert chosen["mean-val-auroc"] is mean
    assert chosen["ensemble-val-fpr98"] is fpr


def test_an_undefined_value_is_never_chosen() -> None:
    undefined = record("a", auroc=math.nan)
    assert select([undefined], DEFAULT) is None
    assert decided_by([undefined], DEFAULT) == "no candidate"
    defined = record("b", auroc=0.1, found=1)
    assert select([undefined, defined], DEFAULT) is defined
    assert decided_by([undefined, defined], DEFAULT) == "only candidate"


def test_an_unknown_rule_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="ensemble-val-auroc"):
        rule_of(CIFAR, "best-on-test", DEFAULT_TARGETS)


def test_any_rate_makes_a_rule_and_breaks_ties_only_where_it_is_the_sweeps() -> None:
    more = Targets(tpr=(0.98, 0.995))
    rule = rule_of(CIFAR, "ensemble-val-fpr99.5", more, DEFAULT_TARGETS)
    assert rule.description == "lowest validation FPR at 99.5 % TPR of the scores averaged over replicates"
    assert rule.objective == "val/fpr_at_tpr_99.5"
    assert rule.criteria == DEFAULT.criteria
    of_the_sweep = rule_of(CIFAR, None, more)
    assert "lower ensemble validation FPR at 99.5 % TPR" in of_the_sweep.criteria
    assert "lower ensemble validation FPR at 95 % TPR" not in of_the_sweep.criteria
    with pytest.raises(InputError, match=r"known: ensemble-val-auroc, .*ensemble-val-fpr98"):
        rule_of(CIFAR, "ensemble-val-fpr99.5", DEFAULT_TARGETS)


def test_the_default_is_what_steers_the_task() -> None:
    rules = rules_of(LONG_TAIL, DEFAULT_TARGETS)
    assert list(rules)[:3] == [
        "ensemble-val-critical_auroc",
        "mean-val-critical_auroc",
        "ensemble-val-macro_f1",
    ]
    assert rules["ensemble-val-fpr98/9"].description.startswith("lowest validation FPR at 98 % TPR of 9")
    assert rule_of(LONG_TAIL, None, DEFAULT_TARGETS).criteria[2:4] == (
        "higher ensemble validation mean critical AUROC",
        "higher ensemble validation macro F1",
    )
