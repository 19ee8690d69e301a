"""The document's medical case: few tumour patches, split by patient, with and without its method."""

from __future__ import annotations

from search_spaces.reading import Reading
from search_spaces.space import Axes, SearchSpace, product
from search_spaces.spaces.longtail import METHOD, RATES


def histopathology() -> SearchSpace:
    """Breast histopathology (IDC), 60 / 20 / 20 by patient, with and without sampler and augmentation.

    The data are "Breast Histopathology Images" (277,524 patches of 50 x 50 pixels, of 279 patients; Janowczyk
    and Madabhushi 2016, Cruz-Roa et al. 2014), which Kaggle has as paultimothymooney/breast-histopathology-
    images. Unpacked to `breast-histopathology` below the data directory, so that it holds

        PATIENT/0/PATIENT_idx5_x51_y1251_class0.png        no tumour
        PATIENT/1/PATIENT_idx5_x551_y651_class1.png        invasive ductal carcinoma

    The patient is the first folder. Whole patients are drawn for validation and test. A seed draws 0.65 % of
    the negatives that are left, about the document's 772, and a positive for 10.2 of these, so 76; validation
    and test stay as they are.

    Cross-entropy over both classes, and the document's schedule: SGD 1e-4, momentum 0.9, batches of 32, 50
    epochs, the last of which is scored. A learning rate of 0.01 beside it trains a small network to its end.
    Each of none, sampler, augmentation and both has a row, so nothing is chosen. The network is that of
    `longtail`: the document's own is lost, and so are the magnitudes of its augmentation.

    It was not run: the data were not at hand. docs/findings.md has the same rows on ultrasound images.
    """
    fixed: Axes = {
        "dataset": ["breast-histopathology"],
        # 772 patches without a tumour and 76 with one.
        "ratio": [10.2],
        "loss": ["cross_entropy"],
        "seeds": [list(range(1, 11))],
    }
    parts: Axes = {"sampler": ["shuffle", "class_balanced"], "augmentation": ["none", METHOD]}
    rates: Axes = {"optimizer.learning_rate": [1e-4, 1e-2]}
    rows = ("sampler", "augmentation", "optimizer.learning_rate")
    description = "Tumour patches 1:10.2, split by patient, with and without a sampler and augmentation"
    reading = Reading(targets=RATES, rows=rows)
    return SearchSpace.of("histopathology", product(fixed, parts, rates), description, reading)
