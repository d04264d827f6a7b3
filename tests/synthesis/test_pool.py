"""Pools in the cache: made once, by one process, again where damaged, and gone on with where a process was stopped."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from greenkd.campaign.settings import Settings
from greenkd.campaign.training_context import DataCache, open_training_context
from greenkd.data import normalise
from greenkd.energy import open_monitor
from greenkd.errors import GreenkdError, TrainingInterruptedError
from greenkd.records import LedgerRow, Phase, read_rows, sum_costs
from greenkd.synthesis.look import main
from greenkd.synthesis.pool import Pool, load_or_make, load_pool
from greenkd.synthesis.request import PoolRequest, pool_key, pool_size
from greenkd.training.context import TrainingContext
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import StopAfter, settings

CMI = (
    "transfer=cmi",
    "transfer.batch_size=16",
    "transfer.steps=3",
    "transfer.images=50",
    "transfer.held_out=20",
    "transfer.negatives=16",
    "transfer.width=4",
    "transfer.latent_size=8",
)
STEPS, ROUNDS = 3, 5  # of 16 images: 80, of which 70 are taken


def made(root: Path, *overrides: str, stop: StopFlag | None = None, kept_always: bool = False) -> Pool:
    """Makes a pool from an untrained teacher."""
    every = ("training.checkpoint_every_s=1e-9",) if kept_always else ()
    own = settings(root, *(overrides or CMI), *every)
    monitor = open_monitor(own.energy.mapping, campaign_id="mine", ledger=root / "ledger.jsonl")
    with monitor:
        context = open_training_context(own, torch.device("cpu"), monitor, stop or StopFlag(), DataCache())
        return load_or_make(context, request(own, context), own.cache_dir)


def request(own: Settings, context: TrainingContext) -> PoolRequest:
    transfer = own.build_transfer()
    assert transfer is not None
    teacher = context.networks.build(own.teacher.mapping, "teacher", 0).eval()
    return PoolRequest(
        transfer=transfer,
        config=own.transfer.mapping,
        teacher=teacher,
        teacher_key="0123",
        teacher_flops=10.0,
        campaign_id="mine",
        before_round=lambda: None,
        before_step=lambda: True,
        on_round=lambda number, rounds: None,
    )


def same(one: Pool, other: Pool) -> bool:
    return all(
        torch.equal(getattr(first, part), getattr(second, part))
        for first, second in ((one.images, other.images), (one.held_out, other.held_out))
        for part in ("images", "labels")
    )


def synthesis(pool: Pool) -> list[LedgerRow]:
    rows = read_rows(pool.folder / "ledger.jsonl", LedgerRow).rows
    assert {row.phase for row in rows} == {Phase.SYNTHESIS}
    return rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return made(tmp_path_factory.mktemp("whole"))


def test_a_pool_holds_what_was_asked_for_with_the_teachers_labels(whole: Pool, tmp_path: Path) -> None:
    assert (len(whole.images), len(whole.held_out)) == (50, 20)
    assert (whole.record.rounds, sum(whole.record.class_counts)) == (ROUNDS, 50)

    own = settings(tmp_path, *CMI)
    monitor = open_monitor(own.energy.mapping, campaign_id="", ledger=tmp_path / "ledger.jsonl")
    context = open_training_context(own, torch.device("cpu"), monitor, StopFlag(), DataCache())
    teacher, options = request(own, context).teacher, context.data.options
    for part in (whole.images, whole.held_out):
        assert torch.equal(teacher(normalise(part.images, options.mean, options.std)).argmax(1), part.labels)


def test_what_it_took_is_in_its_own_ledger(whole: Pool) -> None:
    rows = synthesis(whole)
    assert sum(row.images for row in rows) == whole.record.work_images == ROUNDS * 16 * STEPS + 70
    costs = sum_costs(rows)
    assert costs.flops is not None
    assert costs.flops > costs.forward_flops > 0  # type: ignore[operator]


def test_it_is_made_once(whole: Pool, tmp_path: Path) -> None:
    first = made(tmp_path)
    before = (first.folder / "ledger.jsonl").read_bytes()
    assert same(made(tmp_path), first)
    assert (first.folder / "ledger.jsonl").read_bytes() == before
    assert same(first, whole)


@pytest.mark.parametrize("part", ["images.safetensors", "pool.json"])
def test_a_damaged_pool_is_made_again_and_said_so(
    part: str, whole: Pool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = made(tmp_path)
    content = bytearray((pool.folder / part).read_bytes())
    content[-9 if part.endswith("tensors") else 0] ^= 1
    (pool.folder / part).write_bytes(content)
    assert same(made(tmp_path), whole)
    assert "the cached pool of images is damaged and will be made again" in caplog.text
    assert {row.attempt for row in synthesis(pool)} == {0, 1}


@pytest.mark.parametrize("questions", [2, 2 * STEPS + 2])
@pytest.mark.parametrize("kept_always", [False, True])
def test_a_stopped_pool_goes_on_to_the_last_bit(questions: int, kept_always: bool, whole: Pool, tmp_path: Path) -> None:
    with pytest.raises(TrainingInterruptedError):
        made(tmp_path, stop=StopAfter(questions + 1), kept_always=kept_always)  # the lock asks once
    folder = tmp_path / "cache" / "pools" / whole.record.key
    assert load_pool(folder) is None

    pool = made(tmp_path)
    assert same(pool, whole)
    assert not (pool.folder / "rounds").exists()
    # A round is lost at most: the one in which it was stopped.
    again = sum(row.images for row in synthesis(pool)) - whole.record.work_images
    assert 0 <= again < 16 * STEPS


def test_damaged_rounds_are_made_again(whole: Pool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TrainingInterruptedError):
        made(tmp_path, stop=StopAfter(3 * STEPS))
    (part,) = (tmp_path / "cache" / "pools").glob("*/rounds/from_*.safetensors")
    os.truncate(part, 100)
    assert same(made(tmp_path), whole)
    assert "the images made so far are damaged" in caplog.text


def forked(run: "partial[Pool]") -> int:
    """Runs something in a child; returns its process number."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            os._exit(code)
    return child


