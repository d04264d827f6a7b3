"""A compiled step computes what the step as written computes."""

import shutil
from pathlib import Path

import pytest

from greenkd.records import LedgerRow, Phase, read_rows
from tests.campaigns import Campaign

# 1,151 training images: five batches of one size and a single image, which is left out; one shape is compiled.
SHORT = ("temperature=fixed", "training.epochs=1", "training.batch_size=230", "threads=1", "student.width=4")

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++"))), reason="torch.compile needs a C++ compiler on PATH"
)


@pytest.mark.slow
def test_compiled_equals_eager_within_rounding(tmp_path: Path) -> None:
    eager = Campaign(tmp_path / "eager", *SHORT)
    compiled = Campaign(tmp_path / "compiled", *SHORT, "training.compile=true")
    # Fused kernels round in another order; over one epoch the losses stay this close.
    assert [row.train_loss for row in compiled.epochs] == pytest.approx(
        [row.train_loss for row in eager.epochs], rel=1e-4
    )
    # The compiler's time is recorded for the trial, but not as training.
    rows = read_rows(compiled.folder / "ledger.jsonl", LedgerRow).rows
    overhead = [row for row in rows if row.phase is Phase.OVERHEAD and row.trial == 0]
    training = [row for row in rows if row.phase is Phase.STUDENT_TRAINING]
    assert sum(row.duration_s for row in overhead) > 0
    assert sum(row.images for row in overhead) == 0
    assert sum(row.images for row in training) == 5 * 230
