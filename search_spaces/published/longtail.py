"""Published figures of long tails.

The document on re-weighted sampling: CIFAR-50 at u = 0.1, 0.02 and 0.005, cross-entropy, 50 epochs, without
its method and with it (class-balanced sampler; rotation, affine, flip and colour jitter), and its
breast-histopathology set of 772 negative and 76 positive patches. Which of its networks and magnitudes it
took is not known.

The literature on CIFAR-100's long tail of factor 100: ResNet-32, 200 epochs, accuracy alone. Balanced softmax
(Ren et al., NeurIPS 2020) is logit adjustment (Menon et al., ICLR 2021) with tau = 1: one trial, two figures.
"""

from __future__ import annotations

from search_spaces.published.figure import Published

_DOCUMENT = "the document on re-weighted sampling with augmentation"
_LITERATURE = "the literature's ResNet-32 of 200 epochs"

_NONE = frozenset[str]()
_METHOD = frozenset({"horizontal_flip", "rotation", "affine", "color_jitter"})
_CROP_FLIP = frozenset({"random_crop", "horizontal_flip"})

# By data and tail: macro F1 and accuracy without the method, and with it.
_OF_DOCUMENT = {
    ("cifar50", "cui 1:10"): ((0.425, 0.4612), (0.503, 0.5156)),
    ("cifar50", "cui 1:50"): ((0.2677, 0.3298), (0.3714, 0.394)),
    ("cifar50", "cui 1:200"): ((0.1717, 0.2434), (0.3389, 0.3838)),
    ("histopathology", None): ((0.6673, 0.6965), (0.7382, 0.7448)),
}
# By what a loss must be: accuracies.
_OF_LITERATURE = (
    ({"loss.name": ("cross_entropy",)}, (0.391,)),
    ({"loss.name": ("ldam_drw",)}, (0.42,)),
    ({"loss.name": ("logit_adjusted",), "loss.tau": (1.0,)}, (0.439, 0.451)),
)


def _of_document() -> list[Published]:
    found = []
    for (data, tail), rows in _OF_DOCUMENT.items():
        parts = (("shuffle", _NONE), ("class_balanced", _METHOD))
        for (sampler, steps), (macro_f1, accuracy) in zip(parts, rows, strict=True):
            settings: dict[str, tuple[object, ...]] = {
                "loss.name": ("cross_entropy", "bce"),
                "sampler": (sampler,),
                "optimizer.schedule": ("constant",),
                "optimizer.warmup_epochs": (0,),
            }
            found.append(Published(_DOCUMENT, data, tail, steps, settings, (macro_f1,), (accuracy,)))
    return found


def _of_literature() -> list[Published]:
    found = []
    for loss, accuracy in _OF_LITERATURE:
        settings: dict[str, tuple[object, ...]] = {
            **loss,
            "model.name": ("resnet32",),
            "sampler": ("shuffle",),
        }
        one = Published(_LITERATURE, "cifar100", "exponential 1:100", _CROP_FLIP, settings, accuracy=accuracy)
        found.append(one)
    return found


LONG_TAILS = (*_of_document(), *_of_literature())
