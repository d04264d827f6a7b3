"""What campaigns import late: packages that take seconds, and that a command which trains nothing never needs.

They are imported at one place before a campaign's meter is opened, so that the time they take is part of the process's
start, and no phase is charged for it.
"""

import importlib
import logging

# A campaign, a worker, and what networks, torch.optim, the count of FLOPs, the study and CodeCarbon import when they
# are first used.
_NEEDED = (
    "greenkd.campaign.campaign",
    "greenkd.campaign.workers.run",
    "torchvision",
    "torch._dynamo",
    "torch.utils.flop_counter",
    "sqlalchemy.orm",
    "alembic.context",
    "pandas",
    "requests",
)


def load() -> None:
    """Imports what campaigns would import one after the other."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every plugin that comes with it
    for name in _NEEDED:
        importlib.import_module(name)
