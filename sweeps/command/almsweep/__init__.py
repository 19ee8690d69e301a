"""The command `almsweep`: a package of its own, which finds ours whatever else is called like them.

It is installed beside our packages, and stands in `sweeps/command` in a checkout.
"""

from __future__ import annotations

import importlib.util
import pathlib

__all__ = ["main"]


def main() -> None:
    """Entry point of the console command."""
    _settle_names()
    from sweeps.cli.main import main as command

    command()


def _settle_names() -> None:
    """Call `sweeps.clash.settle_names` by its file, whatever `sweeps` means as yet."""
    here = pathlib.Path(__file__).resolve().parent
    in_checkout, installed = here.parents[1] / "clash.py", here.parent / "sweeps" / "clash.py"
    path = in_checkout if in_checkout.is_file() else installed
    spec = importlib.util.spec_from_file_location("almsweep_clash", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected a module, found none at {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.settle_names()
