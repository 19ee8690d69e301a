"""Which trained weights stay: under the policy "selected" those of the best trial per cell."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from analysis.cells import best
from analysis.load import load_trial
from analysis.records import TrialRecord
from analysis.select import rule_of
from search_spaces.config import TrialConfig
from search_spaces.errors import DamagedError, TrialSchemaError
from search_spaces.rows import CellKey, cell_key
from trainer.store import Store, SweepManifest

log = logging.getLogger(__name__)


class WeightKeeper:
    """Deletes a trial's weights as soon as another trial of its cell is preferred by the selection rule.

    Weights of trials that another sweep of the same store expects too are left alone, and all where it is not
    known what one expects. The store is read and weights are deleted by a thread, one trial after another,
    until `close`.
    """

    def __init__(
        self,
        store: Store,
        manifest: SweepManifest,
        ended: Iterable[TrialConfig],
        rule: str | None = None,
    ) -> None:
        """Keep the weights of a sweep, of which these trials have ended already."""
        self.store, self.reading, self.rule = store, manifest.reading, rule
        self.shared: set[str] = set()
        self._knows_shared = True
        for name in store.sweep_names():
            if name == manifest.name:
                continue
            try:
                self.shared.update(config.trial_id for config in store.read_sweep(name).trials)
            except TrialSchemaError:  # no trial of theirs is of this one
                continue
            except DamagedError as error:
                log.warning("%s; until that is mended, no weights are deleted", error)
                self._knows_shared = False
        self.kept: dict[CellKey, list[TrialConfig]] = {}
        self._records: dict[str, TrialRecord] = {}
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="weights")
        for config in ended:
            self.kept.setdefault(self._cell(config), []).append(config)

    def trial_done(self, config: TrialConfig) -> None:
        """A trial has ended, in whatever way: keep the weights of the best of its cell only.

        Returns at once.
        """
        self._pool.submit(self._thin_out, config)

    def close(self, *, hurried: bool = False) -> None:
        """Wait until what was asked for is done; `hurried` drops what has not begun and waits for nothing."""
        self._pool.shutdown(wait=not hurried, cancel_futures=hurried)

    def _thin_out(self, config: TrialConfig) -> None:
        cell = self._cell(config)
        rivals = self.kept.setdefault(cell, [])
        if config not in rivals:
            rivals.append(config)
        if len(rivals) == 1:
            return
        try:
            records = self._read(rivals)
            winner = best(records, rule_of(config.data, self.rule, self.reading.targets))
            if winner is None:
                return
            for record in records:
                if record.trial_id != winner.trial_id:
                    self._forget(record)
            self.kept[cell] = [rival for rival in rivals if rival.trial_id == winner.trial_id]
        except Exception:  # a worker thread's exception would be seen by nobody
            log.warning("weights of cell %s could not be thinned out", cell.row, exc_info=True)

    def _forget(self, record: TrialRecord) -> None:
        """Delete the weights of a trial, unless another sweep expects it too."""
        self._records.pop(record.trial_id, None)
        if self._knows_shared and record.trial_id not in self.shared:
            for done in record.done:
                self.store.replicates.delete_weights(done)

    def _read(self, rivals: Sequence[TrialConfig]) -> list[TrialRecord]:
        """Records of trials; those of the best so far are known from the last time."""
        for config in rivals:
            if config.trial_id not in self._records:
                self._records[config.trial_id] = load_trial(self.store, config, self.reading.targets)
        return [self._records[c.trial_id] for c in rivals]

    def _cell(self, config: TrialConfig) -> CellKey:
        return cell_key(config, self.reading.rows)
