"""Shapes, sizes, cost and initial weights of the networks."""

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from search_spaces.config import COSINE_SCALE, Head, Model, ResNet10, ResNet32, SmallCnn
from search_spaces.errors import InputError
from trainer.models.build import build_model, model_on_meta
from trainer.models.heads import CosineHead
from trainer.models.resnet10 import BasicBlock


def build(config: Model, seed: int = 1, **sizes: int | str) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    return build_model(
        config, **{"channels": 3, "outputs": 1, "image_size": 16, "generator": generator, **sizes}
    )


@pytest.mark.parametrize(
    "config", [ResNet10(width=2), SmallCnn(width=2), SmallCnn(width=2, blocks=3), ResNet32(width=2)], ids=str
)
@pytest.mark.parametrize("image_size", [8, 9, 13, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("outputs", "head"), [(1, "linear"), (2, "cosine"), (3, "scaled_cosine")])
def test_forward_gives_one_row_of_outputs_per_image(
    config: Model, image_size: int, channels: int, outputs: int, head: Head
) -> None:
    model = build(config, channels=channels, outputs=outputs, image_size=image_size, head=head)
    logits = model(
        torch.rand(4, channels, image_size, image_size, generator=torch.Generator().manual_seed(0))
    )
    assert logits.shape == (4, outputs)
    assert logits.dtype == torch.float32
    logits.sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("config", [ResNet10(width=4), SmallCnn(width=4), ResNet32(width=4)], ids=str)
@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_weights_come_from_the_generator_and_nothing_else(config: Model, head: Head) -> None:
    states = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        model = build(config, outputs=2, head=head)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(model.state_dict())
    other = build(config, seed=2, outputs=2, head=head).state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    drawn = [name for name, value in states[0].items() if value.dim() in (2, 4)]
    assert drawn
    assert not any(torch.equal(states[0][name], other[name]) for name in drawn)


@pytest.mark.parametrize("config", [ResNet10(width=8), SmallCnn(width=8)], ids=["resnet10", "small_cnn"])
def test_default_draw_is_torchs_own_bit_for_bit(config: Model) -> None:
    """The paper's released code sets no weights, so it trains from what `reset_parameters` draws."""
    ours = build(config, seed=7, outputs=2)
    torchs = build(config, seed=8, outputs=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        for module in torchs.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                module.reset_parameters()
    expected = torchs.state_dict()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_resnet32_is_the_literatures() -> None:
    """He et al. 2016, table 6: 0.46 million parameters for 32 layers."""
    model = build(ResNet32(), outputs=10, image_size=32)
    assert sum(parameter.numel() for parameter in model.parameters()) == 464_154
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) + 1 == 32
    deep = next(c for c in convolutions if c.in_channels == 64)
    assert deep.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.02)


def test_the_scaled_cosine_is_the_cosine_times_its_scale() -> None:
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    plain = build(SmallCnn(width=2), outputs=4, head="cosine")(images)
    scaled = build(SmallCnn(width=2), outputs=4, head="scaled_cosine")(images)
    assert torch.allclose(scaled, COSINE_SCALE * plain)
    assert plain.abs().max() <= 1


def test_torchs_draw_is_bounded_by_the_fan_in() -> None:
    for module in build(ResNet10(width=16), image_size=32).modules():
        if isinstance(module, nn.Conv2d):
            bound = 1 / math.sqrt(module.in_channels * module.kernel_size[0] ** 2)
            assert 0.95 * bound < module.weight.abs().max().item() <= bound


def test_he_fan_out_weights_have_the_documented_distribution() -> None:
    model = build(ResNet10(width=16, initialization="he_fan_out"), image_size=32)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 12  # the stem, two in each of four blocks, three shortcuts
    for convolution in convolutions:
        fan_out = convolution.out_channels * convolution.kernel_size[0] ** 2
        count = convolution.weight.numel()
        relative = convolution.weight.std().item() / math.sqrt(2 / fan_out)
        assert relative == pytest.approx(1, abs=5 / math.sqrt(2 * count))  # five standard errors
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        assert norm.weight.eq(1).all()
        assert norm.bias.eq(0).all()
        assert norm.running_mean is not None
        assert norm.running_mean.eq(0).all()
        assert norm.running_var is not None
        assert norm.running_var.eq(1).all()
        assert norm.num_batches_tracked is not None
        assert norm.num_batches_tracked.item() == 0
    head = model.get_submodule("head")
    assert isinstance(head, nn.Linear)
    bound = 1 / math.sqrt(128)
    assert 0.9 * bound < head.weight.abs().max().item() <= bound
    assert head.bias.abs().max().item() <= bound


