"""Hypothesis strategies for configurations of every type."""

from __future__ import annotations

from hypothesis import strategies as st

from search_spaces.config import (
    Adam,
    AsymmetricFocal,
    AugmentationConfig,
    Bce,
    Binary,
    Cifar10,
    Cifar100,
    ClassBalancedBce,
    ConstraintConfig,
    Digits,
    Groups,
    ImageFolder,
    Ldam,
    MedMnist,
    Percentiles,
    ResNet10,
    Sgd,
    SmallCnn,
    Source,
    SymmetricMargin,
    TrialConfig,
    WeightedBce,
)

positive = st.floats(1e-9, 1e3)
not_negative = st.floats(0, 10)
words = st.text("abcxyz_019", min_size=1, max_size=4)
counts = st.none() | st.integers(1, 200)
shares = st.none() | st.sampled_from([0.1, 0.25])
labels = st.lists(st.integers(0, 9) | words, min_size=2, max_size=5, unique=True)

sources: st.SearchStrategy[Source] = st.one_of(
    st.sampled_from([Cifar10(), Cifar100(), Digits()]),
    st.builds(MedMnist, subset=st.sampled_from(["breastmnist", "pneumoniamnist"])),
    st.builds(MedMnist, subset=st.just("breastmnist"), groups=st.builds(Groups, column=words)),
    st.builds(
        ImageFolder,
        folder=st.sampled_from(["cifar10", "scans", "Chest X-Ray", "données", "a/b"]),
        scaling=st.sampled_from(["full_range", Percentiles(percentiles=(1, 99))]),
        size=st.sampled_from([32, 64]),
        channels=st.sampled_from([1, 3]),
    ),
)


@st.composite
def data_configs(draw: st.DrawFn) -> Binary:
    roles = draw(labels)
    cut = draw(st.integers(1, len(roles) - 1))
    source, is_share = draw(sources), draw(st.booleans())
    if source.groups is not None:
        is_share = True
    return Binary(
        source=source,
        negative=tuple(roles[:cut]),
        positive=tuple(roles[cut:]),
        imbalance_ratio=draw(st.none() | st.sampled_from([1.0, 1.5, 100.0])),
        validation_per_class=None if is_share else draw(counts),
        test_per_class=None if is_share else draw(counts),
        validation_share=draw(shares) if is_share else None,
        test_share=draw(shares) if is_share else None,
        train_share=draw(st.sampled_from([0.5, 0.9, 1.0])),
    )


losses = st.one_of(
    st.sampled_from([Bce(), Ldam()]),
    st.builds(SymmetricMargin, margin=positive),
    st.builds(AsymmetricFocal, gamma=positive),
    st.builds(ClassBalancedBce, beta=st.floats(0.01, 0.99)),
    st.builds(WeightedBce, weight_factor=positive),
)

constraints = st.none() | st.builds(
    ConstraintConfig,
    penalty=st.sampled_from([1e-2, 1e-7]) | positive,
    growth=st.sampled_from([2.0, 3.0]),
    margin=not_negative,
    introduce_at=st.integers(0, 3),
    growth_rule=st.sampled_from(["no_improvement", "released_code"]),
    max_growth_steps=st.none() | st.integers(0, 6),
)

optimizers = st.builds(
    Sgd, learning_rate=positive, weight_decay=not_negative, momentum=st.floats(0, 0.99)
) | st.builds(Adam, learning_rate=positive, schedule=st.sampled_from(["constant", "cosine"]))

initializations = st.sampled_from(["torch", "he_fan_out"])

trials = st.builds(
    TrialConfig,
    data=data_configs(),
    model=st.builds(ResNet10, width=st.integers(1, 64), initialization=initializations)
    | st.builds(SmallCnn, width=st.integers(1, 64), initialization=initializations),
    loss=losses,
    constraint=constraints,
    sampler=st.sampled_from(["shuffle", "class_balanced"]),
    augmentation=st.builds(
        AugmentationConfig, crop_padding=st.integers(0, 4), horizontal_flip=st.floats(0, 1)
    ),
    optimizer=optimizers,
    epochs=st.integers(1, 100),
    patience=st.none() | st.integers(1, 30),
    scored=st.sampled_from(["best_epoch", "last", "mean_of_last_3", "mean_of_best_3"]),
    batch_size=st.integers(2, 64),
    precision=st.sampled_from(["float32", "bf16"]),
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True).map(tuple),
)
