"""What the parts of one campaign share: its settings, folder, workbench and budget, and its record as it stands."""

import dataclasses
from contextlib import AbstractContextManager

from greenkd.campaign.budget import Budget, stopped_message
from greenkd.campaign.console import Reporter
from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.settings import Settings
from greenkd.records import CampaignRecord, CampaignStatus
from greenkd.training.bench import Bench
from greenkd.training.stop_signals import holding


@dataclasses.dataclass
class Context:
    """One campaign in one process.

    Attributes:
        settings: What to run.
        folder: Where its files lie.
        reporter: Told what happens.
        bench: Data, device, energy monitor.
        budget: Ends trainings when it is spent; the bench's stop flag.
        record: The campaign's record, as last written.
    """

    settings: Settings
    folder: CampaignFolder
    reporter: Reporter
    bench: Bench
    budget: Budget
    record: CampaignRecord

    def update(self, **changes: object) -> None:
        """Writes changed fields of the record, and takes up what another process wrote."""
        self.record = self.folder.update(**changes)

    def alone(self, name: str, waiting: str) -> AbstractContextManager[None]:
        """Holds one of the campaign's locks.

        Args:
            name: Of the lock.
            waiting: Whom one waits for, to be said; with helpers beside, somebody always is, and nothing is said.
        """
        said = f"{waiting}; waiting for it" if self.bench.processes == 1 else None
        return holding(self.folder.lock(name), self.bench.stop, said)

    def end_without_trial(self) -> None:
        """Closes a campaign whose budget was spent before a trial could begin."""
        message = stopped_message(0, self.record.planned_trials)
        self.update(status=CampaignStatus.PARTIAL, message=message, budget_stopped=True)
        self.reporter.campaign_finished(self.record)
