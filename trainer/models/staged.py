"""A network of torchvision as a trial has it: it takes over weights, and stages of it may be frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from search_spaces.errors import DataError
from trainer.models.noise import Noise

# DenseNet's published files name parts of a layer as torchvision did before 0.2.1: "norm.1" for "norm1".
_EARLIER_PARTS = tuple((f".{part}.{n}.", f".{part}{n}.") for part in ("norm", "conv") for n in (1, 2))
_COUNT_OF_BATCHES = ".num_batches_tracked"


class StagedNetwork(nn.Module):
    """A network without its own first and last layer's sizes.

    output   where its output layer stands in `network`: "fc", "classifier.1"
    frozen   the parts of `network` whose weights stay as they are
    """

    def __init__(self, network: nn.Module, output: str, frozen: Sequence[nn.Module]) -> None:
        super().__init__()
        self.network, self.output = network, output
        self._frozen = tuple(frozen)  # a tuple: they are modules of `network`, and none of this one
        for part in self._frozen:
            part.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """[B, channels, H, W] -> [B, outputs]."""
        outputs: Tensor = self.network(images)
        return outputs

    def train(self, mode: bool = True) -> StagedNetwork:
        """As any module, but for frozen parts: their batch norms and noise stay in evaluation mode."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    @torch.no_grad()
    def take_weights(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state dict of torchvision's network, all but its output layer.

        Of a grey network the first convolution takes the sum over the three colours. Raises DataError for a
        state dict of another network.
        """
        given = _named_as_here(state)
        wanted = self._taken_over()
        missing = sorted(name for name in wanted.keys() - given.keys() if _is_needed(name))
        unknown = sorted(name for name in given.keys() - wanted.keys() if not self._is_output(name))
        if missing or unknown:
            raise DataError(f"{_found(missing, 'without')}{_found(unknown, 'with')}")
        for name, own in wanted.items():
            if name in given:
                own.copy_(_fitting(name, given[name], own))

    def _taken_over(self) -> dict[str, Tensor]:
        """What a state dict has to hold, by name: all but the output layer and what noise counts by."""
        noise = []
        for name, module in self.network.named_modules():
            if isinstance(module, Noise):
                noise.append(f"{name}.")
        found = {}
        for name, value in self.network.state_dict().items():
            if not self._is_output(name) and not name.startswith(tuple(noise)):
                found[name] = value
        return found

    def _is_output(self, name: str) -> bool:
        return name.startswith(f"{self.output}.")


def _named_as_here(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    given = {}
    for name, value in state.items():
        for earlier, now in _EARLIER_PARTS:
            name = name.replace(earlier, now)
        given[name] = value
    return given


def _is_needed(name: str) -> bool:
    """Whether a state dict must hold an entry: early files do not count the batches of a batch norm."""
    return not name.endswith(_COUNT_OF_BATCHES)


def _fitting(name: str, given: Tensor, own: Tensor) -> Tensor:
    """What is given for one entry, of a grey image's first convolution summed over colours."""
    if given.ndim == 4 and own.ndim == 4 and given.shape[1] == 3 and own.shape[1] == 1:
        given = given.sum(dim=1, keepdim=True)
    if given.shape != own.shape:
        raise DataError(f"found {name} of shape {list(given.shape)}, expected {list(own.shape)}")
    return given


def _found(names: Sequence[str], how: str) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"found one {how} {names[0]}{more}; "
