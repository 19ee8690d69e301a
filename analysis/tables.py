"""The best-configuration tables of a sweep, from its stored results to files.

Each table is written as CSV and as Markdown (`.md`), LaTeX (`.tex`), JSON (`.json`, a list of rows) and long
CSV (`best-long.csv`, a row per value). Of more than 25 classes `confusion` is numbers alone.

    best.csv               a row per cell, full precision; as Markdown and LaTeX a table per block, rows in
                           the paper's order, best complete values bold
    comparisons.csv        with against without the constraint, in every headline metric
    across.csv             of several blocks: the same across them, per row and over all
    ranks.csv              of several blocks: the rows' mean ranks over data sets
    operating_points.csv   thresholds fixed on validation, and what they come to on test
    calibration.csv        Platt scaling and offset fitted on validation, judged on test
    confirmed.csv          of a sweep that confirms another's choices: each against its runner-up
    published.csv          where asked for: choices beside those that the paper's authors publish
    provenance.json        where every number comes from
    confusion-<trial>.csv  of several classes: what each is taken for (`analysis.confusion`)
    labels.csv             of label sets: each label at 0.5 and at its chosen threshold (`analysis.labels`)
    classes.csv            of several classes: how often each occurs, and is drawn (`analysis.class_counts`)

The same results give the same bytes: no time, host or path is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis.across_frame import across_frame, across_notes
from analysis.authors import BesideAuthors, beside_authors
from analysis.authors_frame import authors_frame, authors_notes
from analysis.calibration_frame import calibration_frame
from analysis.cells import Cell, build_cells
from analysis.class_counts import class_counts, class_frame
from analysis.comparison_frame import comparison_frame
from analysis.confirmed import (
    Confirmation,
    confirmations,
    confirmed_facts,
    confirmed_frame,
    confirmed_notes,
    settled_rule,
)
from analysis.confusion import confusions
from analysis.crew import ALONE, Crew
from analysis.facts import table_facts
from analysis.frames import best_frame, chosen_settings
from analysis.labels import label_frame
from analysis.load import load_sweep
from analysis.operating_frame import operating_frame
from analysis.provenance import provenance
from analysis.rank_frame import rank_frame, rank_notes
from analysis.render.across import across_document, ranks_document
from analysis.render.authors import authors_document
from analysis.render.calibration import calibration_document
from analysis.render.comparisons import comparison_document
from analysis.render.confirmed import confirmed_document
from analysis.render.document import Document
from analysis.render.formats import files_of
from analysis.render.latex import latex
from analysis.render.layout import best_document
from analysis.render.of_classes import confusion_document, counts_document, labels_document
from analysis.render.operating import operating_document
from analysis.render.plain import plain
from analysis.render.text import markdown
from analysis.select import rates_of_rule
from analysis.statistics.calibration import Calibrated, calibrations
from analysis.statistics.draws import DRAWS
from analysis.statistics.operating import operating_points
from analysis.statistics.resampled import resampling
from analysis.statistics.sweep import SweepStatistics, sweep_statistics, tests_of
from analysis.table_columns import TableColumns, table_columns
from search_spaces.config import Targets
from search_spaces.errors import StoreError
from trainer.store import Store, SweepManifest
from trainer.store.local import write_below

# Digits of an id in a table, which the command line takes for it.
_SHORTEST_ID = 8
_SOME = re.compile(
    r"(confusion-[0-9a-f]{16}|classes|labels|published|across|ranks)(\.(csv|json|md|tex)|-long\.csv)"
)


@dataclass(frozen=True)
class Tables:
    """The tables of a sweep. `files` are those written, empty if none were.

    frame         a row per cell: see `analysis.frames.best_frame`
    comparisons   a row per pair of cells and metric: see `analysis.comparison_frame`
    confirmed     of a sweep that confirms another's choices: each against its runner-up
    beside        what the paper's authors publish for the cells; nothing where nobody asked
    operating     a row per true positive rate of each class of a cell: see `analysis.operating_frame`
    calibrated    how each chosen trial's ensemble is calibrated, by the trial's id
    prevalence    at which these tell precision too; None where nobody said
    cells         what the rows were made from
    columns       the metrics that a block's table shows, by the block's label
    rates         those at which it reads ROC curves
    provenance    see `analysis.provenance.provenance`
    statistics    what the numbers are worth
    document      the best-configuration tables as they are laid out
    """

    frame: pd.DataFrame
    comparisons: pd.DataFrame
    confirmed: tuple[Confirmation, ...]
    beside: tuple[BesideAuthors, ...]
    operating: pd.DataFrame
    calibrated: dict[str, tuple[Calibrated, ...]]
    prevalence: float | None
    cells: tuple[Cell, ...]
    columns: dict[str, TableColumns]
    rates: Targets
    provenance: dict[str, Any]
    statistics: SweepStatistics
    document: Document
    files: tuple[Path, ...] = ()

    @property
    def beside_document(self) -> Document | None:
        """Choices beside the authors' as they are laid out; None where nobody asked."""
        if not self.beside:
            return None
        frame = self.beside_frame
        return authors_document(self.document.name, authors_notes(self.beside), frame, self.columns)

    @property
    def beside_frame(self) -> pd.DataFrame:
        """The same as a frame: see `analysis.authors_frame`."""
        headline = {block: of_block.headline for block, of_block in self.columns.items()}
        return authors_frame(self.beside, headline)

    @property
    def markdown(self) -> str:
        """The tables as Markdown."""
        return markdown(self.document)

    @property
    def latex(self) -> str:
        """The tables as LaTeX."""
        return latex(self.document)

    @property
    def text(self) -> str:
        """The tables as plain text, as wide as they are."""
        return plain(self.document)

    def printed(self, width: int) -> str:
        """The tables as text of lines that are at most `width` characters long, where that is possible.

        Choices beside the authors' stand below, where they were asked for.
        """
        text = plain(self.document, width)
        beside = self.beside_document
        return text if beside is None else f"{text}\n{plain(beside, width)}"


