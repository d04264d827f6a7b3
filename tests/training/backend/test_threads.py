import os

import pytest
import torch

from greenkd.training.backend import threads as threads_module
from greenkd.training.backend.threads import available_threads, differing_threads, resolve_threads, use_threads


def test_auto_follows_the_arithmetic_of_a_batch_and_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for cpus in ({0}, set(range(64))):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cpus=cpus: cpus)
        monkeypatch.setattr(threads_module, "_AT_START", len(cpus))
        assert [resolve_threads("auto", gflops * 1e9) for gflops in (0, 0.1, 9.9, 10, 19.9, 20, 1000)] == [
            1, 1, 1, 2, 3, 4, 4
        ]  # fmt: skip
        assert resolve_threads(7, 1e9) == 7


def test_what_is_hashed_is_a_number_that_auto_does_not_stand_for() -> None:
    assert differing_threads("auto", 20e9) is None
    assert differing_threads(4, 20e9) is None
    assert differing_threads(1, 20e9) == 1
    assert differing_threads(1, 1e9) is None


def test_fewer_cpus_than_threads_are_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(threads_module, "_AT_START", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    threads_module._name_shortage.cache_clear()
    try:
        with caplog.at_level("INFO"):
            assert available_threads() == 2
            assert [use_threads(wanted, 0.0) for wanted in (2, 3, 3)] == [2, 3, 3]
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "  3 threads share 2 of this machine's CPUs"
    ]
