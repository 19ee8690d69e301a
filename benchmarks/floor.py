"""The least time that the arithmetic takes: model operations, and the device's measured matrix rate."""

from __future__ import annotations

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from search_spaces.config import ResNet10
from trainer.models.build import build_model

CHANNELS, SIDE = 3, 32


def flop_per_image(width: int) -> int:
    """Operations to train ResNet-10 of this width on one 3 x 32 x 32 image: forward and backward pass.

    Counted by torch, which sees convolutions and matrix products; a multiplication and an addition are two.
    """
    model = build_model(
        ResNet10(width=width), channels=CHANNELS, outputs=1, image_size=SIDE, generator=torch.Generator()
    )
    images = torch.zeros(2, CHANNELS, SIDE, SIDE)  # batch normalisation wants two; values do not matter
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    return int(counter.get_total_flops()) // len(images)


def matmul_rate(device: str, precision: str, size: int, seconds: float) -> float:
    """FLOP/s of products of two random `size` x `size` matrices: the median over `seconds`, after a warm-up.

    float32 on CUDA may use TF32, as torch's convolutions do.
    """
    place = torch.device(device)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    generator = torch.Generator(place).manual_seed(0)
    one, other = (torch.randn(size, size, generator=generator, device=place).to(dtype) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    times: list[float] = []
    try:
        for _ in range(3):
            torch.mm(one, other)
        deadline = time.perf_counter() + seconds
        while not times or time.perf_counter() < deadline:
            _synchronize(place)
            started = time.perf_counter()
            torch.mm(one, other)
            _synchronize(place)
            times.append(time.perf_counter() - started)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * size**3 / sorted(times)[len(times) // 2]


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
