"""A window's energy is divided among its phases, and joint phases among their trials, so that nothing is lost."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkd.energy import EnergyMonitor
from greenkd.energy.window import Energies, PhaseKey, Segment, divide, divide_joint_segments
from greenkd.records import Phase, Source
from tests.energy.fakes import FakeClock, FakeMeter
from tests.energy.test_monitor import TERMS, rows


def test_trials_of_a_joint_phase_share_equally(tmp_path: Path) -> None:
    clock = FakeClock()
    ledger = tmp_path / "ledger.jsonl"
    with EnergyMonitor(FakeMeter(clock), ledger=ledger, terms=TERMS, heartbeat_s=3600, clock=clock) as monitor:
        with monitor.joint_phase(Phase.STUDENT_TRAINING, trials={0: 0, 1: 2, 2: 0}) as handles:
            clock.pass_time(300)
            for handle in handles.values():
                handle.add_work(10, 1.0, 1.0)
        assert monitor.costs().duration_s == 0
    recorded = rows(ledger)
    for trial, attempt in [(0, 0), (1, 2), (2, 0)]:
        row = recorded[Phase.STUDENT_TRAINING, trial, attempt]
        assert row.energy_kwh == pytest.approx(1e-3)
        assert row.duration_s == pytest.approx(100)
        assert (row.images, row.apportioned) == (10, True)
    assert (Phase.STUDENT_TRAINING, None, 0) not in recorded


def test_unlike_students_bear_their_own_seconds_and_an_equal_part_of_the_rest(tmp_path: Path) -> None:
    clock = FakeClock()
    ledger = tmp_path / "ledger.jsonl"
    with (
        EnergyMonitor(FakeMeter(clock), ledger=ledger, terms=TERMS, heartbeat_s=3600, clock=clock) as monitor,
        monitor.joint_phase(Phase.STUDENT_TRAINING, trials={0: 0, 1: 0}) as handles,
    ):
        handles[0].add_seconds(50.0)
        clock.pass_time(100)
        handles[1].add_seconds(10.0)
    recorded = rows(ledger)
    assert recorded[Phase.STUDENT_TRAINING, 0, 0].duration_s == pytest.approx(50 + 20)
    assert recorded[Phase.STUDENT_TRAINING, 1, 0].duration_s == pytest.approx(10 + 20)
    assert recorded[Phase.STUDENT_TRAINING, 0, 0].energy_kwh == pytest.approx(0.7e-3)


amounts = st.floats(min_value=0, max_value=1e4, allow_subnormal=False)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(amounts, amounts, amounts), min_size=1, max_size=8),
    st.tuples(amounts, amounts),
    amounts,
)
def test_whatever_a_joint_phase_holds_the_parts_add_up_to_it(
    members: list[tuple[float, float, float]], alone: tuple[float, float], joules: float
) -> None:
    keys = [PhaseKey(Path("l"), Phase.STUDENT_TRAINING, number, 0) for number in range(len(members))]
    joint = PhaseKey(Path("l"), Phase.STUDENT_TRAINING, None, 0, tuple(keys))
    other = PhaseKey(Path("l"), Phase.OVERHEAD, None, 0)
    seconds = sum(member[0] for member in members)
    segment = Segment(
        seconds, sum(member[1] for member in members), dict(zip(keys, (m[2] for m in members), strict=True))
    )
    divided_segments = divide_joint_segments({joint: segment, other: Segment(*alone)})
    assert sum(divided_segments[key].seconds for key in keys) == segment.seconds
    assert sum(divided_segments[key].cpu_s for key in keys) == segment.cpu_s
    whole = Energies(
        {"cpu": joules, "gpu": joules / 3, "ram": None}, dict.fromkeys(("cpu", "gpu", "ram"), Source.MODELLED)
    )
    divided = divide(whole, list(divided_segments.values()))
    assert sum(share.kwh["cpu"] or 0.0 for share in divided) == whole.kwh["cpu"]
    assert sum(share.kwh["gpu"] or 0.0 for share in divided) == whole.kwh["gpu"]
    assert all(share.kwh["ram"] is None for share in divided)
