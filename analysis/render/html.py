"""The page of a report: one file without scripts, which asks no network for anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, StrictUndefined

from analysis.render.document import Document


@dataclass(frozen=True)
class Section:
    """Tables of the page, under a title of their own; `is_open` whether they are seen at once."""

    name: str
    document: Document
    is_open: bool


@dataclass(frozen=True)
class Shown:
    """A figure of the page: what it shows, and its SVG in base64."""

    title: str
    svg: str


@dataclass(frozen=True)
class Figures:
    """Figures of a kind; `is_open` whether they are seen at once."""

    title: str
    shown: tuple[Shown, ...]
    is_open: bool


_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 15px/1.45 sans-serif; color: #222; margin: 2em auto; max-width: 1200px; padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.25em; margin-top: 2em; } h3 { font-size: 1.05em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .3em .6em; text-align: right; vertical-align: top; white-space: nowrap; }
th.text, td.text { text-align: left; white-space: normal; }
td.text:first-child { min-width: 9em; }
thead th { border-bottom: 2px solid #222; } tbody td { border-bottom: 1px solid #e6e8eb; }
small { color: #555; }
figure { margin: 1em 0; } figcaption { font-weight: bold; }
figure img { max-width: 100%; height: auto; }
.pair { display: flex; flex-wrap: wrap; gap: 1em; } .pair figure { flex: 1 1 460px; min-width: 0; }
summary { cursor: pointer; font-weight: bold; margin: .8em 0; }
pre { font-size: 12px; white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f7f8; padding: 1em; }
code { overflow-wrap: anywhere; }
@media print { body { max-width: none; } figure { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<ul id="facts">{% for fact in facts %}<li>{{ fact }}</li>{% endfor %}</ul>
{% for section in sections %}
<section id="{{ section.name }}">
{% if not section.is_open %}<details><summary>{{ section.document.title }}</summary>
{% else %}<h2>{{ section.document.title }}</h2>{% endif %}
<p>{{ section.document.full_caption }}</p>
{% for table in section.document.tables %}
<h3>{{ table.title }}</h3>
{% if table.shared %}<p>{{ table.shared_words }}</p>{% endif %}
<div class="wide"><table>
<thead><tr>{% for name in table.header %}\
<th{% if table.is_text(loop.index0) %} class="text"{% endif %}>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for entry in row %}\
<td{% if table.is_text(loop.index0) %} class="text"{% endif %}>\
{% if entry.bold %}<b>{{ entry.text }}</b>{% else %}{{ entry.text }}{% endif %}{{ entry.signs }}\
{% if entry.detail %} <small>{{ entry.detail }}</small>{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
{% for note in table.notes %}<p class="note">{% if note.marked %}† {% endif %}{{ note.said }}</p>{% endfor %}
{% endfor %}
{% for fact in section.document.facts if fact not in facts %}<p class="fact">{{ fact }}</p>{% endfor %}
{% if not section.is_open %}</details>{% endif %}
</section>
{% endfor %}
<h2>Figures</h2>
{% for kind in figures %}
<details{% if kind.is_open %} open{% endif %}><summary>{{ kind.title }}</summary>
<div{% if kind.shown|length > 1 %} class="pair"{% endif %}>{% for one in kind.shown %}
<figure>{% if kind.shown|length > 1 %}<figcaption>{{ one.title }}</figcaption>{% endif %}
<img src="data:image/svg+xml;base64,{{ one.svg }}" alt="{{ one.title }}"></figure>{% endfor %}</div>
</details>
{% endfor %}
<h2 id="provenance">Where the numbers come from</h2>
<div class="wide"><table>
<thead><tr>{% for name in sources[0] %}<th class="text">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in sources[1] %}<tr>{% for text in row %}<td class="text">{{ text }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
<details><summary>All of it, as in provenance.json</summary><pre>{{ provenance }}</pre></details>
</body>
</html>
"""


def page(
    title: str,
    facts: Sequence[str],
    sections: Sequence[Section],
    figures: Sequence[Figures],
    sources: tuple[Sequence[str], Sequence[Sequence[str]]],
    provenance: str,
) -> str:
    """The page as HTML; whatever stands in a text is text.

    sources      header and rows of the table that leads each cell back to its trial
    provenance   as in provenance.json
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    content: dict[str, Any] = {"title": title, "facts": facts, "sections": sections, "figures": figures}
    template = environment.from_string(_TEMPLATE)
    return template.render(content, sources=sources, provenance=provenance) + "\n"
