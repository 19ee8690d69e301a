"""The command `almsweep`. It stands beside our packages, and finds them whatever else is called like them."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def main() -> None:
    """Entry point of the console command."""
    _settle_names()
    from sweeps.cli.main import main as command

    command()


def _settle_names() -> None:
    """Call `sweeps.clash.settle_names`, of the file beside this one, whatever `sweeps` means as yet."""
    path = Path(__file__).resolve().parent / "sweeps" / "clash.py"
    spec = importlib.util.spec_from_file_location("almsweep_clash", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected a module, found none at {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.settle_names()
