"""Kills real campaigns with SIGKILL at chosen and at random moments, lets them go on, and compares what they end with.

A parent process that has imported everything forks one child per attempt, which saves the seconds of importing torch.
Each child runs one campaign in a process of its own; it dies of SIGKILL, by its own hand at a certain step, write or
test (so that a kill inside a write can be repeated), or by its parent's after so many seconds.
"""

import contextlib
import dataclasses
import importlib
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import torch

from greenkd import records
from greenkd.campaign import evaluation
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.errors import TrainingInterruptedError
from greenkd.records import (
    CampaignStatus,
    EpochRow,
    LedgerRow,
    StepsRow,
    TrialRow,
    TrialStatus,
    read_campaign,
    read_rows,
)
from greenkd.training.safetensors_io import load_tensors
from greenkd.training.stop_signals import StopFlag
from tests.dying import Kill, Moment, Suicide
from tests.kill_campaigns import CAMPAIGNS, settings_of

ROOT = Path(__file__).parents[1]


def preload() -> None:
    """Imports what a campaign imports on its way, so that no child has to."""
    for name in ("torch._dynamo", "sklearn.datasets", "cmaes"):
        importlib.import_module(name)
    optuna.storages.RDBStorage("sqlite:///:memory:")


def run_child(campaign: str, root: Path, kill: Kill | None, seed: int) -> tuple[int, dict[str, int]]:
    """Runs one campaign in a forked process, to its end or to its death.

    Returns:
        The exit status (negative: the signal it died of), and how many steps, writes and tests it made (if it lived).
    """
    settings = settings_of(campaign, root)
    counts = root / "counts.txt"
    counts.unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with (root / "log.txt").open("a") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            torch.set_num_threads(1)
            suicide = Suicide(kill, seed)
            suicide.install()
            evaluation.WINDOW_S = 0.0  # a single pass is as good to be killed in
            record = run_campaign(settings, root / "campaign", StopFlag(), Reporter())
            counts.write_text(repr(dict(suicide.counts)))
            code = 0 if record.status is CampaignStatus.DONE else 3
        except TrainingInterruptedError:
            code = 130
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    if kill is not None and kill.moment == "second":
        time.sleep(kill.number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    made = eval(counts.read_text()) if counts.exists() else {}
    return os.waitstatus_to_exitcode(status), made


def outcome(root: Path) -> dict[str, Any]:
    """Returns everything a campaign ended with that must not depend on how often it was killed."""
    folder = root / "campaign"
    record = read_campaign(folder / "campaign.json")
    epochs = read_rows(folder / "epochs.jsonl", EpochRow).rows
    steps = read_rows(folder / "steps.jsonl", StepsRow).rows
    trials = [row for row in read_rows(folder / "trials.jsonl", TrialRow).rows if row.status is TrialStatus.COMPLETE]
    (teacher,) = (root / "cache" / "teachers").glob("*/weights.safetensors")
    bank = sorted((root / "cache" / "logits").glob("*/epoch_*.safetensors"))
    pools = sorted((root / "cache" / "pools").glob("*/images.safetensors"))
    return {
        "status": record.status,
        "choice": (record.chosen_trial, record.chosen_params, record.val_score),
        "test": (record.test_score, record.tests),
        "student": _bits(folder / "student.safetensors"),
        "teacher": _bits(teacher),
        "logits": [_bits(path) for path in bank],
        "pools": [_bits(path) for path in pools],
        # Whatever attempt made an epoch, it is the same epoch.
        "epochs": {
            (
                row.trial,
                row.epoch,
                row.lr,
                row.tau_mean,
                row.train_loss,
                row.train_score,
                row.val_loss,
                row.val_score,
            )
            for row in epochs
        },
        "steps": {(row.trial, row.epoch, row.taus, row.tau_sds, row.losses) for row in steps},
        "trials": {
            (row.trial, tuple(row.params.items()), row.epochs, row.val_score, row.val_loss, row.train_loss)
            for row in trials
        },
        # Temporary files of a killed process stay for an hour: another machine's may look like one.
        "left over": [
            path.name
            for path in (folder / "trials", *root.rglob("checkpoint*"), *root.rglob("rounds"))
            if path.exists()
        ],
    }


def _bits(path: Path) -> dict[str, bytes]:
    tensors, _ = load_tensors(path)
    return {name: tensor.reshape(-1).view(torch.uint8).numpy().tobytes() for name, tensor in tensors.items()}


def ledger_lines(root: Path) -> set[tuple[str, str]]:
    """Returns every whole line of every ledger."""
    return {
        (str(path.relative_to(root)), line)
        for path in root.rglob("ledger*.jsonl")
        for line in path.read_text(errors="replace").split("\n")[:-1]
        if line.endswith("}")
    }


def finished_trials(root: Path) -> dict[int, int]:
    """Returns the attempt that ended each finished trial."""
    rows = read_rows(root / "campaign" / "trials.jsonl", TrialRow).rows
    return {row.trial: row.attempt for row in rows if row.status.has_ended}


def place(root: Path) -> str:
    """Tells what a campaign was at when it was killed, from what it left."""
    if not list((root / "cache").glob("teachers/*/teacher.json")):
        return "teacher"
    pools = root / "cache" / "pools"
    if pools.exists() and not list(pools.glob("*/pool.json")):
        return "synthesis"
    with contextlib.suppress(FileNotFoundError, records.RecordError):
        if read_campaign(root / "campaign" / "campaign.json").chosen_trial is not None:
            return "test"
    return "trial"


@dataclasses.dataclass
class Tally:
    """What many kills have shown."""

    kills: int = 0
    resumed: int = 0
    identical: int = 0
    rows_checked: int = 0
    rows_lost: int = 0
    trials_checked: int = 0
    trials_lost: int = 0
    attempts_killed: int = 0
    places: Counter[str] = dataclasses.field(default_factory=Counter)
    problems: list[str] = dataclasses.field(default_factory=list)


def kill_many(kills: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    """Kills campaigns until there are so many kills, each campaign several times, and checks each when it has ended.

    Args:
        kills: How many.
        seed: Of the moments.
        folder: Working folder; a campaign's files are removed when it turned out well.
        say: Told of every kill.
    """
    preload()
    chance = random.Random(seed)
    tally = Tally()
    references: dict[str, tuple[dict[str, Any], dict[str, int], float]] = {}
    for round_number in range(10 * kills):
        if tally.kills >= kills:
            break
        campaign = list(CAMPAIGNS)[round_number % len(CAMPAIGNS)]
        if campaign not in references:
            references[campaign] = _reference(campaign, folder / f"reference-{campaign}")
        reference, counts, seconds = references[campaign]
        root = folder / f"{round_number:03d}-{campaign}"
        root.mkdir(parents=True)
        before = tally.kills
        for kill in _moments(chance, counts, seconds):
            if tally.kills >= kills:
                break
            own_seed = chance.randrange(2**32)
            code, _ = run_child(campaign, root, kill, own_seed)
            if code != -signal.SIGKILL:
                if code != 0:
                    tally.problems.append(f"{root}: exit code {code} with {kill}, see log.txt")
                break
            tally.kills += 1
            where = f"{'write, ' if kill.moment == 'write' else ''}{place(root)}"
            tally.places[where] += 1
            say(f"kill {tally.kills}: {campaign}, {kill.moment} {kill.number:.4g} (seed {own_seed}): {where}")
            _remember(root)
        code, _ = run_child(campaign, root, None, 0)
        mine = tally.kills - before
        if code == 0:
            tally.resumed += mine
            found = [key for key, value in outcome(root).items() if value != reference[key]]
            tally.identical += 0 if found else mine
            tally.problems += [f"{root}: {key} differs from the uninterrupted run's" for key in found]
            sound = not found
        else:
            tally.problems.append(f"{root}: does not go on, exit code {code}, see log.txt")
            sound = False
        lost_before = tally.rows_lost + tally.trials_lost
        _check_kept(root, tally)
        if sound and tally.rows_lost + tally.trials_lost == lost_before:
            shutil.rmtree(root)
    return tally


def _reference(campaign: str, root: Path) -> tuple[dict[str, Any], dict[str, int], float]:
    root.mkdir(parents=True)
    started = time.monotonic()
    code, counts = run_child(campaign, root, None, 0)
    if code != 0:
        raise RuntimeError(f"{root}: the uninterrupted run ended with exit code {code}, see log.txt")
    return outcome(root), counts, time.monotonic() - started


def _moments(chance: random.Random, counts: dict[str, int], seconds: float) -> list[Kill]:
    """Draws the moments of one campaign's kills, from its teacher's training to its test."""

    def count(moment: Moment, share: float) -> Kill:
        return Kill(moment, chance.randint(1, max(1, int(share * counts[moment]))))

    drawn = [
        count("step", 0.15),  # a campaign's first steps are its teacher's
        count("write", 0.3),
        Kill("second", chance.uniform(0.1, 1) * seconds),
        count("step", 0.8),
        count("write", 1),
        count("test", 1),
    ]
    return [kill for kill in drawn if chance.random() < 0.7] or [drawn[-1]]


def _remember(root: Path) -> None:
    """Keeps a copy of what was on record at a kill."""
    number = len(list(root.glob("killed-*")))
    kept = root / f"killed-{number}"
    kept.mkdir()
    (kept / "ledgers.txt").write_text(repr((ledger_lines(root), finished_trials(root))))


def _check_kept(root: Path, tally: Tally) -> None:
    """Counts what was on record at a kill and is no longer."""
    now, ended = ledger_lines(root), finished_trials(root)
    for path in root.glob("killed-*/ledgers.txt"):
        lines, trials = eval(path.read_text())
        tally.rows_checked += len(lines)
        tally.rows_lost += len(lines - now)
        tally.trials_checked += len(trials)
        # A finished trial that was trained again has a later attempt.
        tally.trials_lost += sum(ended.get(trial) != attempt for trial, attempt in trials.items())
    rows = read_rows(root / "campaign" / "ledger.jsonl", LedgerRow).rows
    attempts = {(row.trial, row.attempt) for row in rows if row.trial is not None}
    on_record = {(row.trial, row.attempt) for row in read_rows(root / "campaign" / "trials.jsonl", TrialRow).rows}
    tally.attempts_killed += len(attempts - on_record)
