"""The data of a campaign on its device: splits, evaluators and batches, shared by the teacher and all trials."""

from functools import cached_property

import torch

from greenkd.data import AnyDataset, AnyOptions, DetectionImages, Images
from greenkd.tasks import AnyTask, Evaluator
from greenkd.training.batches import BatchLoader
from greenkd.training.growth import GrowingLoader
from greenkd.training.stop_signals import StopFlag


class DataModule:
    """Splits a data set and hands out its parts; each is made when it is first asked for, and once.

    Args:
        task: What is learned on the data set.
        options: Normalisation, augmentation and split of the data set.
        dataset: In memory.
        device: Where batches and evaluators lie.
        stop: Asked by evaluators whose batches take long.
    """

    def __init__(
        self,
        task: AnyTask,
        options: AnyOptions,
        dataset: AnyDataset,
        device: torch.device,
        stop: StopFlag | None = None,
    ) -> None:
        self.task = task
        self.options = options
        self.dataset = dataset
        self.device = device
        self._stop = stop
        self._loaders: dict[tuple[int, int], BatchLoader] = {}

    @cached_property
    def _parts(self) -> tuple[Images | DetectionImages, Images | DetectionImages]:
        options = self.options
        rows = self.task.split(self.dataset.train, options.validation_fraction, options.split_seed)
        training, validation = (self.dataset.train.subset(part) for part in rows)
        return training, validation

    @property
    def train(self) -> Images | DetectionImages:
        """The training split, on the CPU."""
        return self._parts[0]

    @property
    def fingerprint(self) -> str:
        """Hash of the data set that students are trained on."""
        return self.dataset.fingerprint

    @property
    def selections(self) -> dict[str, Evaluator]:
        """What τ can be chosen by besides the validation split; nothing where students see the data set's images."""
        return {}

    @cached_property
    def validation(self) -> Evaluator:
        """Evaluates on the validation split, cut from the training data; it selects τ."""
        return self.evaluator(self._parts[1])

    @cached_property
    def test(self) -> Evaluator:
        """Evaluates on the test split, which selects nothing."""
        return self.evaluator(self.dataset.test)

    def evaluator(self, images: Images | DetectionImages) -> Evaluator:
        """Returns what scores networks on some images of this data set."""
        evaluator = self.task.evaluator(images, self.options.mean, self.options.std, self.device)
        evaluator.before_batch = None if self._stop is None else self._stop.check
        return evaluator

    def loader(self, seed: int, batch_size: int) -> BatchLoader:
        """Returns the batches of a training under one seed; the same object for the same arguments."""
        if (seed, batch_size) not in self._loaders:
            options = self.options
            self._loaders[seed, batch_size] = BatchLoader(
                self.task,
                self._train_on_device,
                options.augmentation,
                options.mean,
                options.std,
                batch_size,
                seed,
                self.device,
            )
        return self._loaders[seed, batch_size]

    def growing_loader(self, seed: int, batch_size: int) -> GrowingLoader:
        """Returns the batches of one training whose images grow; a new object for each."""
        options = self.options
        return GrowingLoader(
            self.task,
            self._train_on_device,
            options.augmentation,
            options.mean,
            options.std,
            batch_size,
            seed,
            self.device,
        )

    @cached_property
    def _train_on_device(self) -> Images | DetectionImages:
        """The training split on the device, once for all loaders."""
        return self.train.to(self.device)
