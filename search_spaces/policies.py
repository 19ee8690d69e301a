"""Augmentations by name, and the way back from a configuration to a short text.

none                        images as they are
crop_flip                   the default: a crop after zero-padding by 4, and a flip of every second image
flip_rotate_affine_jitter   four steps, each with probability 0.3: flip; a turn by up to 15 degrees; a shift
                            by up to 10 % and a scale of 0.9 to 1.1; brightness, contrast and saturation by up
                            to 20 %, hue by up to 0.05 turns. The steps and the probability are those of the
                            document on re-weighted sampling, whose magnitudes are lost
"""

from __future__ import annotations

from search_spaces.config import AugmentationConfig, number
from search_spaces.config.augmentation import Affine, Augmentation, ColorJitter, Rotation
from search_spaces.errors import SpaceError, unknown_name

_SHARE = 0.3

POLICIES: dict[str, AugmentationConfig] = {
    "none": AugmentationConfig(crop_padding=0, horizontal_flip=0.0),
    "crop_flip": AugmentationConfig(),
    "flip_rotate_affine_jitter": AugmentationConfig(
        crop_padding=0,
        horizontal_flip=_SHARE,
        then=(
            Rotation(degrees=15.0, probability=_SHARE),
            Affine(translate=0.1, scale=(0.9, 1.1), probability=_SHARE),
            ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05, probability=_SHARE),
        ),
    ),
}
_NAMES = {policy: name for name, policy in POLICIES.items()}


def policy_by_name(name: str) -> AugmentationConfig:
    """The named augmentation. Raises SpaceError for an unknown name."""
    known = POLICIES.get(name.casefold())
    if known is None:
        raise SpaceError(unknown_name("augmentation", name, list(POLICIES)))
    return known


def policy_name(augmentation: AugmentationConfig) -> str:
    """The augmentation's name, else a named one and what follows it, else its steps. All differ.

    >>> policy_name(AugmentationConfig(crop_padding=2))
    'random_crop(padding=2)+horizontal_flip'
    """
    named = _NAMES.get(augmentation)
    if named is not None:
        return named
    for kept in range(len(augmentation.then), 0, -1):
        first = augmentation.model_copy(update={"then": augmentation.then[:kept]})
        if first in _NAMES and first != POLICIES["none"]:
            return "+".join([_NAMES[first], *map(_step_name, augmentation.then[kept:])])
    crop, flip, *then = augmentation.steps
    words = [_step_name(crop)] if augmentation.crop_padding else []
    words += [_step_name(flip)] if augmentation.horizontal_flip else []
    return "+".join([*words, *map(_step_name, then)])


def _step_name(step: Augmentation) -> str:
    """The step with the fields that are not its defaults: "affine(degrees=5)"."""
    given = []
    fields = type(step).model_fields
    for key, value in step:
        is_default = key in fields and value == fields[key].get_default()
        if key == "plugin" and step.plugin is not None:
            given.append(f"plugin={step.plugin.package}")
        elif key not in ("name", "plugin") and not is_default:
            given.append(f"{key}={_text(value)}")
    return f"{step.name}({', '.join(given)})" if given else step.name


def _text(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, tuple):
        return "-".join(map(_text, value))
    return str(value)
