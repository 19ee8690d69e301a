"""Messages count in the right number: "1 trial", never "1 trials" nor "1 trial(s)"."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("search_spaces", "trainer", "sweeps", "analysis", "benchmarks", "docs")
THINGS = "trials|replicates|runs|epochs|nodes|candidates|examples|images|files|sweeps|blocks|seeds"
# A number, and the thing that it counts for all numbers alike.
COUNTED = re.compile(rf"^ (?:{THINGS})\b")
# "3 of 4 trials" is right of 1 as well: of one, nobody counts a part.
OF_ALL = re.compile(r"(?:\bof |/)$")


def told(tree: ast.AST) -> list[str]:
    """What strings of a module say wrongly for one thing."""
    found = []
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            found += re.findall(r"\w+\(s\)", node.value)
        if isinstance(node, ast.JoinedStr):
            found += _counted(node)
    return found


def _counted(node: ast.JoinedStr) -> list[str]:
    found, before = [], ""
    for part, behind in zip(node.values, node.values[1:], strict=False):
        if isinstance(part, ast.Constant):
            before = str(part.value)
        elif isinstance(behind, ast.Constant):
            words = COUNTED.match(str(behind.value))
            if words and _is_count(part) and not OF_ALL.search(before):
                found.append(ast.unparse(node))
            before = ""
    return found


def _is_count(part: ast.expr) -> bool:
    """Whether it is surely a number that may be one: a length, or one with commas; no constant."""
    assert isinstance(part, ast.FormattedValue)
    if isinstance(part.value, ast.Name) and part.value.id.isupper():
        return False
    has_commas = part.format_spec is not None and ast.unparse(part.format_spec).strip("f'\"") == ","
    return has_commas or ast.unparse(part.value).startswith("len(")


def test_messages_count_in_the_right_number() -> None:
    found = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            words = told(ast.parse(path.read_text()))
            if words:
                found[str(path.relative_to(ROOT))] = words
    assert found == {}


def test_a_wrong_number_is_seen() -> None:
    assert told(ast.parse('print(f"{n:,} trials left")')) != []
    assert told(ast.parse('print(f"{n} trial(s)")')) == ["trial(s)"]
    assert told(ast.parse('print(f"{n} of {m} trials")')) == []