def test_two_processes_make_one_pool(whole: Pool, tmp_path: Path) -> None:
    children = [forked(partial(made, tmp_path)) for _ in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    pool = load_pool(tmp_path / "cache" / "pools" / whole.record.key)
    assert pool is not None
    assert same(pool, whole)
    assert len({row.pid for row in synthesis(pool)}) == 1
    assert sum(row.images for row in synthesis(pool)) == whole.record.work_images


class KilledAfter(StopFlag):
    """Kills its process at one of its questions."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self._left = questions

    def check(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_pool_goes_on_to_the_last_bit(whole: Pool, tmp_path: Path) -> None:
    child = forked(partial(made, tmp_path, stop=KilledAfter(3 * STEPS + 1), kept_always=True))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    paid = read_rows(tmp_path / "cache" / "pools" / whole.record.key / "ledger.jsonl", LedgerRow).rows
    assert sum(row.images for row in paid) >= 2 * 16 * STEPS, "rounds that are kept are on the ledger"

    pool = made(tmp_path)
    assert same(pool, whole)
    assert sum(row.images for row in synthesis(pool) if row.attempt == 1) <= whole.record.work_images - 2 * 16 * STEPS


def test_its_key_is_what_it_is_a_function_of(tmp_path: Path) -> None:
    def key(*overrides: str, teacher: str = "0123") -> str:
        own = settings(tmp_path, *CMI, *overrides)
        monitor = open_monitor(own.energy.mapping, campaign_id="", ledger=tmp_path / "ledger.jsonl")
        context = open_training_context(own, torch.device("cpu"), monitor, StopFlag(), DataCache())
        transfer = own.build_transfer()
        assert transfer is not None
        size = pool_size(transfer, context.data)
        return pool_key(transfer, own.transfer.mapping, context, teacher, size)

    base = key()
    assert key("seed=1", "student=tiny_cnn", "temperature=fixed", "selection=agreement") == base
    assert key("transfer.name=other") == base
    others = [
        key("transfer.seed=1"),
        key("transfer.steps=4"),
        key("transfer.images=51"),
        key("transfer.held_out=21"),
        key("dataset.augmentation.crop_padding=0"),
        key("dataset.mean=[0.4]"),
        key(teacher="4567"),
    ]
    assert len({base, *others}) == 8
    assert key("transfer.seed=per_seed", "seed=1") == key("transfer.seed=1")


def test_people_can_look_at_it(whole: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    main([str(whole.folder), "-o", str(sheet)])
    assert "50 images to train on and 20 held out, transfer=cmi" in capsys.readouterr().out
    assert sheet.read_bytes() == (whole.folder / "pool.png").read_bytes()
    with pytest.raises(GreenkdError, match="holds no complete pool"):
        main([str(tmp_path)])
