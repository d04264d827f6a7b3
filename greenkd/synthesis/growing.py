"""The adversarial mode: a pool that grows within a trial by images on which student and teacher differ."""

import copy
import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from greenkd.data import Images, normalise
from greenkd.energy import PhaseHandle
from greenkd.energy.flops import Flops, count_flops_to_images
from greenkd.errors import StorageError
from greenkd.synthesis.base import SynthesisSetup, Transfer
from greenkd.synthesis.making import MAKER, synthesis_setup
from greenkd.synthesis.pool import Pool
from greenkd.training.context import TrainingContext
from greenkd.training.growth import GrowingLoader
from greenkd.training.safetensors_io import load_tensors
from greenkd.training.stop_signals import StopFlag


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoolGrowth:
    """How pools grow within the trials of a campaign, each its own.

    Attributes:
        transfer: The options; adversarial.
        setup: Teacher and shape of the images.
        pool: What every trial begins with.
        maker: What made the pool, as it was after the last round.
        teacher_flops: FLOPs of the teacher's forward pass, for the labels.
        stop: Asked between steps.
    """

    transfer: Transfer
    setup: SynthesisSetup
    pool: Pool
    maker: dict[str, Tensor]
    teacher_flops: float
    stop: StopFlag

    def begin(self, loader: GrowingLoader, student: nn.Module, before_step: Callable[[], bool]) -> "GrowingPool":
        """Returns the growing pool of one trial.

        Args:
            loader: Draws the trial's batches; holds the pool.
            student: The trial's, for its FLOPs.
            before_step: Called before every step; may raise a `TrainingInterruptedError`.
        """
        return GrowingPool(self, loader, count_flops_to_images(student, self.setup.image_shape), before_step)


def pool_growth(
    context: TrainingContext, transfer: Transfer, teacher: nn.Module, pool: Pool, teacher_flops: float
) -> PoolGrowth:
    """Returns how a pool grows.

    Args:
        context: The campaign's, with the data that the teacher was trained on.
        transfer: Adversarial options.
        teacher: Copied.
        pool: What to begin with.
        teacher_flops: FLOPs of its forward pass.

    Raises:
        StorageError: What made the pool is lost or damaged.
    """
    path = pool.folder / MAKER
    try:
        maker, _ = load_tensors(path)
    except StorageError as error:
        raise StorageError(f"{error}; delete {pool.folder}, and the pool is made again") from error

    on_device = {name: tensor.to(context.device) for name, tensor in maker.items() if name != "nothing"}
    setup = synthesis_setup(context, teacher, transfer.seed)
    return PoolGrowth(
        transfer=transfer, setup=setup, pool=pool, maker=on_device, teacher_flops=teacher_flops, stop=context.stop
    )


class GrowingPool:
    """The images of one trial: a `greenkd.training.growth.Growth`.

    Args:
        growth: What all trials of the campaign have in common.
        loader: Gets the images.
        student_flops: Of the student's forward pass, and of that and the way back to the images.
        before_step: Called before every step.
    """

    def __init__(
        self, growth: PoolGrowth, loader: GrowingLoader, student_flops: Flops, before_step: Callable[[], bool]
    ) -> None:
        self._before_step = before_step
        self._growth = growth
        self._loader = loader
        self._begun_with = len(loader)
        self._student_flops = student_flops

        # A teacher of its own, since hooks are put on it
        setup = dataclasses.replace(growth.setup, teacher=copy.deepcopy(growth.setup.teacher))
        self._synthesiser = growth.transfer.synthesiser(setup)
        self._synthesiser.load_state({name: tensor.clone() for name, tensor in growth.maker.items()})
        self._rounds = 0
        self._maker = dict(growth.maker)  # after the last round that is done

    def grow(self, epoch: int, network: nn.Module, handle: PhaseHandle) -> None:
        """Makes the rounds that are to be there from an epoch on."""
        needed = (epoch + 1) * self._growth.transfer.rounds_per_epoch
        student = copy.deepcopy(network).eval().requires_grad_(False)
        while self._rounds < needed:
            number = self._growth.pool.record.rounds + self._rounds
            images = self._make(number, student, handle)
            self._loader.extend(Images(images, self._labels(images, handle)))
            self._rounds += 1
            self._maker = {name: tensor.detach().clone() for name, tensor in self._synthesiser.state().items()}

    def state(self) -> dict[str, Tensor]:
        """Returns the images beyond the pool, the number of rounds, and what the next one depends on."""
        tensors = {f"maker.{name}": tensor for name, tensor in self._maker.items()}
        tensors["rounds"] = torch.tensor(self._rounds)
        if self._rounds:
            own = self._loader.since(self._begun_with)
            tensors |= {"images": own.images, "labels": own.labels}
        return tensors

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes over what `state` returned; of nothing, the trial begins with the pool."""
        if not tensors:
            return
        device = self._growth.setup.device
        maker = {name.removeprefix("maker."): tensor for name, tensor in tensors.items() if name.startswith("maker.")}
        self._maker = {name: tensor.to(device) for name, tensor in maker.items()}
        self._synthesiser.load_state({name: tensor.clone() for name, tensor in self._maker.items()})
        self._rounds = int(tensors["rounds"])
        if self._rounds:
            self._loader.extend(Images(tensors["images"], tensors["labels"]))

    def _make(self, number: int, student: nn.Module, handle: PhaseHandle) -> Tensor:
        own, batch = self._synthesiser.flops(number), self._synthesiser.batch_size
        forward, training = own.forward + self._student_flops.forward, own.training + self._student_flops.training

        def step() -> None:
            self._growth.stop.check()
            self._before_step()
            handle.add_work(batch, flops=batch * training, forward_flops=batch * forward)

        return self._synthesiser.make(number, step, student)

    @torch.inference_mode()
    def _labels(self, images: Tensor, handle: PhaseHandle) -> Tensor:
        """Returns what the teacher calls the images of a round, int64 [B]."""
        setup, flops = self._growth.setup, len(images) * self._growth.teacher_flops
        views = normalise(images, setup.mean, setup.std).contiguous(memory_format=torch.channels_last)
        labels: Tensor = setup.teacher(views).argmax(1)
        handle.add_work(len(images), flops=flops, forward_flops=flops)
        return labels.clone()
