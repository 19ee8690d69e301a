"""Where the texts of a matplotlib figure stand: to be told, all of them, inside the canvas."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts_of(figure: Figure) -> dict[str, Bbox]:
    """The extents in pixels of every text that is drawn, by the text and its number."""
    figure.canvas.draw()
    found, unseen = {}, _beyond_axes(figure)
    for number, text in enumerate(figure.findobj(Text)):
        assert isinstance(text, Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in unseen:
            found[f"{number} {text.get_text()}"] = text.get_window_extent()
    return found


def cut_texts(figure: Figure) -> list[str]:
    """The texts that are not wholly on the canvas."""
    canvas = figure.bbox
    cut = []
    for name, box in texts_of(figure).items():
        inside = canvas.x0 <= box.x0 and box.x1 <= canvas.x1 and canvas.y0 <= box.y0 and box.y1 <= canvas.y1
        if not inside:
            cut.append(f"{name} {box}")
    return cut


def overlapping_texts(figure: Figure) -> list[str]:
    """Pairs of texts of which one covers a part of the other."""
    boxes = list(texts_of(figure).items())
    pairs = []
    for number, (name, box) in enumerate(boxes):
        for other_name, other in boxes[number + 1 :]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            upwards = min(box.y1, other.y1) - max(box.y0, other.y0)
            if across > 1 and upwards > 1:
                pairs.append(f"{name} / {other_name}")
    return pairs


def _beyond_axes(figure: Figure) -> set[int]:
    """Ids of the texts that nobody sees: at ticks beyond the ends of their axes, or of axes that are off."""
    found = set()
    for axes in figure.axes:
        frame = axes.get_window_extent()
        for axis, low, high in ((axes.xaxis, frame.x0, frame.x1), (axes.yaxis, frame.y0, frame.y1)):
            for text in axis.findobj(Text):
                box = text.get_window_extent()
                middle = (box.x0 + box.x1) / 2 if axis is axes.xaxis else (box.y0 + box.y1) / 2
                is_within = text is axis.label or low - 1 <= middle <= high + 1
                if not axes.axison or not is_within:
                    found.add(id(text))
    return found
