"""`--help` on any terminal: every command's sentence whole, on as many lines as it takes."""

from __future__ import annotations

import shutil
from typing import Any

import typer.core

# More than any sentence has: click cuts what is longer.
_WHOLE = 10_000
# Below that click would write lines that are longer than the terminal.
_NARROW = 52


class WholeSentences(typer.core.TyperGroup):
    """A group of commands that cuts no command's description."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of a call; on a narrow terminal the list of commands is narrow too."""
        columns = shutil.get_terminal_size().columns
        has_command = any(not word.startswith("-") for word in args)
        if columns < _NARROW and not has_command:
            extra.setdefault("terminal_width", columns)
        return super().make_context(info_name, args, parent, **extra)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command's name and its sentence, which the formatter wraps."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(_WHOLE)))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
