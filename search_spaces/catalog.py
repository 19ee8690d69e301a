"""The named spaces, and how a space is found by its name or its file."""

from __future__ import annotations

from collections.abc import Callable

from search_spaces.errors import SpaceError, unknown_name
from search_spaces.paths import given_path
from search_spaces.space import SearchSpace
from search_spaces.spaces.demo import demo
from search_spaces.spaces.histopathology import histopathology
from search_spaces.spaces.longtail import longtail, longtail_cifar, longtail_cifar_published
from search_spaces.spaces.multiclass import digits_multiclass
from search_spaces.spaces.multilabel import digits_multilabel, multilabel
from search_spaces.spaces.paper import paper, paper_published, paper_search
from search_spaces.spaces.two_stage import TWO_STAGE, paper_two_stage
from search_spaces.yaml.space import read_space

NAMED_SPACES: dict[str, Callable[[], SearchSpace]] = {
    "demo": demo,
    "paper-published": paper_published,
    "paper": paper,
    TWO_STAGE: paper_two_stage,
    "paper-search": paper_search,
    "digits-multiclass": digits_multiclass,
    "longtail": longtail,
    "longtail-cifar": longtail_cifar,
    "longtail-cifar-published": longtail_cifar_published,
    "histopathology": histopathology,
    "digits-multilabel": digits_multilabel,
    "multilabel": multilabel,
}


def load_space(name_or_path: str) -> SearchSpace:
    """A named space, or the space in a file whose name ends in .yaml or .yml.

    Raises SpaceError for an unknown name (it lists the known ones) and for a wrong file.
    """
    if is_file(name_or_path):
        return read_space(given_path(name_or_path))
    build = NAMED_SPACES.get(name_or_path.casefold())
    if build is None:
        known = [*NAMED_SPACES, "or a path that ends in .yaml or .yml"]
        raise SpaceError(unknown_name("search space", name_or_path, known))
    return build()


def is_file(name_or_path: str) -> bool:
    """Whether a space is asked for by its file, not by its name."""
    return name_or_path.casefold().endswith((".yaml", ".yml"))
