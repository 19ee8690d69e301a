"""Losses against slow versions, hand-computed numbers and finite differences."""

import math

import pytest
import torch

from search_spaces.config import (
    LOSS_TYPES,
    AsymmetricFocal,
    AsymmetricMargin,
    AucMargin,
    Bce,
    ClassBalancedBce,
    Ldam,
    LossConfig,
    Mbauc,
    PartialAuc,
    SymmetricFocal,
    SymmetricMargin,
    TrainingFacts,
    WeightedBce,
)
from search_spaces.errors import InputError
from tests import reference
from trainer.losses import binary as losses
from trainer.losses.build import make_loss
from trainer.losses.module import LossModule

N0, N1, RATIO = 4410, 44, 100.0
LN3 = math.log(3)

CASES: list[tuple[LossConfig, reference.Loss]] = [
    (Bce(), reference.bce()),
    *((SymmetricMargin(margin=m), reference.symmetric_margin(m)) for m in (0.5, 2.0, 4.0)),
    *((AsymmetricMargin(margin=m), reference.asymmetric_margin(m)) for m in (0.5, 2.0, 4.0)),
    *((SymmetricFocal(gamma=g), reference.symmetric_focal(g)) for g in (0.5, 1.0, 2.0)),
    *((AsymmetricFocal(gamma=g), reference.asymmetric_focal(g)) for g in (0.5, 1.0, 2.0)),
    *((WeightedBce(weight_factor=c), reference.weighted_bce(c, RATIO)) for c in (1 / 3, 2 / 3, 1.0)),
    *((ClassBalancedBce(beta=b), reference.class_balanced_bce(b, N0, N1)) for b in (0.99, 0.999, 0.9999)),
    (Ldam(), reference.ldam(N0, N1)),
    (Mbauc(), reference.mbauc()),
    (AucMargin(), reference.auc_margin(1, 0, 0, 0)),
    (PartialAuc(), reference.partial_auc(1)),
]
NAMES = [f"{config.name}-{i}" for i, (config, _) in enumerate(CASES)]

EDGE_BATCHES = {
    **reference.EDGE_BATCHES,
    "where softplus is linear": ([21.0, -21.0, 37.0, -37.0], [0, 1, 0, 1]),
}


def build(config: LossConfig) -> LossModule:
    return make_loss(config, TrainingFacts((N0, N1), RATIO))


def outputs(config: LossConfig, scores: list[float]) -> torch.Tensor:
    """Scores as the model's outputs: for LDAM each score s as the row (-s / 2, s)."""
    column = torch.tensor(scores, dtype=torch.float64)[:, None]
    return torch.cat([-column / 2, column], 1) if config.output_count(2) == 2 else column


def check(config: LossConfig, slow: reference.Loss, logits: torch.Tensor, targets: list[int]) -> None:
    logits = logits.clone().requires_grad_()
    value = build(config)(logits, torch.tensor(targets))
    value.backward()
    assert logits.grad is not None
    expected, gradient = reference.value_and_gradient(slow, logits.detach().flatten().tolist(), targets)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert logits.grad.flatten().tolist() == pytest.approx(gradient, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_value_and_gradient_agree_with_the_slow_version(config: LossConfig, slow: reference.Loss) -> None:
    generator = torch.Generator().manual_seed(3)
    for size in (1, 2, 3, 5, 8):
        for _ in range(4):
            shape = (size, config.output_count(2))
            logits = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
            targets = torch.randint(0, 2, (size,), generator=generator).tolist()
            check(config, slow, logits, targets)


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
@pytest.mark.parametrize("batch", EDGE_BATCHES.values(), ids=list(EDGE_BATCHES))
def test_edge_batches_agree_with_the_slow_version(
    config: LossConfig, slow: reference.Loss, batch: tuple[list[float], list[int]]
) -> None:
    check(config, slow, outputs(config, batch[0]), batch[1])


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_gradient_agrees_with_finite_differences(config: LossConfig, slow: reference.Loss) -> None:
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(6, config.output_count(2), generator=generator, dtype=torch.float64)
    targets = torch.tensor([1, 0, 0, 1, 0, 1])
    loss = build(config)
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), logits.requires_grad_())


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
@pytest.mark.parametrize("size", [1e4, 100.0, 88.0, 17.0])
def test_extreme_logits_stay_finite_in_float32(config: LossConfig, slow: reference.Loss, size: float) -> None:
    logits = outputs(config, [size, -size, size, -size]).float().requires_grad_()
    value = build(config)(logits, torch.tensor([1, 1, 0, 0]))
    value.backward()
    assert logits.grad is not None
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


