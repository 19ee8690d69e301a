"""The house: rooms whose arrows run one way, and what only tasks may know."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A package's rooms (folders, and files beside them) from the top down: each may import from those below it.
FLOORS = {
    "search_spaces": [
        ["catalog", "redaction", "sizes"],
        ["spaces", "yaml"],
        ["space"],
        ["fingerprint"],
        ["search_block"],
        ["search"],
        ["domains", "reading"],
        ["axis", "published", "rows"],
        ["labels", "names", "paths", "settings"],
        ["classes", "presets"],
        ["keys", "longtail", "multilabel", "paper", "policies"],
        ["problem"],
        ["config"],
        ["errors"],
        ["limits", "words"],
    ],
    "trainer": [
        ["export"],
        ["evaluate", "testing", "trial", "trial_probe"],
        ["resume"],
        ["changed_data", "fit", "probe", "results", "trial_needs"],
        ["checkpoint", "store", "writer"],
        ["replicate"],
        ["models", "scored", "setup", "training_step"],
        ["device", "losses", "options", "patience"],
        ["data"],
        ["seeds", "tasks"],
        ["compat", "interpreter", "limits", "metrics", "pace", "registry", "scratch"],
    ],
    "sweeps": [
        ["command", "launch"],
        ["cli"],
        ["driver"],
        ["capacity", "search", "tracking"],
        ["cluster", "plan"],
        ["child", "compat", "hints", "options", "signals", "temp"],
        ["clash", "orphans"],
        ["processes"],
    ],
    "analysis": [
        ["report"],
        ["curves", "explain", "pictures"],
        ["tables"],
        ["numbers"],
        ["authors_frame", "facts"],
        [
            "across_frame",
            "authors",
            "calibration_frame",
            "comparison_frame",
            "confirmed",
            "frames",
            "operating_frame",
            "provenance",
            "rank_frame",
            "render",
        ],
        ["class_counts", "co_occurrence", "importance", "labels"],
        ["confusion", "label_curves", "settings", "statistics", "table_columns"],
        ["cells"],
        ["oracle"],
        ["load", "mixture", "select"],
        ["trials"],
        ["outputs"],
        ["alignment", "found"],
        ["replicates"],
        ["records"],
        ["adjusted", "crew", "figure_files", "tuned"],
    ],
}
# Where the kinds of task are told apart; presets and named spaces are data.
MAY_NAME_TASKS = {
    "search_spaces/config/__init__.py",
    "search_spaces/config/losses/base.py",
    "search_spaces/config/losses/multiclass.py",
    "search_spaces/config/losses/multilabel.py",
    "search_spaces/config/tasks/binary.py",
    "search_spaces/config/tasks/multiclass.py",
    "search_spaces/config/tasks/multilabel.py",
    "search_spaces/config/tasks/registered.py",
    "search_spaces/longtail/presets.py",
    "search_spaces/multilabel/presets.py",
    "search_spaces/paper/presets.py",
}


def sources(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    assert len(found) > 10, package
    return found


def type_checking_only(tree: ast.AST) -> set[ast.AST]:
    """Nodes that no program runs: below `if TYPE_CHECKING`."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                found.update(ast.walk(statement))
    return found


def imported(path: Path, known: Mapping[str, Path]) -> set[str]:
    """The modules among `known` that a file imports, functions' own imports included.

    Whoever takes a module of a room from the room's door imports both.
    """
    tree = ast.parse(path.read_text())
    skipped = type_checking_only(tree)
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found & known.keys()


def room_of(module: str) -> str:
    """The folder of a module below its package, or the module's own name."""
    return module.split(".")[1]


@pytest.mark.parametrize("package", FLOORS)
def test_files_import_in_no_circle(package: str) -> None:
    known = sources(package)
    left = {name: imported(path, known) - {name} for name, path in known.items()}
    while left:
        free = [name for name, needs in left.items() if not needs & left.keys()]
        assert free, f"these import each other: {sorted(left)}"
        for name in free:
            del left[name]


@pytest.mark.parametrize("package", FLOORS)
def test_rooms_import_from_the_floors_below_them(package: str) -> None:
    known = sources(package)
    floor = {room: number for number, rooms in enumerate(FLOORS[package]) for room in rooms}
    rooms = {room_of(name) for name in known if "." in name}
    assert rooms == floor.keys()
    for name, path in known.items():
        if "." not in name:
            continue
        for other in imported(path, known) - {package}:
            here, there = room_of(name), room_of(other)
            assert here == there or floor[here] < floor[there], f"{name} imports {other}"


@pytest.mark.parametrize("package", FLOORS)
def test_only_tasks_know_the_kinds_of_task(package: str) -> None:
    names = re.compile(
        r"\b(Binary|MultiClass|MultiLabel)(Arrays|Tensors)?\b|[\"'](binary|multiclass|multi_label)[\"']"
    )
    for path in sources(package).values():
        place = path.relative_to(ROOT).as_posix()
        if place in MAY_NAME_TASKS or place.startswith(("trainer/tasks/", "trainer/losses/")):
            continue
        code = ast.parse(path.read_text())
        for node in ast.walk(code):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value.value = ""  # docstrings may explain
        assert not names.search(ast.unparse(code)), f"{place} asks what kind of task it is"


@pytest.mark.parametrize("package", FLOORS)
def test_a_rooms_door_is_empty_or_declared(package: str) -> None:
    for name, path in sources(package).items():
        if path.name != "__init__.py":
            continue
        names = [n for n in imported_names(path) if not n.startswith("_")]
        module = importlib.import_module(name)
        assert sorted(getattr(module, "__all__", [])) == sorted(names), name


def imported_names(path: Path) -> list[str]:
    """What an `__init__` brings into its room."""
    found: list[str] = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            found += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
    return found
