"""Penultimate features of any network: the input of its last linear layer, caught on the way."""

from torch import Tensor, nn

from greenkd.errors import ConfigError


class FeatureHook:
    """Remembers the features of a network's latest forward pass.

    Attributes:
        size: Length of the feature vector.
        features: [B, size], of the latest forward pass.

    Raises:
        ConfigError: The network has no linear layer.
    """

    def __init__(self, network: nn.Module) -> None:
        last = _last_linear(network)
        self.size = last.in_features
        self.features: Tensor | None = None
        last.register_forward_pre_hook(self._remember)

    def _remember(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.features = inputs[0]


def feature_size(network: nn.Module) -> int:
    """Returns the length of a network's feature vector.

    Raises:
        ConfigError: The network has no linear layer.
    """
    return _last_linear(network).in_features


def _last_linear(network: nn.Module) -> nn.Linear:
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise ConfigError(
            f"{type(network).__name__} has no linear layer, so it has no features to distil; "
            "take an objective that uses logits only, such as objective=kd"
        )
    return linears[-1]
