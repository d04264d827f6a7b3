"""Images that grow while a training sees them: how the loop asks for more, and the batches that are drawn of them."""

from typing import Protocol

import torch
from torch import Tensor, nn

from greenkd.data import Images
from greenkd.energy import PhaseHandle
from greenkd.training.batches import BatchLoader


class Growth(Protocol):
    """Makes images beside a training, with an eye on its network."""

    def grow(self, epoch: int, network: nn.Module, handle: PhaseHandle) -> None:
        """Makes the images that are to be there from an epoch on; those that are there already are not made again.

        Args:
            epoch: Zero-based.
            network: The student; it is left as it is.
            handle: Takes the work.

        Raises:
            TrainingInterruptedError: A stop was asked for; the rounds that are done are kept.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Returns the images so far, and what later ones depend on: for the training's checkpoint."""
        ...

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes over what `state` returned."""
        ...


class GrowingLoader(BatchLoader):
    """Draws as many images for each epoch as there were at first, from all that there are by then."""

    def extend(self, images: Images) -> None:
        """Adds images, which the epochs that are planned from here on draw from too."""
        new, old = images.to(self._device), self._resident
        self._resident = Images(torch.cat((old.images, new.images)), torch.cat((old.labels, new.labels)))

    def since(self, count: int) -> Images:
        """Returns the images that were added to the first `count`; there has to be one."""
        return Images(self._resident.images[count:], self._resident.labels[count:])

    def __len__(self) -> int:
        return len(self._resident)
