"""Long tails: re-weighted sampling with augmentation, and losses beside samplers on CIFAR's long tails."""

from __future__ import annotations

from search_spaces.config.metrics import Targets
from search_spaces.policies import POLICIES
from search_spaces.reading import Reading
from search_spaces.space import Axes, SearchSpace, product

METHOD = "flip_rotate_affine_jitter"
# Of 100 test images a class, 98 % are not resolved.
RATES = Targets(tpr=(0.95, 0.9), fpr=(0.01, 0.05))
# u = 0.1, 0.02 and 0.005 of the document.
_FACTORS = [10, 50, 200]


def longtail() -> SearchSpace:
    """The document on re-weighted sampling: CIFAR-50, cross-entropy, with and without its method.

    Protocol `published`: all images train, the last of 50 epochs is scored, nothing is chosen. Per long tail

    - none, sampler, augmentation, both, at the document's learning rate and at 0.01, with which the network
      is trained to its end
    - both, with what the document names as next steps: a re-weighted loss (which corrects twice: the document
      asks for it), mixup, a learning rate that rises linearly over the first 5 epochs

    and none on all images.
    """
    fixed: Axes = {"dataset": ["cifar50-longtail-published"], "seeds": [[1, 2, 3, 4, 5, 6]]}
    rates: Axes = {"optimizer.learning_rate": [1e-4, 1e-2]}
    plain: Axes = {"loss": ["cross_entropy"]}
    tails: Axes = {"ratio": _FACTORS}
    parts: Axes = {"sampler": ["shuffle", "class_balanced"], "augmentation": ["none", METHOD]}
    both: Axes = {"sampler": ["class_balanced"]}
    augmented: Axes = {"augmentation": [METHOD]}
    method = POLICIES[METHOD].model_dump()
    mixed = {**method, "then": [*method["then"], {"name": "mixup"}]}
    settings = product(fixed, {"data.imbalance": [None]}, plain, rates)
    settings += product(fixed, tails, plain, parts, rates)
    settings += product(fixed, tails, {"loss": ["weighted_ce"]}, both, augmented, rates)
    settings += product(fixed, tails, plain, both, {"augmentation": [mixed]}, rates)
    settings += product(fixed, tails, plain, both, augmented, rates, {"optimizer.warmup_epochs": [5]})
    rows = ("loss", "sampler", "augmentation", "optimizer.warmup_epochs", "optimizer.learning_rate")
    description = "CIFAR-50 in three long tails with and without a class-balanced sampler and augmentation"
    return SearchSpace.of("longtail", settings, description, Reading(targets=RATES, rows=rows))


def longtail_cifar_published() -> SearchSpace:
    """CIFAR-100's long tail of factor 100 as the literature trains it: ResNet-32, 200 epochs, all images.

    Reported top-1 accuracy of the last epoch: cross-entropy 39.1, LDAM-DRW 42.0, logit adjustment 43.9,
    balanced softmax (logit adjustment with tau = 1) 45.1 %.

        almsweep run longtail-cifar-published --download

    It was not run: it takes a GPU. On two CPU cores, beside other work, two of its networks side by side took
    53 minutes for 40 epochs, so that 200 take about four and a half hours. These 40 epochs are
    `docs/spaces/longtail-cifar-short.yaml`, with results in docs/findings.md.
    """
    fixed: Axes = {"dataset": ["cifar100-longtail-published"], "ratio": [100], "seeds": [[1]]}
    settings = product(fixed, {"loss": ["cross_entropy", "ldam_drw", "balanced_softmax"]})
    description = "CIFAR-100 1:100 with the literature's recipe, beside published accuracies"
    reading = Reading(targets=RATES, rows=("loss",))
    return SearchSpace.of("longtail-cifar-published", settings, description, reading)


def longtail_cifar() -> SearchSpace:
    """Losses x samplers on CIFAR-10's and CIFAR-100's long tails, ResNet-32 with the literature's recipe.

    Protocol `held out`: a loss's parameters compete on validation, by macro F1, inside its row. A loss that
    knows how many examples each class has stands with the plain order alone: no row corrects twice.
    """
    fixed: Axes = {"dataset": ["cifar10-longtail", "cifar100-longtail"], "ratio": [10, 50, 100]}
    seeds: Axes = {"seeds": [[1, 2, 3]]}
    samplers: Axes = {"sampler": ["shuffle", "square_root", "class_balanced", "progressive"]}
    settings = product(fixed, seeds, {"loss": ["cross_entropy"]}, samplers)
    settings += product(fixed, seeds, {"loss": ["focal"]}, {"loss.gamma": [0.5, 1.0, 2.0]}, samplers)
    settings += product(fixed, seeds, {"loss": ["weighted_ce"]}, {"loss.exponent": [0.5, 1.0]})
    settings += product(fixed, seeds, {"loss": ["cb_ce"]}, {"loss.beta": [0.999, 0.9999]})
    settings += product(fixed, seeds, {"loss": ["ldam_drw"]})
    settings += product(fixed, seeds, {"loss": ["logit_adjusted"]}, {"loss.tau": [0.5, 1.0, 1.5]})
    scaled: Axes = {"loss": ["vector_scaling"], "loss.gamma": [0.05, 0.15], "loss.tau": [0.75, 1.25]}
    settings += product(fixed, seeds, scaled)
    description = "Losses and samplers on the long tails of CIFAR-10 and CIFAR-100, ResNet-32"
    reading = Reading(targets=RATES, rows=("loss", "sampler"))
    return SearchSpace.of("longtail-cifar", settings, description, reading)
