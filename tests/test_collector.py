"""The garbage collector rests while a process starts, and works as ever afterwards."""

import subprocess
import sys

PROGRAM = """
import gc
own = gc.get_threshold()
from greenkd.collector import collect_normally, collect_rarely
collect_rarely()
looked = [0]
def count(moment, _information):
    looked[0] += moment == "start"
gc.callbacks.append(count)
stays = [[] for _ in range(200_000)]
resting = looked[0]
import torch._dynamo
collect_normally()
class Cycle:
    def __init__(self):
        self.itself = self
import weakref
lost = weakref.ref(Cycle())
more = [[] for _ in range(20_000)]
print(resting, gc.get_threshold() == own, gc.get_freeze_count() > 200_000, lost() is None)
"""


def test_the_collector_rests_until_training_begins() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True", "True"]
    # Binding libraries report what is left at the end as leaked.
    assert done.stderr == ""
