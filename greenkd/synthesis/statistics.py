"""What a teacher's batch norms remember of its training images, and how far synthetic ones lie from that."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from greenkd.errors import ConfigError


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """Returns the batch norms of maps that keep running statistics, in the order of the network's modules."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.track_running_stats]


class BatchNormStatistics:
    """Reads what goes into the batch norms of a network, at every forward pass.

    Args:
        network: In evaluation mode; hooks are put on its batch norms.
        momentum: The share of the last rounds in the statistics that are compared (FastDFKD); 0: of this batch alone.

    Raises:
        ConfigError: The network has no batch norm.
    """

    def __init__(self, network: nn.Module, momentum: float = 0.0) -> None:
        self._layers = batch_norms(network)
        self._momentum = momentum
        self._inputs: list[Tensor] = []
        self._earlier: list[tuple[Tensor, Tensor]] = []  # mean and variance of each layer over earlier rounds

        if not self._layers:
            raise ConfigError("the teacher has no batch norm whose statistics could be matched")
        self._inputs = [torch.empty(0)] * len(self._layers)
        for number, layer in enumerate(self._layers):
            layer.register_forward_pre_hook(self._remembering(number))

    def _remembering(self, number: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def remember(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self._inputs[number] = inputs[0]

        return remember

    def loss(self) -> Tensor:
        """Returns the distance of the last batch from the running statistics, 0-dim.

        Σ over the layers of ‖variance − running variance‖₂ + ‖mean − running mean‖₂, each over the channels; variances
        are biased. With a momentum m, m times the statistics of earlier rounds and 1 − m times the batch's stand in the
        place of the batch's (Yin et al., Dreaming to distill, CVPR 2020, equation 4; FastDFKD's code).
        """
        terms = []
        for layer, (mean, variance) in zip(self._layers, self._with_earlier(self._moments()), strict=True):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            terms.append((layer.running_var - variance).norm() + (layer.running_mean - mean).norm())
        return torch.stack(terms).sum()

    def features(self) -> Tensor:
        """Returns the channels' means of all batch norms' inputs, image by image, [B, sum of channels]."""
        return torch.cat([inputs.mean((2, 3)) for inputs in self._inputs], dim=1)

    @property
    def feature_size(self) -> int:
        """Length of what `features` returns for one image."""
        return sum(layer.num_features for layer in self._layers)

    @torch.no_grad()
    def end_round(self) -> None:
        """Takes the last batch's statistics into those of earlier rounds."""
        if not self._momentum:
            return

        self._earlier = self._with_earlier(self._moments())

    def state(self) -> dict[str, Tensor]:
        """Returns the statistics of earlier rounds by name."""
        return {
            f"{number}.{name}": value
            for number, moments in enumerate(self._earlier)
            for name, value in zip(("mean", "variance"), moments, strict=True)
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes over what `state` returned."""
        count = len(tensors) // 2
        self._earlier = [(tensors[f"{number}.mean"], tensors[f"{number}.variance"]) for number in range(count)]

    def _with_earlier(self, moments: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Returns moments with their share of earlier rounds; as they are in the first round."""
        if not self._earlier:
            return moments

        share = self._momentum
        return [
            (share * earlier_mean + (1 - share) * mean, share * earlier_variance + (1 - share) * variance)
            for (earlier_mean, earlier_variance), (mean, variance) in zip(self._earlier, moments, strict=True)
        ]

    def _moments(self) -> list[tuple[Tensor, Tensor]]:
        """Returns mean and biased variance of each layer's last input, over images and places, [C] each."""
        return [(inputs.mean((0, 2, 3)), inputs.var((0, 2, 3), unbiased=False)) for inputs in self._inputs]
