"""What a laid-out table is: a document of tables, their headers, entries and notes."""

from __future__ import annotations

from dataclasses import dataclass, replace

MISSING = "–"
# What is set bold: of a table with ties, and of one for which nothing was drawn that tells them.
BEST_OR_TIED = (
    "the best complete cell of a column with intervals, and those that the test examples cannot tell from it "
    "(simultaneous 95 % intervals of the differences)"
)
BEST_ALONE = "the best complete cell of a column; nothing was drawn that tells which others are tied with it"
DAGGER, DOUBLE_DAGGER = "†", "‡"
DAGGER_MEANING = "incomplete or pruned, never bold"

# Columns by their place in a table, and those that are set flush left.
COUNTS = ("Replicates", "Candidates")
CONFIGURATION = ("Loss config", "ALM config", "δ")
TRIAL = "Trial"  # the chosen trial's short id
LAST = ("Settings", "Remark", TRIAL)
_NAMES = ("Loss", "Class", "True class", "Name", "Row", "Label", "Sampler", "Differs in")
_TEXT = (*_NAMES, "Loss config", "ALM config", *LAST)


@dataclass(frozen=True)
class Entry:
    """Text of one place in a table, and what stands behind it.

    marked       with a dagger
    unresolved   with a double dagger
    detail       follows, never bold
    """

    text: str
    bold: bool = False
    marked: bool = False
    detail: str = ""
    unresolved: bool = False

    @property
    def signs(self) -> str:
        """The daggers behind the text."""
        return DAGGER * self.marked + DOUBLE_DAGGER * self.unresolved


@dataclass(frozen=True)
class Note:
    """What is to be said of a row below its table; `marked` where the row has a dagger."""

    row: str
    text: str
    marked: bool

    @property
    def said(self) -> str:
        """The note with its row, and with what a dagger means."""
        meaning = f" ({DAGGER_MEANING})" if self.marked else ""
        return f"{self.row}{meaning}: {self.text}"


@dataclass(frozen=True)
class BlockTable:
    """One block: a title, a header, rows of entries in the header's order, and notes on rows.

    `shared` are the settings in which all rows agree, in words; "" for none.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[Note, ...] = ()
    shared: str = ""

    @property
    def shared_words(self) -> str:
        """A sentence about the settings that all rows share."""
        return f"In all rows: {self.shared}."

    @property
    def has_bold(self) -> bool:
        """Whether an entry is set bold."""
        return any(entry.bold for row in self.rows for entry in row)

    def without(self, name: str) -> BlockTable:
        """The table without the column of this name; the same one where it has none."""
        if name not in self.header:
            return self
        place = self.header.index(name)
        rows = tuple((*row[:place], *row[place + 1 :]) for row in self.rows)
        return replace(self, header=(*self.header[:place], *self.header[place + 1 :]), rows=rows)

    def is_text(self, column: int) -> bool:
        """True for a column that is set flush left."""
        return self.header[column] in _TEXT

    def by_weight(self) -> tuple[int, ...]:
        """The columns behind the first in the order in which they are looked for: counts after results."""
        columns = range(1, len(self.header))
        counts = [column for column in columns if self.header[column] in COUNTS]
        behind = [column for column in columns if self.header[column] in (*CONFIGURATION, *LAST)]
        results = [column for column in columns if column not in (*counts, *behind)]
        return (*results, *counts, *behind)


@dataclass(frozen=True)
class Document:
    """Tables with a title, a caption that explains the columns, and facts that hold for all of them.

    name           that of the sweep
    bold_meaning   what bold entries are, where the caption does not say so
    kind           which of the sweep's tables these are, in labels that LaTeX refers to; "" of the best ones
    """

    name: str
    title: str
    caption: str
    facts: tuple[str, ...]
    tables: tuple[BlockTable, ...]
    bold_meaning: str = BEST_OR_TIED
    kind: str = ""

    @property
    def has_bold(self) -> bool:
        """Whether an entry of a table is set bold."""
        return any(table.has_bold for table in self.tables)

    @property
    def has_unresolved(self) -> bool:
        """Whether an entry of a table is marked as not resolved."""
        return any(entry.unresolved for table in self.tables for row in table.rows for entry in row)

    @property
    def full_caption(self) -> str:
        """The caption, and what is set bold where something is."""
        if not self.has_bold or not self.bold_meaning:
            return self.caption
        return f"{self.caption} Bold: {self.bold_meaning}."
