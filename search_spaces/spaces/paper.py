"""The paper's experiments: every combination, the published rows, and a search beyond them."""

from __future__ import annotations

from search_spaces.paper.named import CONSTRAINTS, LOSSES, MARGINS
from search_spaces.paper.published import published_settings
from search_spaces.search_block import PUBLISHED
from search_spaces.space import Axes, SearchSpace, product


def paper() -> SearchSpace:
    """Every combination of the paper's binary CIFAR experiments, ten seeds: 4 x (21 + 20 x 8 x 5) = 3,284."""
    blocks: Axes = {"dataset": ["cifar10", "cifar100"], "ratio": [100, 200]}
    without = product(blocks, {"loss": list(LOSSES)})
    constrained_losses = [name for name, loss in LOSSES.items() if loss.takes_constraint]
    constraints: Axes = {"constraint": list(CONSTRAINTS), "delta": MARGINS}
    constrained = product(blocks, {"loss": constrained_losses}, constraints)
    description = (
        "Every combination of the paper's losses, ALM configurations and deltas on CIFAR-10 and CIFAR-100"
    )
    return SearchSpace.of("paper", without + constrained, description)


def paper_published() -> SearchSpace:
    """The 68 configurations that the paper's authors publish, row by row."""
    description = "The configurations selected in the paper, row by row of its four tables"
    return SearchSpace.of("paper-published", published_settings(), description)


def paper_search() -> SearchSpace:
    """A search over the paper's losses, their parameters, penalty and margin on CIFAR-10 1:100, ten seeds.

    The ranges reach beyond the paper's grids; the block's 17 published configurations come first.
    """
    fixed: dict[str, object] = {"dataset": "cifar10", "ratio": 100}
    losses = ["bce", "s_lm", "s_fl", "a_lm", "a_fl", "cb_bce", "w_bce", "ldam", "mbauc"]
    domains = {
        "loss.name": {"choice": losses},
        "loss.margin": {"log_uniform": [0.1, 10], "when": {"loss.name": ["s_lm", "a_lm"]}},
        "loss.gamma": {"log_uniform": [0.1, 5], "when": {"loss.name": ["s_fl", "a_fl"]}},
        "loss.beta": {"choice": [0.9, 0.99, 0.999, 0.9999, 0.99999], "when": {"loss.name": ["cb_bce"]}},
        "loss.weight_factor": {"log_uniform": [0.1, 3], "when": {"loss.name": ["w_bce"]}},
        "loss.max_margin": {"uniform": [0.1, 1], "when": {"loss.name": ["ldam"]}},
        "constraint": {"choice": ["none", "ALM_14_beg"], "when": {"loss.name": losses[:-1]}},
        "constraint.penalty": {"log_uniform": [1e-9, 1e-2]},
        "constraint.margin": {"uniform": [0, 1]},
    }
    search: dict[str, object] = {"domains": domains, "start": PUBLISHED}
    description = "A search over losses, penalty and margin on CIFAR-10 1:100; published configurations first"
    return SearchSpace.searched("paper-search", fixed, search, description)
