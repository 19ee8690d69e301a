"""A stored sweep whose tables and figures are as wide as they come: long names, many rows and rates."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from analysis.tables import Tables, make_tables
from search_spaces.config import (
    AsymmetricFocal,
    AsymmetricMargin,
    Bce,
    Binary,
    ClassBalancedBce,
    ConstraintConfig,
    CrossEntropy,
    ImageFolder,
    Ldam,
    LossConfig,
    MultiClass,
    ResNet10,
    SymmetricFocal,
    SymmetricMargin,
    Targets,
    TrialConfig,
    WeightedBce,
)
from search_spaces.reading import Reading
from tests.analysis.stored_sweep import CIFAR, SIZES, SweepBuilder, noise, trial
from trainer.store import SweepManifest
from trainer.store.outputs import outputs_table

SEEDS = (1, 2)
ROWS = ("loss", "model.width", "sampler", "constraint.penalty")
RATES = Targets(tpr=(0.995, 0.99, 0.98, 0.95, 0.9, 0.8), fpr=(0.01, 0.05))
ALM = ConstraintConfig(penalty=0.000123456789, margin=0.12345678901234)
LOSSES: tuple[LossConfig, ...] = (
    Bce(),
    SymmetricMargin(margin=0.123456789),
    SymmetricFocal(gamma=0.5),
    AsymmetricMargin(margin=4),
    AsymmetricFocal(gamma=1),
    ClassBalancedBce(beta=0.9999),
    WeightedBce(weight_factor=1 / 3),
    Ldam(),
)
OWN = Binary(
    source=ImageFolder(folder="Thorax_2019-2024.reexported_" + "a" * 70, size=64),
    negative=("sain", "bénin – sans_suite", "肺正常", "здоровый"),
    positive=("Pneumonie ≥ 2 cm", "ostre_zapalenie_płuc"),
    validation_per_class=50,
    test_per_class=100,
)
SEVERAL = MultiClass(
    source=ImageFolder(folder="skin"),
    classes=("melanocytic_nevus", "vascular_lesion", "basal-cell_carcinoma (late)", "melanoma_in_situ"),
    critical=("basal-cell_carcinoma (late)", "melanoma_in_situ"),
)
PATH = "/home/someone/with a long name/results/trials/" + "0123456789abcdef" * 6 + "/scores.parquet"


def wide_tables(builder: SweepBuilder) -> Tables:
    """Tables of four blocks: many rows, own data with long names, several classes, nothing that ended."""
    for loss in LOSSES[:3]:
        for width in (8, 16):
            for constraint in (None, ALM):
                model = ResNet10(width=width)
                config = trial(loss, constraint, model=model, sampler="class_balanced", seeds=SEEDS)
                builder.complete(config, config.trial_id, 1.0, 1.0)
    for constraint in (None, ALM):
        config = trial(Bce(), constraint, data=OWN, seeds=SEEDS)
        builder.complete(config, config.trial_id, 1.0, 1.0)
    for width in (8, 16):
        _complete_several(
            builder, trial(CrossEntropy(), data=SEVERAL, seeds=SEEDS, model=ResNet10(width=width))
        )
    _leave_unfinished(builder)
    reading = Reading(rows=ROWS, targets=RATES)
    manifest = SweepManifest(
        "a sweep_with-a very long name & 100 % more", tuple(builder.trials), reading=reading
    )
    return make_tables(builder.store, manifest, shown=RATES)


def _complete_several(builder: SweepBuilder, config: TrialConfig) -> None:
    builder.add(config)
    classes = len(SEVERAL.classes)
    for seed in SEEDS:
        tables = []
        for split, (few, many) in SIZES.items():
            targets = np.repeat(np.arange(classes, dtype=np.int16), [many, few, few, few])
            ids = [str(1000 + i) for i in range(len(targets))]
            outputs = np.array([[noise(f"{seed}/{split}/{i}/{c}") for c in range(classes)] for i in ids])
            outputs[np.arange(len(targets)), targets] += 1
            tables.append(outputs_table(split, ids, targets, outputs.astype(np.float32)))
        builder.replicate(config, seed, pa.concat_tables(tables))


def _leave_unfinished(builder: SweepBuilder) -> None:
    """A block of many rows of which each says at length why it has no result."""
    for loss in LOSSES:
        for constraint in (None, ALM):
            config = builder.add(trial(loss, constraint, data=CIFAR.with_ratio(33.333), seeds=SEEDS))
            message = f"{PATH}: could not be read: [Errno 5] Input/output error"
            failure = {"error": "OSError", "message": message, "seeds": list(SEEDS)}
            builder.store.notes.write_failure(config.trial_id, failure)
