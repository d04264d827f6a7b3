"""Estimated FLOPs are those of the ledgers, to the last one."""

import math
from pathlib import Path

import pytest

from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.estimate import plan
from greenkd.estimate.estimate import make_estimate
from greenkd.estimate.settlement import describe_settlement, settle
from greenkd.estimate.stopwatch import Work
from greenkd.records import LedgerRow, Phase, read_rows
from greenkd.training.stop_signals import StopFlag
from tests.estimate.test_estimate import GRID, KNOWN, STOCHASTIC, planned

RESTARTS = ("temperature=restarts", "temperature.restarts=3")

# The phases whose FLOPs are known beforehand; inference fills a second with as many passes as it can.
CAMPAIGNS = (Phase.STUDENT_TRAINING, Phase.SYNTHESIS, Phase.VALIDATION, Phase.TEST)
CACHED = (Phase.TEACHER_TRAINING, Phase.SYNTHESIS, Phase.TEACHER_LOGITS)
# Two rounds and a part of a third, of which the later compare with 64 and 96 remembered images.
CMI = (
    "transfer=cmi",
    "transfer.steps=2",
    "transfer.batch_size=64",
    "transfer.negatives=96",
    "transfer.images=100",
    "transfer.held_out=50",
)


# A search whose combinations differ in their FLOPs
NEGATIVES = "temperature.search={objective.negatives: [16, 64]}"


def in_ledgers(root: Path) -> float:
    campaigns = [row for path in root.glob("multirun/**/ledger.jsonl") for row in read_rows(path, LedgerRow).rows]
    cached = [row for path in root.glob("cache/*/*/ledger.jsonl") for row in read_rows(path, LedgerRow).rows]
    rows = [row for row in campaigns if row.phase in CAMPAIGNS] + [row for row in cached if row.phase in CACHED]
    return math.fsum(row.flops or 0.0 for row in rows)


@pytest.mark.parametrize(
    "strategies",
    [
        [(*GRID, "seed=0"), (*STOCHASTIC, "seed=0"), (*STOCHASTIC, "seed=1")],
        [(*STOCHASTIC, "training.epochs=4", "training.validate_every=3", "training.bank=false")],
        [(*GRID, "objective=crd", "training.parallel_trials=2", "training.parallel_mode=lockstep", NEGATIVES)],
        [(*STOCHASTIC, "objective=dml")],
        [(*GRID, *CMI), (*STOCHASTIC, *CMI)],
        pytest.param([(*STOCHASTIC, *CMI, "transfer.adversarial=0.5")], marks=pytest.mark.nightly),
        [(*GRID, "dataset=digit_scenes", "dataset.train_scenes=40", "dataset.test_scenes=20", "training.batch_size=8")],
        pytest.param([RESTARTS, (*STOCHASTIC, "seed=0")], marks=pytest.mark.nightly),
        [(*RESTARTS, "training.bank=false", "training.parallel_trials=2", "training.parallel_mode=lockstep")],
    ],
)
def test_flops_are_those_of_the_ledgers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategies: list[tuple[str, ...]]
) -> None:
    monkeypatch.setattr(plan, "from_records", lambda *_: KNOWN)
    monkeypatch.setattr(plan, "_since_start", lambda: Work(0.0, 0.0))
    campaigns = planned(tmp_path, *strategies)
    record = make_estimate(campaigns, StopFlag())

    for campaign in campaigns:
        run_campaign(*campaign, StopFlag(), Reporter())
    settled = settle(tmp_path / "multirun" / "default")

    assert record.total.flops == in_ledgers(tmp_path)
    assert settled is not None
    assert settled.outcome is not None
    assert settled.outcome.flops == record.total.flops
    assert "GFLOPs estimated" in describe_settlement(settled)
    assert "(to the last one)" in describe_settlement(settled)
    assert sum(row.flops or 0.0 for row in record.rows) == record.total.flops