# By hand: sigmoid(ln 3) = 3/4, so -log p = ln(4/3) and -log(1 - p) = ln 4 there; at 0 both are ln 2.
HAND = {
    # s = ln 3 for both: (ln 4/3 + ln 4) / 2
    "bce": (losses.bce, [LN3, LN3], {}, (math.log(4 / 3) + math.log(4)) / 2),
    # m = ln 3: the positive's s - m = ln 9 - ln 3 = ln 3, the negative's s + m = ln 3
    "s_lm": (losses.symmetric_margin, [2 * LN3, 0.0], {"margin": LN3}, (math.log(4 / 3) + math.log(4)) / 2),
    # the margin moves the positive only: ln 4/3 and, at s = 0, ln 2
    "a_lm": (losses.asymmetric_margin, [2 * LN3, 0.0], {"margin": LN3}, (math.log(4 / 3) + math.log(2)) / 2),
    # g = 2: (1/4)^2 ln(4/3) and (3/4)^2 ln 4
    "s_fl": (
        losses.symmetric_focal,
        [LN3, LN3],
        {"gamma": 2.0},
        (math.log(4 / 3) / 16 + math.log(4) * 9 / 16) / 2,
    ),
    # g = 2 on the negative only
    "a_fl": (
        losses.asymmetric_focal,
        [LN3, LN3],
        {"gamma": 2.0},
        (math.log(4 / 3) + math.log(4) * 9 / 16) / 2,
    ),
    # w = 2: 2 ln(4/3) and ln 4
    "w_bce": (losses.weighted_bce, [LN3, LN3], {"weight": 2.0}, (2 * math.log(4 / 3) + math.log(4)) / 2),
    # b = 1/2: w1 = (1/2) / (1/2) = 1, w0 = (1/2) / (3/4) = 2/3
    "cb_bce": (
        losses.class_balanced_bce,
        [LN3, LN3],
        {"beta": 0.5, "negatives": 2, "positives": 1},
        (math.log(4 / 3) + math.log(4) * 2 / 3) / 2,
    ),
    # p = 3/4 and 1/4: (1 - 1/2)^2
    "mbauc": (losses.mbauc, [LN3, -LN3], {}, 0.25),
}


@pytest.mark.parametrize("name", HAND)
def test_hand_computed_numbers(name: str) -> None:
    function, scores, parameters, expected = HAND[name]
    logits = torch.tensor(scores, dtype=torch.float64)
    assert function(logits, torch.tensor([1, 0]), **parameters).item() == pytest.approx(expected, abs=1e-15)


def test_ldam_by_hand() -> None:
    # n = (1600, 100): n^-1/4 ratio 2, so margins 1/4 (negatives) and 1/2 (positives). Scale ln 3.
    # Positive (-0.5, 1): 1.5 - 0.5 = 1, sigmoid(ln 3) = 3/4. Negative (0, 0.75): -0.75 - 0.25 = -1, 1/4.
    cosines = torch.tensor([[-0.5, 1.0], [0.0, 0.75]], dtype=torch.float64)
    value = losses.ldam(
        cosines, torch.tensor([1, 0]), negatives=1600, positives=100, max_margin=0.5, scale=LN3
    )
    assert value.item() == pytest.approx((math.log(4 / 3) + math.log(4)) / 2, abs=1e-15)


def test_mbauc_by_hand_with_two_positives() -> None:
    # p = 3/4, 1/2 against 1/4: ((1 - 1/2)^2 + (1 - 1/4)^2) / 2 = (1/4 + 9/16) / 2 = 13/32
    logits = torch.tensor([LN3, 0.0, -LN3], dtype=torch.float64)
    assert losses.mbauc(logits, torch.tensor([1, 1, 0])).item() == pytest.approx(13 / 32, abs=1e-15)


