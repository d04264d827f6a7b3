"""Freed memory stays in the process: a step's pages are not mapped anew."""

import sys

import pytest

from tests.commands import ROOT, typed

PROGRAM = """
import resource
import torch
from greenkd.training.backend.malloc import keep_freed_memory
torch.set_num_threads(1)
def step():
    kept = [torch.ones(3_000_000) for _ in range(8)]  # 12 MB each, under the size that is always mapped
    kept.append(torch.ones(20_000_000))
def mapped_per_step():
    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / 5
print(mapped_per_step(), mapped_per_step() if keep_freed_memory() else None)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults the Linux way")
def test_steps_reuse_the_memory_of_the_step_before() -> None:
    done = typed(program=("-c", PROGRAM), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    handed_back, kept = done.stdout.split()
    if kept == "None":
        pytest.skip("this C library is not glibc")
    assert float(handed_back) > 20_000_000 * 4  # the largest tensor at least
    assert float(kept) < 1_000_000