def make_tables(
    store: Store,
    manifest: SweepManifest,
    *,
    rule: str | None = None,
    shown: Targets | None = None,
    draws: int = DRAWS,
    prevalence: float | None = None,
    compare_published: bool = False,
    crew: Crew = ALONE,
) -> Tables:
    """Read a sweep's results, choose per cell on validation, and lay out the tables; writes nothing.

    rule         names a selection rule; None is the default of each task
    shown        the rates at which the tables read ROC curves; None are the sweep's own true positive rates.
                 What is chosen does not depend on them
    draws        of the bootstrap; 0 for tables without intervals
    prevalence   in (0, 1): at which operating points tell precision and negative predictive value too
    compare_published   whether choices are set beside those that the paper's authors publish
    crew         who resamples beside this process

    Raises InputError for an unknown rule, and where such a comparison finds no cell; StoreError for results
    that are damaged or contradict each other.
    """
    rule = settled_rule(manifest, rule)
    if shown is None:
        shown = Targets(tpr=manifest.reading.targets.tpr, fpr=())
    records = load_sweep(store, manifest, shown.joined(rates_of_rule(rule)))
    cells = build_cells(store, records, rule)
    columns = {cell.block: table_columns(cell.data, shown) for cell in cells}
    headline = {block: of_block.headline for block, of_block in columns.items()}
    drawn = resampling(tests_of(cells), draws, crew)  # a crew begins with it; meanwhile:
    calibrated = {cell.chosen_id: calibrations(cell) for cell in cells if cell.chosen_id}
    points = {cell.chosen_id: operating_points(cell, shown.tpr, draws) for cell in cells}
    printed = {block: of_block.shown for block, of_block in columns.items()}
    statistics = sweep_statistics(cells, headline, printed, records.rates, draws=draws, drawn=drawn)
    frame = best_frame(cells, columns, manifest.reading.rows, statistics)
    settings = chosen_settings(cells, manifest.reading.rows)
    ids = short_ids(config.trial_id for config in manifest.trials)
    facts = table_facts(cells, manifest, statistics)
    chosen_by = {}
    for cell in cells:
        if cell.rule.selects and not cell.rule.reads_test:
            chosen_by[cell.block] = cell.rule.metric
    document = best_document(
        manifest.name, facts, frame, columns, settings, ids, chosen_by, is_drawn=draws > 0
    )
    confirmed = confirmations(store, cells, headline, records, draws)
    beside: tuple[BesideAuthors, ...] = ()
    if compare_published:
        beside = beside_authors(store, manifest.name, cells, headline, records, draws)
    document = replace(document, facts=(*document.facts, *confirmed_facts(manifest, confirmed)))
    return Tables(
        frame=frame,
        comparisons=comparison_frame(statistics.pairs),
        confirmed=confirmed,
        beside=beside,
        operating=operating_frame(cells, points, prevalence),
        calibrated=calibrated,
        prevalence=prevalence,
        cells=cells,
        columns=columns,
        rates=shown,
        provenance=provenance(manifest, cells, columns, statistics),
        statistics=statistics,
        document=document,
    )


def write_tables(
    store: Store,
    manifest: SweepManifest,
    out_dir: str | Path,
    *,
    rule: str | None = None,
    shown: Targets | None = None,
) -> Tables:
    """Make the tables and write them as `write_made` does.

    Raises what `make_tables` raises, before anything is written, and what `write_whole` raises.
    """
    return write_made(make_tables(store, manifest, rule=rule, shown=shown), manifest.name, out_dir)