def test_weights_of_the_named_configurations_by_hand() -> None:
    # b = 0.99, n = 44: 0.01 / (1 - 0.99^44) = 0.01 / (1 - 0.642612...) = 0.0279808...
    assert losses.effective_number_weight(44, 0.99) == pytest.approx(0.01 / (1 - 0.99**44), rel=1e-12)
    assert losses.effective_number_weight(44, 0.99) == pytest.approx(0.027980, abs=1e-6)
    # 1:100 with 4,410 and 44: the majority's margin is 0.5 * (44 / 4410)^(1/4) = 0.158024...
    majority, minority = losses.ldam_margins([4410, 44], 0.5)
    assert minority == 0.5
    assert majority == pytest.approx(0.158024, abs=1e-6)


@pytest.mark.parametrize("target", [0, 1])
def test_mbauc_without_a_pair_is_zero_with_zero_gradient(target: int) -> None:
    logits = torch.tensor([1.0, -2.0, 1e4], requires_grad=True)
    value = losses.mbauc(logits, torch.full((3,), target))
    value.backward()
    assert value.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_targets_may_be_bool_integer_or_float(config: LossConfig, slow: reference.Loss) -> None:
    logits, targets = outputs(config, [0.3, -0.2, 1.5]), torch.tensor([True, False, False])
    values = [build(config)(logits, targets.to(kind)) for kind in (torch.bool, torch.uint8, torch.float32)]
    assert values[0].item() == values[1].item() == values[2].item()
    assert {value.dtype for value in values} == {torch.float64}
    assert values[0].shape == ()


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_nothing_depends_on_the_data_but_the_values(config: LossConfig, slow: reference.Loss) -> None:
    """The meta device has no values: a copy to the host or a data-dependent shape would raise there."""
    logits = outputs(config, [0.3, -0.2, 1.5]).to("meta").requires_grad_()
    build(config).to("meta")(logits, torch.zeros(3, device="meta")).backward()
    assert logits.grad is not None
    assert logits.grad.shape == logits.shape


@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_vmap_over_replicates_equals_a_loop(config: LossConfig, slow: reference.Loss) -> None:
    generator = torch.Generator().manual_seed(7)
    shape = (3, 4, config.output_count(2))
    logits = torch.randn(shape, generator=generator, dtype=torch.float64)
    targets = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1]])
    loop = [build(config)(z, y).item() for z, y in zip(logits, targets, strict=True)]
    assert torch.func.vmap(build(config))(logits, targets).tolist() == pytest.approx(loop, rel=1e-14)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and -m gpu")
@pytest.mark.parametrize(("config", "slow"), CASES, ids=NAMES)
def test_capture_in_a_cuda_graph(config: LossConfig, slow: reference.Loss) -> None:
    logits = outputs(config, [0.3, -0.2, 1.5]).cuda()
    targets = torch.tensor([1.0, 0.0, 0.0], device="cuda")
    loss = build(config).cuda()
    expected = loss(logits, targets)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = loss(logits, targets)
    graph.replay()
    assert captured.item() == expected.item()


def test_every_binary_loss_is_among_the_cases() -> None:
    assert {type(config) for config, _ in CASES} == {loss for loss in LOSS_TYPES if "binary" in loss.tasks}


@pytest.mark.parametrize(("negatives", "positives"), [(0, 5), (5, 0)])
def test_a_class_without_examples_is_an_error(negatives: int, positives: int) -> None:
    with pytest.raises(InputError, match=f"of every class, given {negatives}, {positives}"):
        make_loss(Bce(), TrainingFacts((negatives, positives), 1.0))


def test_outputs_pairs_and_scores() -> None:
    assert [config.name for config, _ in CASES if config.output_count(2) == 2] == ["ldam"]
    assert [config.name for config, _ in CASES if config.needs_pairs] == ["mbauc", "partial_auc"]
    rows = torch.tensor([[-0.5, 0.25], [1.0, -1.0]])
    assert losses.score(rows).tolist() == [0.25, -1.0]
    assert losses.score(rows[:, :1]).tolist() == [-0.5, 1.0]
    assert losses.score(rows[:, 0]).tolist() == [-0.5, 1.0]
    with pytest.raises(InputError, match=r"given \[2, 3\]"):
        losses.score(torch.zeros(2, 3))
