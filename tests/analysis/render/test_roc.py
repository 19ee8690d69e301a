"""The ROC picture: well-formed, the corners of the curve and no other points, names escaped."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from analysis.render.letters import inches
from analysis.render.roc import RocPicture, roc_picture, roc_svg
from analysis.tables import Tables
from search_spaces.config import DEFAULT_TARGETS
from tests.analysis.stored_sweep import CIFAR, LONG_TAIL
from trainer.metrics import binary as metrics

SVG = "{http://www.w3.org/2000/svg}"
TARGETS = np.array([1, 1, 0, 1, 0, 0, 1, 0], dtype=np.int8)
SCORES = np.array([[8, 7, 6, 5, 4, 3, 2, 1], [8, 7, 6, 5, 4, 3, 1, 2]], dtype=np.float32)
PICTURE = roc_picture(CIFAR, DEFAULT_TARGETS, TARGETS, SCORES)


def corners(element: ElementTree.Element) -> list[tuple[float, float]]:
    """False and true positive rates of a drawn line."""
    pairs = (pair.split(",") for pair in element.attrib["points"].split())
    return [((float(x) - 60) / 560, 1 - (float(y) - 40) / 560) for x, y in pairs]


def test_lines_are_the_curves_of_replicates_and_ensemble() -> None:
    root = ElementTree.fromstring(roc_svg(PICTURE, title="t"))
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == len(SCORES) + 1
    for line, row in zip(lines, [*SCORES, SCORES.mean(axis=0)], strict=True):
        drawn = corners(line)
        points = metrics.roc_points(TARGETS, row)
        area = np.trapezoid([y for _, y in drawn], [x for x, _ in drawn])
        assert area == pytest.approx(metrics.auroc(TARGETS, row), abs=1e-3)
        assert len(drawn) <= len(points.fpr)
    expected = [(0, 0), (0, 0.5), (0.25, 0.5), (0.25, 0.75), (0.75, 0.75), (0.75, 1), (1, 1)]
    np.testing.assert_allclose(corners(lines[0]), expected, atol=1e-3)
    assert len(root.findall(f"{SVG}circle")) == 3


def test_title_cannot_inject_markup_and_is_cut() -> None:
    text = roc_svg(PICTURE, title="<script>alert(1)</script>" + "x" * 200)
    assert "<script>" not in text
    titles = [t.text or "" for t in ElementTree.fromstring(text).iter(f"{SVG}text")]
    assert any(words.endswith("…") for words in titles)


@pytest.mark.parametrize("title", ["m" * 300, "folder scans, data of a hospital " * 9, "肺" * 200])
def test_every_text_lies_inside_the_picture(wide: Tables, title: str) -> None:
    """Reckoned in DejaVu Sans, which is wider than what browsers show."""
    reason = "expected one example at least of either class " * 12
    pictures = [RocPicture(undefined=f"ROC curve undefined: {reason}")]
    for cell in wide.cells:
        if cell.test is not None:
            pictures.append(roc_picture(cell.data, wide.rates, cell.test.targets, cell.test.outputs))
    for picture in pictures[:2] + pictures[-1:]:
        root = ElementTree.fromstring(roc_svg(picture, title=title))
        for text in root.findall(f"{SVG}text"):
            words, x = text.text or "", float(text.attrib["x"])
            length = sum(13 if ord(letter) > 0x2E80 else inches(letter, 13) * 72 for letter in words)
            left = {"middle": x - length / 2, "end": x - length, "start": x}[text.attrib["text-anchor"]]
            assert left >= 0, words
            assert left + length <= float(root.attrib["width"]), words


def test_undefined_curve_says_why() -> None:
    picture = roc_picture(CIFAR, DEFAULT_TARGETS, np.zeros(8, dtype=np.int8), SCORES)
    text = roc_svg(picture, title="t")
    assert "ROC curve undefined: no positives" in text
    assert not ElementTree.fromstring(text).findall(f"{SVG}polyline")


def test_several_columns_have_a_key_of_colours() -> None:
    targets = np.repeat(np.array([0, 1, 2], np.int16), 4)
    outputs = np.random.default_rng(0).normal(size=(2, 12, 3)).astype(np.float32)
    root = ElementTree.fromstring(
        roc_svg(roc_picture(LONG_TAIL, DEFAULT_TARGETS, targets, outputs), title="t")
    )
    lines = root.findall(f"{SVG}polyline")
    assert len({line.attrib["stroke"] for line in lines}) == len(lines) == 2
    words = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert [w.partition(",")[0] for w in words if "AUC" in w] == ["9", "8"]
