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
# The document's network, from torchvision's published weights; the others are tried beside it with plain BCE.
_WEIGHTS = "IMAGENET1K_V1"
_NETWORK: Axes = {"model": [{"name": "densenet121", "weights": _WEIGHTS}]}
_OTHER_NETWORKS: Axes = {
    "model": [
        {"name": name, "weights": _WEIGHTS}
        for name in ("resnet18", "resnet50", "efficientnet_b0", "convnext_tiny")
    ]
}
_RESAMPLED = [{"resample": name} for name in ("lp_ros", "ml_ros", "ml_rus", "single_label")]


def multilabel() -> SearchSpace:
    """The third document's question: which loss, weight, sampler or learning rate finds its rare labels.

    CIFAR-10 mosaics of 64 x 64 pixels with the document's prevalences, and its network: DenseNet-121 from
    torchvision's ImageNet weights, all of it trained. Each with the document's learning rate, divided by ten
    after every epoch, with a constant one and with a cosine:

    - BCE, focal loss, asymmetric loss
    - the document's attempts: BCE with both of its weights on the positives, focal loss with them on both
      terms
    - focal loss with them on the positive term, and the distribution-balanced loss
    - BCE beside samplers that know label sets, and beside the document's plan, copies of images of one label
    - BCE with the constraint on the two rare labels
    - BCE with ResNet-18, ResNet-50, EfficientNet-B0 and ConvNeXt-Tiny, from their ImageNet weights

    No row corrects twice. Thresholds are chosen on validation afterwards, and cost no trial.

        almsweep plan multilabel --probe --data-dir data --download    # hours, measured
        almsweep run multilabel --data-dir data --download             # CIFAR-10, 316 MB of weights

    Made for a GPU: an epoch of one replicate of DenseNet-121 takes 12 minutes on one core, measured with
    weights that were drawn, so its 54 trials about 330 core-hours. It was not run, on a GPU neither. Rows of
    a space of your own may begin with drawn weights (`model: {name: densenet121}`), and need no download.
    """
    fixed: Axes = {"dataset": ["cifar10-multilabel"], "seeds": [[1, 2, 3]]}
    rates, schedules = [1e-4], ["exponential", "constant", "cosine"]
    settings = _settings({**fixed, **_NETWORK}, rates, schedules)
    steps: Axes = {"optimizer.learning_rate": rates, "optimizer.schedule": schedules}
    settings += product(fixed, steps, {"loss": ["ml_bce"]}, _OTHER_NETWORKS)
    description = "Mosaics with four labels, two of them rare: losses, weights, samplers, learning rates"
    reading = Reading(targets=_RATES, rows=(*_ROWS, "model"))
    return SearchSpace.of("multilabel", settings, description, reading)


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
