"""What a person sees while campaigns run: one line per thing that ended, and a bar for the one that runs."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Sequence

import rich
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from greenkd.campaign.at_rest import differs_from
from greenkd.campaign.pace import LINE_EVERY_S, Pace
from greenkd.output_encoding import printable
from greenkd.records import (
    CampaignRecord,
    CampaignStatus,
    Costs,
    EpochRow,
    PoolRecord,
    TeacherRecord,
    TrialRow,
    TrialStatus,
    searching_name,
)
from greenkd.temperature import Params

log = logging.getLogger("greenkd")


class ConsoleHandler(logging.Handler):
    """Logs through rich's console, so that lines appear above a progress bar instead of inside it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record; warnings and errors say what they are."""
        try:
            style = "red" if record.levelno >= logging.ERROR else "yellow" if record.levelno >= logging.WARNING else ""
            prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
            text = printable(f"{prefix}{self.format(record)}")
            rich.get_console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        except (OSError, ValueError):
            self.handleError(record)


class LogFile(logging.FileHandler):
    """The log in a campaign's folder; lines that a full disk does not take are lost, as records are no log's task."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Says nothing of a disk's refusal: the next record that is not taken either stops the campaign and says so."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)

    def close(self) -> None:
        """Closes the file, whatever it may still have to write."""
        with contextlib.suppress(OSError):
            super().close()


def kwh(value: float | None) -> str:
    """Formats an energy; a dash where nothing could be read."""
    return "- kWh" if value is None else f"{value:.3g} kWh"


def grams(value: float | None) -> str:
    """Formats a mass of CO2 equivalents."""
    return "- g CO₂eq" if value is None else f"{value:.3g} g CO₂eq"


def percent(fraction: float | None) -> str:
    """Formats an accuracy."""
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def setting(params: Params | None, strategy: str) -> str:
    """Formats a trial's parameters: `τ 4`, or the strategy's name where nothing is searched."""
    if not params:
        return f"τ {strategy}"
    short = {key: str(value) if isinstance(value, str | bool) else f"{value:.4g}" for key, value in params.items()}
    return ", ".join(f"{'τ' if key == 'tau' else key} {value}" for key, value in short.items())


class Reporter:
    """Tells a person what happens in the campaigns of one process."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._strategy = ""
        self._seed = 0
        self._planned = 0
        self._in_turns = False  # each line on a trial then names its campaign
        self._paces: dict[int | None, Pace] = {}  # by trial, of those that run
        self._said_at = 0.0

    @contextlib.contextmanager
    def live(self) -> Iterator[None]:
        """Shows a progress bar while the block runs, on a terminal only."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )

        console = rich.get_console()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            self._progress = progress
            yield
        self._progress = None

    def for_campaign_in_turns(self) -> "Reporter":
        """Returns a reporter on the same progress bar for a campaign whose trials alternate with those of others."""
        reporter = Reporter()
        reporter._progress = self._progress
        reporter._in_turns = True
        return reporter

    def note(self, text: str) -> None:
        """Says something once."""
        log.info("%s", text)

    def warn(self, text: str) -> None:
        """Says something that a person should act on."""
        log.warning("%s", text)

    def already_done(self, record: CampaignRecord, energy: str) -> None:
        """Says that a campaign needs nothing."""
        meter, is_done = record.environment.meter, record.status is CampaignStatus.DONE
        why = "" if is_done else f" ({record.message}; {_cure(record)})"
        log.info("%s: done already, metered by %s; nothing to train%s", _title(record), meter, why)

        if differs_from(meter, energy):
            log.info("  to meter it by %s as well, give the sweep another name: sweep=<name>", energy)

    def campaign_started(self, record: CampaignRecord, rows: Sequence[TrialRow]) -> None:
        """Says that a campaign begins, or goes on."""
        done = sum(row.status.has_ended for row in rows)
        self._strategy, self._planned, self._seed = record.strategy, record.planned_trials, record.seed

        going_on = f", {done} of them done" if done else ""
        trials = "1 trial" if record.planned_trials == 1 else f"{record.planned_trials} trials"
        log.info("%s: %s%s", _title(record), trials, going_on)

        if self._progress is not None:
            self._task = self._progress.add_task(printable(record.strategy), total=None, state="")

    def teacher_started(self, name: str, epochs: int, images: int) -> None:
        """Shows that a teacher is loaded or trained."""
        self._begin(None, Pace(f"teacher {name}", epochs, images, has_tau=True))

    def teacher_ready(self, record: TeacherRecord, paid: Costs | None) -> None:
        """Says that the teacher can be used."""
        how = (
            f"trained: {kwh(paid.energy_kwh)}, {grams(paid.co2eq_g)}, {paid.duration_s:.1f} s"
            if paid
            else ("given" if record.trained_by == "given" else "from the cache")
        )

        log.info(
            "  teacher %s: validation %s, test %s; %s",
            record.network.name,
            percent(record.val_score),
            percent(record.test_score),
            how,
        )

    def flops_not_stated(self, objective: str) -> None:
        """Says that FLOP counts are too low."""
        self.note(
            f"  objective {objective} does not state its FLOPs: matrix products in it are in no count; "
            "give it a method flops(), see docs/objectives.md"
        )

    def synthesis_started(self, name: str) -> None:
        """Shows that a pool of images is loaded or made."""
        self._show(f"images: {name}", 1)

    def round_finished(self, number: int, rounds: int) -> None:
        """Shows that a round of images is done."""
        if self._progress is not None:
            self._progress.update(self._task, completed=number + 1, total=rounds, state=f"round {number + 1}")

    def pool_ready(self, record: PoolRecord, paid: Costs | None, *, chosen_on_real: bool) -> None:
        """Says which images students see, who labels them, and whether τ is chosen on others."""
        how = f"made: {kwh(paid.energy_kwh)}, {paid.duration_s:.1f} s" if paid else "from the cache"
        absent = sum(count == 0 for count in record.class_counts)
        log.info(
            "  images of transfer=%s: %d, %d held out, with the teacher's labels; %s%s",
            record.transfer,
            record.images,
            record.held_out,
            how,
            f"; the teacher sees {absent} of {len(record.class_counts)} classes in none of them" if absent else "",
        )
        if chosen_on_real:
            log.info("  selection=validation chooses τ on real images, which is not data-free")

    def trial_started(self, trial: int, params: Params, epochs: int, images: int) -> None:
        """Shows that a trial begins, or goes on, with so many epochs in all of so many images."""
        description = f"{self._strategy} {trial + 1}/{self._planned}, {setting(params, self._strategy)}"
        self._begin(trial, Pace(description, epochs, images, has_tau="tau" in params))

    def epoch_finished(self, row: EpochRow) -> None:
        """Shows that an epoch has ended: in the bar, or in a line if the last one is a while ago."""
        pace = self._paces.get(row.trial)
        if pace is None:
            return
        line = pace.line(row)
        if self._progress is not None:
            state = printable(pace.state(row))
            self._progress.update(self._task, completed=row.epoch + 1, total=pace.epochs, state=state)

        if not rich.get_console().is_terminal and time.monotonic() - self._said_at > LINE_EVERY_S:
            log.info("  %s", line)
            self._said_at = time.monotonic()

    def trial_finished(self, row: TrialRow) -> None:
        """Says in one line how a trial has ended."""
        ending = {
            TrialStatus.PRUNED: f", pruned after epoch {row.epochs}",
            TrialStatus.PAUSED: f", paused after epoch {row.epochs}",
            TrialStatus.FAILED: f"; {row.cause}",
        }
        log.log(
            logging.ERROR if row.status is TrialStatus.FAILED else logging.INFO,
            "  %strial %*d/%d  %-12s validation %-8s %s  %s  %.1f s%s",
            f"{self._strategy} seed {self._seed}, " if self._in_turns else "",
            len(str(self._planned)),
            row.trial + 1,
            self._planned,
            setting(row.params, self._strategy),
            percent(row.val_score),
            kwh(row.energy_kwh),
            grams(row.co2eq_g),
            row.duration_s,
            ending.get(row.status, ""),
        )
        if self._progress is not None and self._in_turns:
            self._progress.update(self._task, visible=False)

    def bank_used(self, costs: Costs | None, trials: int, streams: int = 1) -> None:
        """Says what storing the teacher's logits was good for.

        Args:
            costs: What they cost; None: nothing is known.
            trials: Trials that have completed.
            streams: Streams of batches; trials of different seeds have no logits in common.
        """
        if costs is None:
            return

        total = f"  teacher's logits: {kwh(costs.energy_kwh)}, {costs.duration_s:.1f} s"
        once = f"{total}, computed once"
        if streams > 1:
            log.info("%s for %d trials, each of which sees batches of its own", total, streams)
        elif trials > 1:
            log.info("%s for %d trials; without the bank each would pay that", once, trials)
        else:
            log.info("%s; the bank pays from the second trial, strategy or resumed run on", once)

    def campaign_finished(self, record: CampaignRecord) -> None:
        """Says how a campaign has ended."""
        if self._progress is not None:
            self._progress.remove_task(self._task)

        if record.status is CampaignStatus.FAILED:
            log.error("  no trial completed: %s", record.message)
            return
        if record.chosen_trial is None:
            log.warning("  nothing to choose from: %s", record.message)
            return

        log.info(
            "  chosen: %s, validation %s, test %s%s",
            setting(record.chosen_params, record.strategy),
            percent(record.val_score),
            percent(record.test_score),
            f"; {record.message}" if record.message else "",
        )

    def _begin(self, trial: int | None, pace: Pace) -> None:
        self._show(pace.description, pace.epochs)
        self._paces[trial], self._said_at = pace, time.monotonic()

    def _show(self, description: str, epochs: int) -> None:
        if self._progress is not None:
            self._progress.reset(self._task, total=epochs, description=printable(description), state="", visible=True)


def _cure(record: CampaignRecord) -> str:
    return "a larger budget goes on" if record.budget_stopped else "retry=failed runs those again"


def _title(record: CampaignRecord) -> str:
    pair = f"{record.teacher} → {record.student}"
    strategy = searching_name(record.strategy, record.searched)
    return f"{strategy} · {record.data_label} · {pair} · {record.objective} · seed {record.seed}"
