"""Estimate, interleaved run, settled estimate, budget: typed as a user does."""

import json
import re
from pathlib import Path

import pytest

from greenkd.records import LedgerRow, Phase, ProcessRow, read_campaign, read_rows
from tests.system.conftest import QUICK, Run

pytestmark = [pytest.mark.system, pytest.mark.slow]
TURNS = ("order=interleaved", "interleaving.every=block", "interleaving.idle_s=0.1")
SWEEP = ("-m", "temperature=grid_coarse,stochastic", "sweep=turns", *TURNS)


@pytest.fixture(scope="module")
def estimated(greenkd: Run) -> str:
    done = greenkd(*SWEEP, *QUICK, "estimate=true")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def turns(greenkd: Run, base: Path, estimated: str) -> str:
    done = greenkd(*SWEEP, *QUICK)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_estimate_trains_nothing(estimated: str, turns: str) -> None:
    assert "stochastic alone" in estimated
    assert "validation" not in estimated
    assert "to do" in turns  # nothing had been run


def test_campaigns_take_turns_and_the_estimate_is_settled(turns: str, base: Path) -> None:
    announced = [line for line in turns.splitlines() if line.startswith("block ")]
    assert len(announced) == 4
    assert "CPU s estimated" in turns
    outcome = json.loads((base / "multirun" / "turns" / "estimate.json").read_text())["outcome"]
    assert outcome["cpu_s"] > 0


def test_ledgers_sum_to_the_commands_window(turns: str, base: Path) -> None:
    sweep = base / "multirun" / "turns"
    process, comparison = read_rows(sweep / "processes.jsonl", ProcessRow).rows
    assert (process.kind, comparison.kind) == ("command", "comparison")
    assert comparison.pid == process.pid
    assert comparison.cpu_s > 0
    assert comparison.metered_cpu_s == 0  # charged to no campaign
    ledgers = [*sweep.glob("*/*/*/*/*/ledger.jsonl"), sweep / "calibration.jsonl", *base.glob("cache/*/*/ledger.jsonl")]
    rows = [row for path in ledgers for row in read_rows(path, LedgerRow).rows if row.pid == process.pid]
    assert sum(row.duration_s for row in rows) == pytest.approx(process.duration_s, rel=0.02)
    assert sum(row.cpu_s or 0 for row in rows) == pytest.approx(process.cpu_s, rel=0.02)
    shares = [row for row in rows if any("start-up" in warning for warning in row.warnings)]
    assert len(shares) == 2
    assert {row.phase for row in shares} == {Phase.START_UP}
    assert shares[0].cpu_s == shares[1].cpu_s  # whichever campaign came first
    assert {row.method for row in shares} == {row.method for row in rows}
    assert all((row.energy_kwh or 0) > 0 for row in shares)


def test_a_budget_stops_a_sweep_and_the_table_says_so(greenkd: Run, base: Path, turns: str) -> None:
    (folder,) = (base / "multirun" / "turns").glob("*/*/*/grid_coarse/*")
    ledger = read_rows(folder / "ledger.jsonl", LedgerRow).rows

    # Three trials and a half, and what comes after them: tests, and a pass of student and teacher. The teacher and its
    # logits are cached. How many trials may begin depends on the machine's speed: what may be spent until the next look
    # at the ledger is held back too.
    trials = [row for row in ledger if row.phase in (Phase.STUDENT_TRAINING, Phase.VALIDATION)]
    tests = [row for row in ledger if row.phase is Phase.TEST]
    record = read_campaign(folder / "campaign.json")
    passes = [record.student_inference, record.teacher_inference]
    finish = sum(row.flops or 0 for row in tests) + sum(network.costs.flops or 0 for network in passes if network)
    limit = (3.5 * sum(row.flops or 0 for row in trials) / 4 + finish) / 1e9
    command = ("-m", "temperature=grid_coarse", "sweep=turns2", *QUICK)
    stopped = greenkd(*command, f"budget.gflops={limit}")
    assert stopped.returncode == 3, stopped.stderr
    said = re.search(r"stopped by budget after [123] of 4", stopped.stdout)
    assert said, stopped.stdout
    table = greenkd("multirun/turns2", program=("-m", "analysis"))
    assert said[0] in table.stdout
    larger = greenkd(*command, "budget.gflops=1e6")
    assert larger.returncode == 0, larger.stderr
    assert "stopped by budget" not in larger.stdout
