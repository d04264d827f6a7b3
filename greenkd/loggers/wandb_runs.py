"""Runs in Weights & Biases (optional: `pip install "greenkd[wandb]"`): sent at once, or kept here for `wandb sync`."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any, Literal

from greenkd.errors import ConfigError
from greenkd.loggers.base import Logger, Run, load_library
from greenkd.records import make_folder


@dataclasses.dataclass
class _OpenRun:
    """A run of the client's, and the first epoch that it does not have."""

    run: Any
    next_epoch: int


class WandB(Logger):
    """Writes history, configuration, tags and summary; a campaign is a group.

    Offline, a run is a folder `wandb/offline-run-…` below the sweep's. It is written when the run has ended, and anew
    when its test score is known: the folder of before is then removed, unless it has been sent, so that `wandb sync`
    sends each run once.

    Args:
        project: Where runs are listed.
        entity: Whose project it is; None: that of whoever is logged in.
        mode: `online` sends while a training runs; `offline` needs no account and no network.

    Raises:
        ConfigError: wandb is not installed, or nobody is logged in who could send.
    """

    option = "wandb"

    def __init__(
        self, project: str = "greenkd", entity: str | None = None, mode: Literal["offline", "online"] = "offline"
    ) -> None:
        self._project = project
        self._entity = entity
        self._mode = mode
        self.live = mode == "online"
        self._wandb = load_library("wandb", self.option)
        self._open: dict[str, _OpenRun] = {}

        if self.live and not self._wandb.login(prompt=False, verify=False):
            raise ConfigError(
                "logger.wandb.mode=online: nobody is logged in; type `wandb login`, set WANDB_API_KEY, "
                "or give logger.wandb.mode=offline"
            )

    def write(self, run: Run) -> None:
        """Sends what the run lacks; offline, writes a run that has ended as a whole."""
        if not self.live and not run.has_ended:
            return
        if run.id not in self._open:
            self._open[run.id] = self._begin(run)
        opened = self._open[run.id]

        for epoch, figures in run.epochs.items():
            if epoch >= opened.next_epoch:
                opened.run.log(dict(figures), step=epoch)
                opened.next_epoch = epoch + 1
        if run.has_ended:
            opened.run.summary.update(dict(run.summary))
            del self._open[run.id]
            opened.run.finish(exit_code=1 if run.status == "failed" else 0)

    def close(self) -> None:
        """Closes runs that have not ended; whoever goes on with them resumes them."""
        while self._open:
            self._open.popitem()[1].run.finish(exit_code=1)

    def _begin(self, run: Run) -> _OpenRun:
        make_folder(run.sweep_folder)
        if not self.live:
            _remove_unsent(run.sweep_folder / "wandb", run.id)

        # Nothing of the machine, the code or the screen is taken along: what is on record is all there is to say.
        settings = self._wandb.Settings(
            silent=True,
            console="off",
            save_code=False,
            disable_git=True,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
        )
        begun = self._wandb.init(
            project=self._project,
            entity=self._entity,
            id=run.id,
            name=run.name,
            group=run.group,
            job_type=run.tags.get("strategy"),
            tags=[run.tags[name][:64] for name in ("sweep", "dataset", "student", "objective") if name in run.tags],
            config={**run.config, "params": dict(run.params), "tags": dict(run.tags)},
            dir=str(run.sweep_folder),
            mode=self._mode,
            resume="allow" if self.live else None,
            reinit="create_new",
            settings=settings,
        )
        return _OpenRun(begun, begun.starting_step)


def _remove_unsent(folder: Path, run_id: str) -> None:
    """Removes what an offline run of before has left, unless `wandb sync` has marked it as sent."""
    for earlier in folder.glob(f"offline-run-*-{run_id}"):
        if not any(earlier.glob("*.synced")):
            shutil.rmtree(earlier)
