"""Makes ledger rows of what the phases gathered, and appends them to their files."""

from pathlib import Path

from greenkd.energy.meters.base import Meter
from greenkd.energy.row_builder import CarbonTerms, RowBuilder
from greenkd.energy.unmetered import watts
from greenkd.energy.window import PhaseKey
from greenkd.errors import StorageError
from greenkd.records import LedgerRow, Machine, Phase, append_row, make_folder
from greenkd.records.timestamps import now


class LedgerWriter:
    """Keeps one row builder per phase, and the rows that could not be written yet.

    Args:
        meter: Named on every row.
        terms: Prices and names that stand on every row.
        campaign: The campaign's ledger; the folders of all others, in the cache, are made anew where somebody has
            removed them.

    Attributes:
        recorded: Every row made so far, in all ledgers.
        failure: Why the last write was not complete; None if it was.
    """

    def __init__(self, meter: Meter, terms: CarbonTerms, campaign: Path) -> None:
        self._meter = meter
        self._campaign = campaign
        self._terms = terms
        self._builders: dict[PhaseKey, RowBuilder] = {}
        self._unwritten: list[tuple[Path, LedgerRow]] = []
        self._idle_w: float | None = None

        self.recorded: list[LedgerRow] = []
        self.failure: StorageError | None = None

    def builder(self, key: PhaseKey) -> RowBuilder:
        """Returns what gathers a phase's next row; it begins now if the phase has none yet."""
        if key not in self._builders:
            self._builders[key] = RowBuilder(started_at=now("milliseconds"))
        return self._builders[key]

    def write(self, machine: Machine) -> None:
        """Writes a row for every phase that has gathered something, and begins anew.

        It raises nothing, since the heartbeat calls it too: what went wrong is in `failure`.

        Args:
            machine: The machine's state since the last write.
        """
        for key, builder in self._builders.items():
            if builder.duration_s > 0 or builder.images:
                row = builder.row(key, self._meter, self._terms, machine, self._idle_w)
                self._unwritten.append((key.ledger, row))
                self.recorded.append(row)
                self._note_idle_power(row)

        self._builders = {}
        self.failure = self._append_unwritten()

    def _note_idle_power(self, row: LedgerRow) -> None:
        """Keeps the mean power of an idle phase; it stands on the rows that follow."""
        if row.phase is Phase.IDLE and row.energy_kwh is not None and row.duration_s > 0:
            self._idle_w = watts(row.energy_kwh, row.duration_s)

    def _append_unwritten(self) -> StorageError | None:
        """Writes rows, oldest first; what cannot be written is kept for the next time."""
        while self._unwritten:
            path, row = self._unwritten[0]
            try:
                if path != self._campaign:
                    make_folder(path.parent)
                append_row(path, row)
            except StorageError as error:
                return error
            self._unwritten.pop(0)

        return None
