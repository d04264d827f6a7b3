"""A random τ for every sample, where the original work draws one for every batch."""

import math

import torch
from torch import Tensor

from greenkd.sample_hash import mix, sample_words
from greenkd.softening import RuleInputs, Softening, squared_tau
from greenkd.temperature.rules.base import Rule, RuleSetup
from greenkd.temperature.schedules import Distribution, Tau, TauRange, check_range

# The range and distribution of Rafat et al. (2023), where neither the rule nor the strategy names another.
_ORIGINAL = TauRange(2.0, 20.0, "uniform_int")


class PerSampleRandom(Rule):
    """τ_i drawn anew for each sample i in each epoch, the same for both networks; the factor is τ_i².

    The draw is a hash of (seed, epoch, sample): it does not depend on the batch a sample is in, needs no state, and
    can be recomputed. The schedule's τ changes nothing.

    Args:
        low: Smallest τ; None takes the strategy's `low` where it has one, else 2.
        high: Largest τ; None takes the strategy's `high`, else 20.
        distribution: `uniform_int` draws whole numbers, `uniform` any, `log_uniform` any with a uniform logarithm;
            None takes the strategy's, else `uniform_int`.

    Source: none; the question that Rafat et al., PLOS ONE 18(5): e0285668, 2023, leave open.
    """

    ignores_base_tau = True
    draws = True

    def __init__(
        self, *, low: Tau | None = None, high: Tau | None = None, distribution: Distribution | None = None
    ) -> None:
        super().__init__()
        self._own = low, high, distribution
        self._seed = 0
        self.range = self._over(_ORIGINAL)

    def setup(self, setup: RuleSetup) -> None:
        """Takes up the training's seed and the strategy's range."""
        self._seed = setup.seed
        self.range = self._over(setup.tau_range or _ORIGINAL)

    def _over(self, given: TauRange) -> TauRange:
        """Returns the given range with what the configuration sets in its place."""
        low, high, distribution = self._own
        result = TauRange(
            given.low if low is None else low, given.high if high is None else high, distribution or given.distribution
        )
        check_range(*result)
        return result

    def draw(self, indices: Tensor, epoch: int) -> Tensor:
        """Returns τ [n] of samples in an epoch, float32.

        Args:
            indices: [n] int64, positions in the training split.
            epoch: Zero-based epoch.
        """
        low, high, distribution = self.range
        words = mix(sample_words(indices, seed=self._seed, stream="temperature", epoch=epoch))

        if distribution == "uniform_int":
            count = int(high) - int(low) + 1
            return (int(low) + ((words * count) >> 32)).to(torch.float32)

        # 24 bits are what float32 holds without rounding up to 1.
        share = (words >> 8).to(torch.float32) / 2**24
        if distribution == "uniform":
            return low + (high - low) * share
        return torch.exp(math.log(low) + (math.log(high) - math.log(low)) * share)

    def forward(self, inputs: RuleInputs) -> Softening:
        """Returns temperatures and factor, all [n, 1]."""
        taus = self.draw(inputs.indices, inputs.epoch)[:, None]
        return Softening(taus, taus, squared_tau(taus, taus, inputs.student_logits))