def write_made(tables: Tables, sweep: str, out_dir: str | Path, below: Path | None = None) -> Tables:
    """Write a sweep's tables into `out_dir`, which is created; each file appears whole or not at all.

    `below` as `write_whole` takes it, which says what is raised.
    """
    sources = json.dumps(tables.provenance, indent=1, allow_nan=False, ensure_ascii=False)
    contents: dict[str, str] = {}
    for table in written(tables, sweep):
        contents |= files_of(table.name, table.frame, table.document)
    contents["provenance.json"] = f"{sources}\n"
    files = []
    for name, text in contents.items():
        files.append(write_whole(Path(out_dir) / name, text.encode(), below))
    for path in Path(out_dir).iterdir():
        if _SOME.fullmatch(path.name) and path not in files:  # of what an earlier table chose
            path.unlink(missing_ok=True)
    return replace(tables, files=tuple(files))


class Written(NamedTuple):
    """A table that is written: its files' name, its numbers, how it is laid out (None: only as numbers)."""

    name: str
    frame: pd.DataFrame
    document: Document | None


def written(tables: Tables, sweep: str) -> Iterator[Written]:
    """Every table of a sweep.

    Operating points and calibration are laid out for each block's critical classes: label sets have other
    labels too, in the numbers alone.
    """
    effects = tuple(effect.words() for effect in tables.statistics.effects)
    comparison = comparison_document(sweep, effects, tables.comparisons, tables.columns)
    printed = {cell.block: cell.data.columns("one_vs_rest") for cell in tables.cells}
    points = operating_document(sweep, tables.operating, printed, tables.prevalence)
    calibration = calibration_frame(tables.cells, tables.calibrated)
    yield Written("best", tables.frame, tables.document)
    yield Written("comparisons", tables.comparisons, comparison)
    yield from _across_blocks(tables, sweep)
    yield Written("operating_points", tables.operating, points)
    yield Written("calibration", calibration, calibration_document(sweep, calibration, printed))
    if tables.confirmed:
        confirmed, notes = confirmed_frame(tables.confirmed), confirmed_notes(tables.confirmed)
        yield Written("confirmed", confirmed, confirmed_document(sweep, notes, confirmed, tables.columns))
    if tables.beside:
        yield Written("published", tables.beside_frame, tables.beside_document)
    yield from _of_classes(tables.cells, sweep)


def _across_blocks(tables: Tables, sweep: str) -> Iterator[Written]:
    """What sums up several blocks, where there are such."""
    across, ranks = tables.statistics.across, tables.statistics.ranks
    if across:
        frame, metrics = across_frame(across), list(dict.fromkeys(one.metric for one in across))
        yield Written("across", frame, across_document(sweep, across_notes(across), frame, metrics))
    if ranks:
        frame, metrics = rank_frame(ranks), [one.metric for one in ranks]
        yield Written("ranks", frame, ranks_document(sweep, rank_notes(ranks), frame, metrics))


def _of_classes(cells: Sequence[Cell], sweep: str) -> Iterator[Written]:
    """The tables of several classes."""
    for confusion in confusions(cells):
        cell, frame = confusion.cell, confusion.frame()
        document = confusion_document(sweep, cell.block, cell.row, cell.chosen_id, frame)
        yield Written(f"confusion-{cell.chosen_id}", frame, document)
    of_labels = label_frame(cells)
    if len(of_labels):
        yield Written("labels", of_labels, labels_document(sweep, of_labels))
    counted = class_counts(cells)
    if counted:
        frame = class_frame(counted)
        yield Written("classes", frame, counts_document(sweep, frame))


def short_ids(trial_ids: Iterable[str]) -> dict[str, str]:
    """The first digits of each id, by which no two are taken for each other; at least eight of them.

    >>> short_ids(["0123456789abcdef", "0123456789abcd00"])["0123456789abcdef"]
    '0123456789abcde'
    """
    known = list(trial_ids)
    digits = _SHORTEST_ID
    while len({trial_id[:digits] for trial_id in known}) < len(set(known)):
        digits += 1
    return {trial_id: trial_id[:digits] for trial_id in known}


def write_whole(path: Path, data: bytes, below: Path | None = None) -> Path:
    """Write a file whole or not at all, its folder too; returns the path.

    In the folder `below`, by default the file's own, no link in the place of a folder is followed. Raises
    StoreError when it cannot be written.
    """
    root = path.parent if below is None else below
    try:
        write_below(str(root), path.relative_to(root).as_posix(), data, lasting=False)
    except OSError as error:
        raise StoreError(f"{path}: could not be written: {error}") from error
    return path
