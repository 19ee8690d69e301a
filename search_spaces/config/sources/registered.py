"""Every source as one type of field."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from search_spaces.config.registry import Registry
from search_spaces.config.sources.base import AbsentSource, Source
from search_spaces.config.sources.files import ImageFolder, Manifest
from search_spaces.config.sources.mosaics import Cifar10Mosaic, DigitMosaic
from search_spaces.config.sources.named import Cifar10, Cifar100, Digits, MedMnist

SOURCE_TYPES: Registry[Source] = Registry(
    Source,
    AbsentSource,
    Cifar10,
    Cifar100,
    Digits,
    MedMnist,
    ImageFolder,
    Manifest,
    DigitMosaic,
    Cifar10Mosaic,
)

if TYPE_CHECKING:
    SourceConfig: TypeAlias = Source
else:
    SourceConfig = SOURCE_TYPES.annotation()
