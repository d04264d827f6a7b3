"""Several students of one pair at a time, four ways. `python -m benchmarks.lockstep`.

`alone`: teacher and student on every batch, one student after the other. `lockstep`: the teacher once per batch, then a
step of each student, as `training.parallel_mode=lockstep` does it. `stacked`: the same with the students' parameters
stacked, one `torch.func.vmap` of gradient and loss for all of them. `stored`: no teacher at all, as with a filled bank.
On a GPU the wall clock is read around finished work, on a CPU the process's CPU time. The last column is the largest
difference between the losses of `stacked` and `lockstep` after the rounds, over the loss.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional as F

from benchmarks.pairs import BATCH, CLASSES, PAIRS, SIZE, machine, network, spread


def loss_of(logits: Tensor, teacher: Tensor, labels: Tensor, tau: Tensor) -> Tensor:
    """The KD objective at its defaults: 0.1 cross-entropy, 0.9 τ² KL."""
    soft = F.kl_div(F.log_softmax(logits / tau, 1), F.log_softmax(teacher / tau, 1), reduction="none", log_target=True)
    return 0.1 * F.cross_entropy(logits, labels) + 0.9 * tau * tau * soft.sum(1).mean()


class Students:
    """Students with the same initial weights, each at a τ of its own.

    Args:
        name: Their network.
        count: How many there are.
        device: Where they train.
    """

    def __init__(self, name: str, count: int, device: torch.device) -> None:
        self.networks = [
            network(name).to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
            for _ in range(count)
        ]
        self.taus = torch.arange(2.0, 2.0 + count, device=device)
        self._optimizers = [_sgd(list(student.parameters())) for student in self.networks]

    def step(self, images: Tensor, labels: Tensor, teacher: Callable[[], Tensor]) -> list[Tensor]:
        """Trains every student for one step and returns the losses; every student asks `teacher` for its logits."""
        losses = []
        for tau, student, optimizer in zip(self.taus, self.networks, self._optimizers, strict=True):
            loss = loss_of(student(images), teacher(), labels, tau)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.detach())

        return losses


class Stacked:
    """The same students with their parameters stacked, so that one call trains all of them."""

    def __init__(self, students: Students) -> None:
        self._taus = students.taus
        self._parameters, self._buffers = stack_module_state(students.networks)  # type: ignore[arg-type]
        self._skeleton = copy.deepcopy(students.networks[0]).to("meta")
        self._optimizer = _sgd(list(self._parameters.values()))

    def step(self, images: Tensor, labels: Tensor, teacher: Tensor) -> list[Tensor]:
        """Trains all students for one step and returns the losses."""

        def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], tau: Tensor) -> Tensor:
            logits: Tensor = functional_call(self._skeleton, (parameters, buffers), (images,))
            return loss_of(logits, teacher, labels, tau)

        gradients, losses = vmap(grad_and_value(loss), randomness="different")(
            self._parameters, self._buffers, self._taus
        )
        for name, parameter in self._parameters.items():
            parameter.grad = gradients[name].to(memory_format=torch.preserve_format)

        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return list(losses.detach())


def _sgd(parameters: list[nn.Parameter] | list[Tensor]) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=5e-4, foreach=True)


def _timed(device: torch.device, run: Callable[[], list[Tensor]]) -> tuple[float, list[Tensor]]:
    """Runs a step and returns its seconds, of CPU time unless a GPU does the work, and its losses."""
    if device.type != "cuda":
        start = time.process_time()
        losses = run()
        return time.process_time() - start, losses

    torch.cuda.synchronize(device)
    start = time.perf_counter()
    losses = run()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start, losses


class Ways:
    """The four ways of training several students, each with students of its own.

    Args:
        pair: Names of the teacher's and the students' network.
        count: Number of students in each way.
        device: Where they train.
    """

    def __init__(self, pair: tuple[str, str], count: int, device: torch.device) -> None:
        teacher = network(pair[0]).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._teacher: nn.Module = teacher.eval()
        self._alone, self._lockstep, self._stored = (Students(pair[1], count, device) for _ in range(3))
        self._stacked = Stacked(Students(pair[1], count, device))

    def runs(self, images: Tensor, labels: Tensor) -> dict[str, Callable[[], list[Tensor]]]:
        """Returns what each way does with one batch."""

        def ask() -> Tensor:
            with torch.no_grad():
                logits: Tensor = self._teacher(images)
            return logits

        def once() -> Callable[[], Tensor]:
            logits = ask()
            return lambda: logits

        stored = once()
        return {
            "alone": lambda: self._alone.step(images, labels, ask),
            "lockstep": lambda: self._lockstep.step(images, labels, once()),
            "stacked": lambda: self._stacked.step(images, labels, ask()),
            "stored": lambda: self._stored.step(images, labels, stored),
        }


def measure(name: str, count: int, rounds: int, device: torch.device) -> str:
    """Measures one pair and returns its row of the table."""
    ways = Ways(PAIRS[name], count, device)
    generator = torch.Generator().manual_seed(0)
    taken: dict[str, list[float]] = {"alone": [], "lockstep": [], "stacked": [], "stored": []}
    losses: dict[str, list[Tensor]] = {}

    for number in range(rounds + 1):  # the first warms up
        images = torch.randn(BATCH, 3, SIZE, SIZE, generator=generator).to(device, memory_format=torch.channels_last)
        labels = torch.randint(0, CLASSES, (BATCH,), generator=generator).to(device)
        for way, run in ways.runs(images, labels).items():
            seconds, losses[way] = _timed(device, run)
            if number:
                taken[way].append(seconds)

    ratios = [
        spread(first / other for first, other in zip(taken["alone"], taken[way], strict=True))
        for way in ("lockstep", "stacked", "stored")
    ]
    loss_pairs = zip(losses["stacked"], losses["lockstep"], strict=True)
    difference = max(abs(float(stacked / lockstep) - 1) for stacked, lockstep in loss_pairs)

    step = 1e3 * statistics.median(taken["alone"]) / count
    return f"| {name} | {count} | {step:.1f} | {' | '.join(ratios)} | {difference:.1e} |"


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=8, help="students at a time (8)")
    parser.add_argument("--rounds", type=int, default=3, help="steps of each, after one to warm up (3)")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()

    device = torch.device(options.device)
    print(machine() if device.type == "cpu" else torch.cuda.get_device_name(device))

    head = ("pair", "students", "alone, ms/step", "lockstep ×", "stacked ×", "stored ×", "stacked: losses differ by")
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head), flush=True)
    for name in options.pairs:
        print(measure(name, options.students, options.rounds, device), flush=True)


if __name__ == "__main__":
    main()
