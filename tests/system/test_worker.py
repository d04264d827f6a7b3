"""`greenkd submit --print` and two workers, typed as a user does, beside one command."""

import sys
from pathlib import Path

import pytest

from greenkd.records import (
    UNMETERED,
    CampaignStatus,
    LedgerRow,
    Phase,
    ProcessRow,
    find_campaigns,
    read_campaign,
    read_rows,
)
from tests.commands import Command
from tests.system.conftest import QUICK, Run

pytestmark = [pytest.mark.system, pytest.mark.slow]
SWEEP = ("temperature=grid_coarse,stochastic", "energy=simulated", *QUICK)
TRAINING_IMAGES = 1438 - 287  # of the digits, less the validation split


def test_two_workers_leave_what_one_command_leaves(greenkd: Run, base: Path) -> None:
    alone = greenkd("-m", *SWEEP, "sweep=one_command", "cache_dir=other_cache")
    assert alone.returncode == 0, alone.stdout + alone.stderr

    # The plan, and the script, which alone is printed to where it can be piped
    planned = greenkd("submit", "--print", "-p", "gpu", *SWEEP, "sweep=two_workers", program=("-m", "greenkd"))
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.startswith("#!/bin/bash\n")
    assert "#SBATCH --array=0-4\n" in planned.stdout
    assert "2 campaigns, 5 trials" in planned.stderr
    interpreter, *program = planned.stdout.splitlines()[-1].partition("} ")[2].split()
    assert interpreter == sys.executable
    sweep = base / "multirun" / "two_workers"
    assert not list(find_campaigns(sweep))

    # Two workers, as the script starts them
    workers = [
        Command(*program[2:], program=program[:2], cwd=base, SLURM_ARRAY_TASK_ID=number) for number in ("0", "1")
    ]
    outputs = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert sum("written: multirun/two_workers/comparison.csv" in output for output in outputs) in (1, 2)

    # The same results, and nothing done or paid twice
    folders = {name: list(find_campaigns(base / "multirun" / name)) for name in ("one_command", "two_workers")}
    one, other = ([read_campaign(folder / "campaign.json") for folder in folders[name]] for name in folders)
    assert [record.status for record in other] == [CampaignStatus.DONE] * 2
    assert [(record.chosen_params, record.tests) for record in one] == [
        (record.chosen_params, record.tests) for record in other
    ]
    rows = [row for folder in folders["two_workers"] for row in read_rows(folder / "ledger.jsonl", LedgerRow).rows]
    trained = [row for row in rows if row.phase is Phase.STUDENT_TRAINING]
    assert sum(row.images for row in trained) == 5 * 2 * TRAINING_IMAGES
    for process in read_rows(sweep / "processes.jsonl", ProcessRow).rows:
        own = [row for row in rows if row.pid == process.pid and row.host == process.host]
        shares = [row for row in own if UNMETERED in row.warnings]
        assert len(shares) == len({row.campaign_id for row in own})  # start-up is shared by the campaigns it served

    # What is done is not done again.
    again = greenkd("submit", *SWEEP, "sweep=two_workers", program=("-m", "greenkd"))
    assert again.returncode == 0
    assert "nothing is left to do" in again.stdout