def test_resnet10_by_hand() -> None:
    # Parameters: stem 27 * 64 + 128; stage 1: 2 * 36,864 + 256; stages 2 to 4: 3x3, 3x3, 1x1 and three norms,
    # 230,144, 919,040 and 3,673,088; linear 513. MAC: stem 27 * 64 * 1024; stage 1: 2 * 36,864 * 1024;
    # stages 2 to 4: (73,728 + 147,456 + 8,192) * 256 each; linear 512. A MAC is two operations.
    parameters = 1_856 + 73_984 + 230_144 + 919_040 + 3_673_088 + 513
    count = ResNet10().weight_count(channels=3, image_size=32, outputs=1, head="linear")
    assert count == parameters == 4_898_625
    multiplications = 1_769_472 + 75_497_472 + 3 * 58_720_256 + 512
    model = build(ResNet10(), image_size=32)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    assert counter.get_total_flops() == 2 * multiplications
    assert multiplications == pytest.approx(0.25e9, rel=0.02)


def test_resnet10_stages_halve_the_image_three_times() -> None:
    shapes = []
    features = torch.zeros(1, 3, 32, 32)
    for name, module in build(ResNet10(width=4), image_size=32).named_children():
        features = module(features) if name != "head" else features
        shapes.append((name, tuple(features.shape[1:])))
    assert shapes[:6] == [
        ("stem", (4, 32, 32)),
        ("stage1", (4, 32, 32)),
        ("stage2", (8, 16, 16)),
        ("stage3", (16, 8, 8)),
        ("stage4", (32, 4, 4)),
        ("pool", (32, 1, 1)),
    ]


def test_a_block_with_a_silent_branch_is_its_shortcut() -> None:
    block = BasicBlock(3, 3, stride=1).eval()
    nn.init.zeros_(block.norm2.weight)
    images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(4))
    assert torch.equal(block(images), images.relu())


@pytest.mark.parametrize("config", [ResNet10(), ResNet10(width=5), SmallCnn(), SmallCnn(width=7)])
@pytest.mark.parametrize(("channels", "image_size"), [(1, 8), (3, 32), (1, 28)])
@pytest.mark.parametrize(("outputs", "head"), [(1, "linear"), (2, "cosine"), (10, "linear")])
def test_a_models_own_weight_count_is_the_networks(
    config: Model, channels: int, image_size: int, outputs: int, head: Head
) -> None:
    model = model_on_meta(config, channels=channels, outputs=outputs, image_size=image_size, head=head)
    said = config.weight_count(channels=channels, image_size=image_size, outputs=outputs, head=head)
    assert said == sum(parameter.numel() for parameter in model.parameters())


def test_cosine_head_gives_cosines_of_any_weight_length() -> None:
    model = build(ResNet10(width=2), outputs=2, head="cosine")
    head = model.get_submodule("head")
    assert isinstance(head, CosineHead)
    assert [name for name, _ in head.named_parameters()] == ["weight"]
    assert head.weight.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)
    features = torch.randn(5, 16, generator=torch.Generator().manual_seed(6))
    cosines = nn.functional.cosine_similarity(features[:, None], head.weight[None], dim=2)
    assert torch.allclose(head(features), cosines, atol=1e-6)
    with torch.no_grad():
        head.weight.mul_(7)
    assert torch.allclose(head(3 * features), cosines, atol=1e-6)
    assert head(torch.zeros(1, 16)).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_autocast_does_not_round_the_logits(head: Head) -> None:
    model = build(ResNet10(width=4), outputs=2, head=head)
    images = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(8))
    with torch.autocast("cpu", torch.bfloat16):
        assert model.get_submodule("stem")(images).dtype == torch.bfloat16
        logits = model(images)
    assert logits.dtype == torch.float32
    assert (logits != logits.bfloat16().float()).float().mean() > 0.9


@pytest.mark.parametrize(
    "sizes", [{"image_size": 7}, {"channels": 0}, {"outputs": 0}], ids=["image", "channels", "outputs"]
)
def test_impossible_sizes_are_errors(sizes: dict[str, int]) -> None:
    with pytest.raises(InputError, match="model 'resnet10': expected images of at least 8 x 8"):
        build(ResNet10(width=2), **sizes)
