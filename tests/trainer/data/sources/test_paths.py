"""Names as text: every name of a file has one, and one of its own."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from trainer.data.sources.paths import child, readable

# What file systems admit: any bytes but these two; backslashes, digits and x often.
parts = st.sampled_from([b"\\", b"\\x", b"e9", b"\xe9", "é".encode(), b"\n", b"\x1b", b"a"])
names = st.lists(parts | st.binary(min_size=1, max_size=2), min_size=1, max_size=6).map(b"".join)
names = names.filter(lambda name: b"/" not in name and b"\0" not in name)


def original(text: str) -> bytes:
    """The bytes of a name of which `readable` made a text."""
    if not re.search(r"\\x[0-9a-f]{2}", text):
        return text.encode()
    found = b""
    for escape, byte, plain in re.findall(r"(\\\\)|\\x([0-9a-f]{2})|(.)", text):
        found += b"\\" if escape else bytes.fromhex(byte) if byte else plain.encode()
    return found


@given(names)
def test_the_text_of_a_name_tells_its_bytes(name: bytes) -> None:
    text = readable(os.fsdecode(name))
    assert original(text) == name
    assert not any(unicodedata.category(character) == "Cc" and character < "\x80" for character in text)
    text.encode()


def test_a_child_is_found_in_another_form_and_itself_first(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Ärzte") for form in ("NFC", "NFD"))
    (tmp_path / decomposed).mkdir()
    assert child(tmp_path, composed).name == decomposed
    (tmp_path / composed).mkdir()
    assert [child(tmp_path, name).name for name in (composed, decomposed)] == [composed, decomposed]
    assert child(tmp_path, "Ärger").name == "Ärger"
    assert child(tmp_path / "nowhere", composed) == tmp_path / "nowhere" / composed
