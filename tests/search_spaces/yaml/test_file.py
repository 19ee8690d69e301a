"""The strict reader: what it reads as what, and what it refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.problem import Problem
from search_spaces.yaml.file import read_yaml


def read(folder: Path, text: str | bytes) -> object:
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("-.inf", -math.inf),
        ("12", 12),
        ("-0", 0),
        ("1:20", "1:20"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("off", "off"),
        ("True", True),
        ("null", None),
        ("~", None),
        ("none", "none"),
        ("'1'", "1"),
        ("2020-01-01", "2020-01-01"),
        ("", None),
        ("é", "é"),
    ],
)
def test_plain_values(tmp_path: Path, text: str, value: object) -> None:
    found = read(tmp_path, f"a: {text}")
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_not_a_number(tmp_path: Path) -> None:
    found = read(tmp_path, "[.nan]")
    assert isinstance(found, list)
    assert math.isnan(found[0])


def test_empty_file_and_byte_order_mark(tmp_path: Path) -> None:
    assert read(tmp_path, "# nothing\n") is None
    assert read(tmp_path, b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_aliases_are_values(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(trees)
def test_json_is_read_as_json(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    found = read(tmp_path_factory.getbasetemp(), json.dumps(tree))
    assert found == tree
    assert repr(found) == repr(tree)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]" for i in range(8)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [1",
            "line 1, column 6: expected valid YAML, given a fault (expected ',' or ']', but got '<stream",
        ),
        (
            "a:\n\tb: 1",
            "line 2, column 1: expected valid YAML, given a fault (found character '\\t' that cannot",
        ),
        ("a: *b", "line 1, column 4: expected valid YAML, given a fault (found undefined alias 'b')"),
        ("--- 1\n--- 2", "line 2, column 1: expected valid YAML, given a fault (but found another document)"),
        ("a: \x07", "expected valid YAML, given a fault (unacceptable character #x0007"),
        (b"a: \xff", "expected text in UTF-8, given byte 0xff at 3"),
        ("a:\n  b: 1\n  b: 2", "a.b: expected every key once, given again on line 3"),
        ('a: "\\ud800"', "a: expected text, given an escape that is half a character"),
        ("a: {1: 2}", "a: expected text as a key, given 1"),
        ("{[1]: 2}", "expected text as a key, given a list or mapping"),
        ("a: !!timestamp 2020-01-01", 'a: expected a plain value, given "2020-01-01" with the tag'),
        ("a: !!int x", 'a: expected a plain value, given "x" with the tag tag:yaml.org,2002:int'),
        (
            "a: [1, !!python/object:os.system [x]]",
            "a[1]: expected a plain value, given the tag tag:yaml.org,2002:python",
        ),
        ("a: &a [*a]", "expected at most 20 levels of nesting, given more, aliases unfolded"),
        ("[" * 5000, "expected at most 20 levels of nesting, given more"),
        (BOMB, "expected at most 200,000 values, given more, aliases unfolded"),
        ("#" * 4_000_001, "expected a file of at most 4,000,000 bytes, given a larger one"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(Problem) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="expected a readable file, given No such file or directory"):
        read_yaml(tmp_path / "missing.yaml")
    with pytest.raises(Problem, match="expected a readable file, given Is a directory"):
        read_yaml(tmp_path)
