"""The constraint against slow versions, hand-computed numbers, finite differences and its laws."""

from decimal import Decimal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import ConstraintConfig
from tests import reference
from tests.reference import EDGE_BATCHES
from trainer.losses import constraint
from trainer.losses.columns import Masks
from trainer.losses.constraint import Constraint


def masks(targets: torch.Tensor) -> Masks:
    """One column: positives against all others."""
    positive = targets.bool()[:, None]
    return Masks(positive, ~positive)


def violations(scores: torch.Tensor, targets: torch.Tensor, margin: float) -> torch.Tensor:
    return constraint.violations(scores[:, None], masks(targets), margin)[:, 0]


def augmented_term(
    q: torch.Tensor, multipliers: torch.Tensor, targets: torch.Tensor, mu: float | torch.Tensor
) -> torch.Tensor:
    return constraint.augmented_term(q[:, None], multipliers[:, None], masks(targets), mu)


def multiplier_step(multipliers: torch.Tensor, q: torch.Tensor, mu: float | torch.Tensor) -> torch.Tensor:
    """The multipliers of a batch whose examples are the whole pool."""
    raised = multipliers.clone()[:, None]
    constraint.raise_multipliers(raised, torch.arange(len(q)), q[:, None], mu)
    return raised[:, 0]


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Scores on a grid of 1/64 (sums of them are exact), targets, and a margin of the sweep."""
    pairs = draw(st.lists(st.tuples(st.integers(-640, 640), st.integers(0, 1)), min_size=1, max_size=12))
    scores = torch.tensor([s / 64 for s, _ in pairs], dtype=torch.float64)
    targets = torch.tensor([y for _, y in pairs])
    return scores, targets, draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))


def term(
    scores: torch.Tensor, targets: torch.Tensor, margin: float, multipliers: torch.Tensor, mu: float
) -> torch.Tensor:
    return augmented_term(violations(scores, targets, margin), multipliers, targets, mu)


def check(
    scores: list[float], targets: list[int], margin: float, mu: float, multipliers: list[float]
) -> None:
    tensor = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(targets)
    value = term(tensor, labels, margin, torch.tensor(multipliers, dtype=torch.float64), mu)
    value.backward()
    assert tensor.grad is not None
    slow = reference.constraint_term(margin, mu, multipliers)
    expected, gradient = reference.value_and_gradient(slow, scores, targets)
    exact_q = reference.violations([Decimal(s) for s in scores], targets, margin)
    assert value.dtype == torch.float64
    assert violations(tensor, labels, margin).tolist() == pytest.approx(
        [float(q) for q in exact_q], rel=1e-10
    )
    assert value.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert tensor.grad.tolist() == pytest.approx(gradient, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("mu", [1e-9, 1e-2, 3.0])
def test_value_and_gradient_agree_with_the_slow_version(margin: float, mu: float) -> None:
    generator = torch.Generator().manual_seed(11)
    for size in (1, 2, 3, 5, 8):
        for _ in range(4):
            scores = torch.randn(size, generator=generator, dtype=torch.float64).tolist()
            targets = torch.randint(0, 2, (size,), generator=generator).tolist()
            multipliers = torch.rand(size, generator=generator, dtype=torch.float64).tolist()
            check(scores, targets, margin, mu, multipliers)


@pytest.mark.parametrize("batch", EDGE_BATCHES.values(), ids=list(EDGE_BATCHES))
def test_edge_batches_agree_with_the_slow_version(batch: tuple[list[float], list[int]]) -> None:
    check(*batch, margin=0.25, mu=1e-2, multipliers=[0.5] * len(batch[0]))


def test_gradient_agrees_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(13)
    scores = torch.randn(7, generator=generator, dtype=torch.float64, requires_grad=True)
    targets, multipliers = torch.tensor([1, 0, 0, 1, 0, 1, 0]), torch.rand(7, generator=generator).double()
    assert torch.autograd.gradcheck(lambda s: term(s, targets, 0.5, multipliers, 0.1), scores)


def test_hand_computed_numbers() -> None:
    # Positives 0.5 and 0, negatives 0.25 and 1, delta 0.5:
    #   q_1 = (0.5 - 0.25) + (0.5 + 0.5) = 1.25,  q_2 = (0.5 + 0.25) + (0.5 + 1) = 2.25
    # mu = 0.1, lambda = (1, 2): [0.05 * 1.5625 + 1.25 + 0.05 * 5.0625 + 4.5] / 4 = 6.08125 / 4 = 1.5203125
    # dL/ds_1 = -(0.125 + 1) * 2 / 4, dL/ds_2 = -(0.225 + 2) * 2 / 4, and (1.125 + 2.225) / 4 per negative
    # New multipliers: 1 + 0.125 and 2 + 0.225.
    scores = torch.tensor([0.5, 0.25, 0.0, 1.0], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([1, 0, 1, 0])
    multipliers = torch.tensor([1.0, 0.0, 2.0, 0.0], dtype=torch.float64)
    q = violations(scores, targets, 0.5)
    value = augmented_term(q, multipliers, targets, 0.1)
    value.backward()
    assert scores.grad is not None
    assert q.tolist() == [1.25, 0.0, 2.25, 0.0]
    assert value.item() == pytest.approx(1.5203125, abs=1e-15)
    assert scores.grad.tolist() == pytest.approx([-0.5625, 0.8375, -1.1125, 0.8375], abs=1e-15)
    stepped = multiplier_step(multipliers, q, 0.1)
    assert stepped.tolist() == pytest.approx([1.125, 0.0, 2.225, 0.0], abs=1e-15)
    assert not stepped.requires_grad


@given(batches())
def test_violations_are_never_negative_and_only_of_positives(
    batch: tuple[torch.Tensor, torch.Tensor, float],
) -> None:
    scores, targets, margin = batch
    q = violations(scores, targets, margin)
    assert (q >= 0).all()
    assert (q[targets == 0] == 0).all()


@given(batches(), st.integers(-64, 64))
def test_violations_do_not_change_when_all_scores_shift(
    batch: tuple[torch.Tensor, torch.Tensor, float], shift: int
) -> None:
    scores, targets, margin = batch
    assert torch.equal(violations(scores + shift, targets, margin), violations(scores, targets, margin))


@given(batches(), st.randoms(use_true_random=False))
def test_violations_follow_a_permutation_of_the_batch(
    batch: tuple[torch.Tensor, torch.Tensor, float], random: object
) -> None:
    scores, targets, margin = batch
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    q = violations(scores, targets, margin)
    assert torch.equal(violations(scores[order], targets[order], margin), q[order])
    multipliers = q / 8
    assert term(scores[order], targets[order], margin, multipliers[order], 0.5).item() == pytest.approx(
        augmented_term(q, multipliers, targets, 0.5).item(), rel=1e-14
    )


@given(batches())
def test_violations_are_zero_exactly_when_separated_by_the_margin(
    batch: tuple[torch.Tensor, torch.Tensor, float],
) -> None:
    scores, targets, margin = batch
    positive, negative = scores[targets == 1], scores[targets == 0]
    separated = not len(positive) or not len(negative) or bool(positive.min() - negative.max() >= margin)
    assert bool((violations(scores, targets, margin) == 0).all()) == separated


@given(batches(), st.floats(1e-9, 1e2))
def test_multipliers_never_fall(batch: tuple[torch.Tensor, torch.Tensor, float], mu: float) -> None:
    scores, targets, margin = batch
    multipliers = torch.zeros_like(scores)
    for _ in range(3):
        raised = multiplier_step(multipliers, violations(scores, targets, margin), mu)
        assert (raised >= multipliers).all()
        multipliers = raised
    assert (multipliers >= 0).all()
    assert (multipliers[targets == 0] == 0).all()


@pytest.mark.parametrize("target", [0, 1])
def test_a_batch_of_one_class_adds_exactly_nothing(target: int) -> None:
    scores = torch.tensor([1e4, -1e4, 0.0], requires_grad=True)
    value = term(scores, torch.full((3,), target), 1.0, torch.full((3,), 5.0), 1e-2)
    value.backward()
    assert value.item() == 0.0
    assert scores.grad is not None
    assert scores.grad.tolist() == [0.0, 0.0, 0.0]


def test_penalty_may_be_a_tensor_on_the_device() -> None:
    scores, targets = torch.tensor([0.5, 0.25, 0.0, 1.0]), torch.tensor([True, False, True, False])
    q = violations(scores, targets, 0.5)
    ones = torch.ones(4)
    mu = torch.tensor(0.5)
    assert augmented_term(q, ones, targets, mu).item() == augmented_term(q, ones, targets, 0.5).item()
    assert torch.equal(multiplier_step(ones, q, mu), multiplier_step(ones, q, 0.5))


def step(
    held: Constraint, scores: torch.Tensor, targets: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """What a training step does with the constraint."""
    value, q = held.term(scores[:, None], masks(targets), positions)
    held.after_step(positions, q)
    return value


def test_nothing_depends_on_the_data_but_the_values() -> None:
    """The meta device has no values: a copy to the host or a data-dependent shape would raise there."""
    scores = torch.zeros(4, device="meta", requires_grad=True)
    held = Constraint(ConstraintConfig(penalty=0.1), examples=10, columns=1, device="meta")
    held.begin_epoch()
    positions = torch.zeros(4, dtype=torch.int64, device="meta")
    step(held, scores, torch.zeros(4, device="meta"), positions).backward()
    assert scores.grad is not None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and -m gpu")
def test_capture_in_a_cuda_graph() -> None:
    scores = torch.tensor([0.5, 0.25, 0.0, 1.0], device="cuda")
    targets = torch.tensor([1.0, 0.0, 1.0, 0.0], device="cuda")
    positions = torch.tensor([5, 0, 2, 1], device="cuda")
    held = Constraint(ConstraintConfig(penalty=0.1, margin=0.5), examples=6, columns=1, device="cuda")
    held.begin_epoch()
    expected = step(held, scores, targets, positions).item()
    held.multipliers.zero_()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step(held, scores, targets, positions)
    held.multipliers.zero_()
    graph.replay()
    assert captured.item() == expected
    assert held.multipliers[:, 0].tolist() == pytest.approx([0, 0, 0.225, 0, 0, 0.125])


def test_multipliers_are_raised_by_position() -> None:
    table = torch.zeros(5, 1)
    positions = torch.tensor([4, 1, 4])  # example 4 was drawn twice: both violations count
    q = torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    constraint.raise_multipliers(table, positions, q, 0.5)
    assert table[:, 0].tolist() == [0.0, 1.0, 0.0, 0.0, 2.0]
    assert not table.requires_grad


def test_the_constraint_owns_multipliers_penalty_and_violations() -> None:
    held = Constraint(ConstraintConfig(penalty=0.1, margin=0.5), examples=6, columns=1)
    assert held.multipliers.dtype == torch.float32
    scores, targets = torch.tensor([0.5, 0.25, 0.0, 1.0]), torch.tensor([1, 0, 1, 0])
    positions = torch.tensor([5, 0, 2, 1])
    held.begin_epoch()
    step(held, scores, targets, positions)
    assert held.violation.item() == pytest.approx(1.25 + 2.25)
    assert held.multipliers[:, 0].tolist() == pytest.approx([0, 0, 0.225, 0, 0, 0.125])
    held.end_epoch(0, 0.9)
    held.end_epoch(1, 0.8)
    assert held.penalty == 0.2
    other = Constraint(held.config, examples=6, columns=1)
    other.load_state_dict(held.state_dict())
    for one in (held, other):
        one.begin_epoch()
        assert one.violation.item() == 0
    values = [step(one, scores, targets, positions).item() for one in (held, other)]
    assert values[0] == values[1] > 0
    assert torch.equal(held.multipliers, other.multipliers)
