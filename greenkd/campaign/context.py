"""What the parts of one campaign share: its settings, folder, trainings and budget, and its record as it stands."""

import dataclasses
from contextlib import AbstractContextManager

from greenkd.campaign.budget import Budget, stopped_message
from greenkd.campaign.console import Reporter
from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.run_log import RunLog
from greenkd.campaign.settings import Settings
from greenkd.records import CampaignRecord, CampaignStatus
from greenkd.synthesis.growing import PoolGrowth
from greenkd.training.context import TrainingContext
from greenkd.training.stop_signals import holding


@dataclasses.dataclass
class CampaignContext:
    """One campaign in one process.

    Attributes:
        settings: What to run.
        folder: Where its files lie.
        reporter: Told what happens.
        training: Data, networks, energy monitor, stop flag.
        budget: Says what may still be begun.
        record: The campaign's record, as last written.
        run_log: Shows its trials in TensorBoard and the like.
        growth: How the pool of images grows within each trial; None: it does not.
    """

    settings: Settings
    folder: CampaignFolder
    reporter: Reporter
    training: TrainingContext
    budget: Budget
    record: CampaignRecord
    run_log: RunLog
    growth: PoolGrowth | None = None

    def update(self, **changes: object) -> None:
        """Writes changed fields of the record, and takes up what another process wrote."""
        self.record = self.folder.update(**changes)

    def holding(self, name: str, waiting: str) -> AbstractContextManager[None]:
        """Holds one of the campaign's locks for a block.

        Args:
            name: The lock's.
            waiting: What another process is doing meanwhile, to be said; with workers beside, somebody always holds a
                lock, and nothing is said.
        """
        said = f"{waiting}; waiting for it" if self.training.processes == 1 else None
        return holding(self.folder.lock(name), self.training.stop, said)

    def end_without_trial(self) -> None:
        """Closes a campaign whose budget was spent before a trial could begin."""
        message = stopped_message(0, self.record.planned_trials)
        self.update(status=CampaignStatus.PARTIAL, message=message, budget_stopped=True)
        self.reporter.campaign_finished(self.record)
