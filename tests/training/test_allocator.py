"""Freed memory stays in the process: a step's pages are not mapped anew."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from greenkd.training.allocator import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep" and not keep_freed_memory():
    print("none")
    sys.exit()
def step():
    kept = [torch.ones(3_000_000) for _ in range(8)]  # 12 MB each, under the size that is always mapped
    kept.append(torch.ones(20_000_000))
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / 5)
"""


def mapped_per_step(how: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults the Linux way")
def test_steps_reuse_the_memory_of_the_step_before() -> None:
    kept = mapped_per_step("keep")
    if kept == "none":
        pytest.skip("this C library is not glibc")
    assert float(mapped_per_step("hand back")) > 20_000_000 * 4  # the largest tensor at least
    assert float(kept) < 1_000_000
