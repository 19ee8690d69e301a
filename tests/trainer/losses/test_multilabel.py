"""Losses of label sets against slow versions, and the columns of their constraint."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch

from search_spaces.config import (
    AsymmetricLoss,
    BothTermsFocal,
    ConstraintConfig,
    DistributionBalanced,
    LabelSetSampler,
    Loss,
    MultiLabel,
    MultiLabelBce,
    MultiLabelFocal,
    MultiLabelWeightedBce,
    MultiLabelWeightedFocal,
    TrainingFacts,
    TrialConfig,
)
from tests import reference, reference_labels
from trainer.losses.build import make_loss
from trainer.losses.columns import task_tensors
from trainer.losses.constraint import Constraint

COUNTS, EXAMPLES = (19, 65, 38), 224
ALIKE = [Decimal(1)] * 3
RATIOS = [Decimal(EXAMPLES - count) / count for count in COUNTS]
SHARES = [Decimal(sum(COUNTS)) / count for count in COUNTS]
CASES: list[tuple[Loss, reference.Loss]] = [
    (MultiLabelBce(), reference_labels.weighted_bce(ALIKE)),
    (MultiLabelWeightedBce(), reference_labels.weighted_bce(RATIOS)),
    (MultiLabelWeightedBce(weighting="inverse_share"), reference_labels.weighted_bce(SHARES)),
    (MultiLabelFocal(gamma=0.5), reference_labels.weighted_focal(ALIKE, 0.5)),
    (MultiLabelWeightedFocal(gamma=2), reference_labels.weighted_focal(RATIOS, 2)),
    (BothTermsFocal(), reference_labels.focal_of_the_question(SHARES, 1.5, 1e-6)),
    (AsymmetricLoss(), reference_labels.asymmetric(3, 0, 4, 0.05)),
    (
        AsymmetricLoss(gamma_positive=1, gamma_negative=2, margin=0.2),
        reference_labels.asymmetric(3, 1, 2, 0.2),
    ),
    (
        DistributionBalanced(),
        reference_labels.distribution_balanced(COUNTS, EXAMPLES, 0.1, 10, 0.2, 5, 0.05),
    ),
    (
        DistributionBalanced(alpha=0.3, beta=4, center=0.5, scale=2, shift=0.2),
        reference_labels.distribution_balanced(COUNTS, EXAMPLES, 0.3, 4, 0.5, 2, 0.2),
    ),
]
NAMES = [f"{config.name}-{position}" for position, (config, _) in enumerate(CASES)]
SETS = [[1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 1], [0, 1, 0]]


def check(config: Loss, slow: reference.Loss, logits: torch.Tensor, sets: list[list[int]]) -> None:
    loss = make_loss(config, TrainingFacts(COUNTS, 1.0, EXAMPLES))
    logits = logits.clone().requires_grad_()
    targets = torch.tensor(sets, dtype=torch.float64)
    value = loss(logits, targets)
    value.backward()
    assert logits.grad is not None
    flat = [has for one in sets for has in one]
    expected, gradient = reference.value_and_gradient(slow, logits.detach().flatten().tolist(), flat)
    assert value.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert logits.grad.flatten().tolist() == pytest.approx(gradient, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_value_and_gradient_agree_with_the_slow_version(config: Loss, slow: reference.Loss) -> None:
    generator = torch.Generator().manual_seed(31)
    for sets in (SETS[:1], SETS):
        logits = 3 * torch.randn((len(sets), 3), generator=generator, dtype=torch.float64)
        check(config, slow, logits, sets)
    far = torch.tensor([[40.0, -40.0, 800.0], [-800.0, 40.0, -40.0]], dtype=torch.float64)
    check(config, slow, far, [[1, 1, 0], [1, 0, 1]])


def test_the_weights_of_the_document() -> None:
    facts = TrainingFacts((19_000, 65_000, 38_000, 105_000), 1.0, 224_000)
    for weighting, expected in (
        ("negatives_per_positive", [10.79, 2.45, 4.90, 1.13]),
        ("inverse_share", [11.95, 3.49, 5.97, 2.16]),
    ):
        config = MultiLabelWeightedBce.model_validate({"weighting": weighting})
        weights = make_loss(config, facts).get_buffer("weights").tolist()
        assert weights == pytest.approx(expected, abs=0.006)


def test_a_weight_on_positives_moves_the_score_of_even_odds_by_its_logarithm() -> None:
    """Of a share q of positives the best score is log(w q / (1 - q)); with weights on both terms it stays."""
    share, weight = 0.1, float(RATIOS[0])
    scores = torch.linspace(-6, 6, 24_001, dtype=torch.float64)

    def best(config: Loss) -> float:
        loss = make_loss(config, TrainingFacts(COUNTS, 1.0, EXAMPLES))
        logits = scores[:, None].expand(-1, 3)
        of_each = [loss.each(logits, torch.full_like(logits, has)) for has in (1.0, 0.0)]
        return float(scores[(share * of_each[0] + (1 - share) * of_each[1]).argmin()])

    # `each` is the mean over three labels; of one weight for all of them it is that of one label.
    alike = (19, 19, 19)
    facts = TrainingFacts(alike, 1.0, EXAMPLES)
    loss = make_loss(MultiLabelWeightedBce(), facts)
    logits = scores[:, None].expand(-1, 3)
    with_label, without = (loss.each(logits, torch.full_like(logits, has)) for has in (1.0, 0.0))
    found = float(scores[(share * with_label + (1 - share) * without).argmin()])
    plain = best(MultiLabelBce())
    assert plain == pytest.approx(torch.logit(torch.tensor(share)).item(), abs=1e-3)
    assert found - plain == pytest.approx(torch.tensor(weight).log().item(), abs=1e-3)
    assert best(BothTermsFocal(epsilon=1e-9)) == pytest.approx(best(MultiLabelFocal(gamma=1.5)), abs=1e-3)


def test_the_constraint_has_a_column_for_each_critical_label() -> None:
    task = MultiLabel.example()
    config = TrialConfig(
        data=task, loss=MultiLabelBce(), constraint=ConstraintConfig(penalty=0.3, margin=0.5)
    )
    tensors = task_tensors(config, torch.device("cpu"))
    assert tensors.column_names == ("8", "9")
    targets = torch.tensor([[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    logits = torch.randn((4, 4), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert tensors.target_counts(targets) == (2, 1, 2, 1)
    masks = tensors.masks(targets)
    assert masks.positive.tolist() == targets[:, 2:].bool().tolist()
    assert masks.negative.equal(~masks.positive)
    constraint = Constraint(config.constraint, examples=4, columns=2)  # type: ignore[arg-type]
    constraint.begin_epoch()
    term, violations = constraint.term(tensors.scores(logits), masks, torch.arange(4))
    expected = 0.0
    for column in (2, 3):
        slow = reference.constraint_term(0.5, 0.3, [0.0] * 4)
        value, _ = reference.value_and_gradient(slow, logits[:, column].tolist(), targets[:, column].tolist())
        expected += value
    assert term.item() == pytest.approx(expected, rel=1e-6)
    assert violations.shape == (4, 2)


def test_resampling_beside_a_loss_that_knows_counts_corrects_twice() -> None:
    task, sampler = MultiLabel.example(), LabelSetSampler(resample="ml_ros")

    def twice(loss: Loss) -> bool:
        return TrialConfig(data=task, loss=loss, sampler=sampler).corrects_twice

    assert [twice(loss) for loss in (MultiLabelBce(), MultiLabelFocal(), AsymmetricLoss())] == [False] * 3
    correcting = (
        MultiLabelWeightedBce(),
        MultiLabelWeightedFocal(),
        BothTermsFocal(),
        DistributionBalanced(),
    )
    assert all(map(twice, correcting))
    assert not TrialConfig(data=task, loss=MultiLabelWeightedBce()).corrects_twice
