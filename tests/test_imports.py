"""The import arrows: search_spaces -> trainer -> sweeps; analysis reads results without torch or Ray."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("search_spaces", "trainer", "sweeps", "analysis")

# What each package may not import, at any depth of nesting in its source.
FORBIDDEN = {
    "search_spaces": {
        "trainer",
        "sweeps",
        "analysis",
        "torch",
        "torchvision",
        "ray",
        "mlflow",
        "optuna",
        "pandas",
    },
    "trainer": {"sweeps", "analysis", "ray", "mlflow", "optuna", "pandas"},
    "sweeps": {"pandas"},
    "analysis": {"sweeps", "torch", "torchvision", "ray", "mlflow", "optuna"},
}
# The one module of a package that may import what is forbidden to the others.
ALLOWED = {"optuna": "analysis/importance.py"}
ANALYSIS_MAY_TAKE = {
    "trainer",
    "trainer.interpreter",
    "trainer.limits",
    "trainer.metrics",
    "trainer.seeds",
    "trainer.store",
    "trainer.tasks",
}


def imported_modules(path: Path) -> set[str]:
    """Every module that a source file imports, as dotted names, functions' own imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def sources(package: str) -> list[Path]:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"{package} holds no source"
    return files


@pytest.mark.parametrize("package", OURS)
def test_no_import_against_the_arrows(package: str) -> None:
    for path in sources(package):
        place = path.relative_to(ROOT).as_posix()
        for module in imported_modules(path):
            library = module.split(".")[0]
            assert library not in FORBIDDEN[package] or ALLOWED.get(library) == place, (
                f"{place} imports {module}"
            )


def test_analysis_takes_only_what_needs_no_torch_from_the_trainer() -> None:
    for path in sources("analysis"):
        for module in imported_modules(path):
            if module.split(".")[0] == "trainer":
                taken = ".".join(module.split(".")[:2])
                assert taken in ANALYSIS_MAY_TAKE, f"{path.relative_to(ROOT)} imports {module}"


def test_trainer_package_imports_nothing() -> None:
    assert imported_modules(ROOT / "trainer" / "__init__.py") == set()


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import search_spaces.catalog", {"torch", "ray", "mlflow", "pandas", "numpy"}),
        ("import analysis.tables, analysis.pictures", {"torch", "ray", "mlflow", "optuna"}),
        ("import trainer.trial, trainer.evaluate", {"ray", "mlflow", "optuna", "torchvision"}),
        ("import sweeps.cli.main", {"torch", "ray", "mlflow", "optuna", "pandas", "sklearn", "matplotlib"}),
    ],
)
def test_what_an_import_loads(statement: str, absent: set[str]) -> None:
    program = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not absent & set(done.stdout.split())


def test_docker_is_no_package() -> None:
    assert not (ROOT / "docker" / "__init__.py").exists()
