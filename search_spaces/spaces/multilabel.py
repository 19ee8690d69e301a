"""Images with several labels, two of them rare: losses, weights, samplers and learning rates."""

from __future__ import annotations

from search_spaces.config.metrics import Targets
from search_spaces.reading import Reading
from search_spaces.space import Axes, SearchSpace, product

# Of 425 test images with the rarest label, 98 % are resolved; of 68 digits, 95 % are.
_RATES = Targets(tpr=(0.95, 0.9), fpr=(0.01, 0.05))
_ROWS = ("loss", "loss.weighting", "sampler", "constraint", "optimizer.schedule")
_WEIGHTINGS = ["negatives_per_positive", "inverse_share"]
# The document's gamma.
_GAMMA: Axes = {"loss.gamma": [1.5]}
_RESAMPLED = [{"resample": name} for name in ("lp_ros", "ml_ros", "ml_rus", "single_label")]


def multilabel() -> SearchSpace:
    """The third document's question: which loss, weight, sampler or learning rate finds its rare labels.

    CIFAR-10 mosaics with the document's prevalences. Each with the document's learning rate, divided by ten
    after every epoch, with a constant one and with a cosine:

    - BCE, focal loss, asymmetric loss
    - the document's attempts: BCE with both of its weights on the positives, focal loss with them on both
      terms
    - focal loss with them on the positive term, and the distribution-balanced loss
    - BCE beside samplers that know label sets, and beside the document's plan, copies of images of one label
    - BCE with the constraint on the two rare labels

    No row corrects twice. Thresholds are chosen on validation afterwards, and cost no trial.
    """
    fixed: Axes = {"dataset": ["cifar10-multilabel"], "seeds": [[1, 2, 3]]}
    settings = _settings(fixed, [1e-4], ["exponential", "constant", "cosine"])
    description = "Mosaics with four labels, two of them rare: losses, weights, samplers, learning rates"
    return SearchSpace.of("multilabel", settings, description, Reading(targets=_RATES, rows=_ROWS))


def digits_multilabel() -> SearchSpace:
    """The rows of `multilabel` on mosaics of digits, at a constant learning rate; needs no download.

    Minutes on two cores.
    """
    fixed: Axes = {"dataset": ["digits-multilabel"], "seeds": [[1, 2, 3]]}
    settings = _settings(fixed, [0.05], ["constant"])
    description = "Mosaics of digits with four labels, two of them rare; needs no download"
    return SearchSpace.of("digits-multilabel", settings, description, Reading(targets=_RATES, rows=_ROWS))


def _settings(fixed: Axes, rates: list[float], schedules: list[str]) -> list[dict[str, object]]:
    """Every row at every learning rate and schedule."""
    steps: Axes = {"optimizer.learning_rate": rates, "optimizer.schedule": schedules}
    bce: Axes = {"loss": ["ml_bce"]}
    weights: Axes = {"loss.weighting": _WEIGHTINGS}
    constraints: Axes = {"constraint": ["ALM_14_beg", "ALM_16_beg"], "delta": [0.25, 1.0]}
    settings = product(fixed, steps, {"loss": ["ml_bce", "asymmetric", "distribution_balanced"]})
    settings += product(fixed, steps, {"loss": ["ml_fl"]}, _GAMMA)
    settings += product(fixed, steps, {"loss": ["ml_w_bce"]}, weights)
    settings += product(fixed, steps, {"loss": ["ml_w_fl", "ml_fl_both"]}, _GAMMA, weights)
    settings += product(fixed, steps, bce, {"sampler": _RESAMPLED})
    settings += product(fixed, steps, bce, constraints)
    return settings
