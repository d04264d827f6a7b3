"""Sweeps with a planted truth, as arrays, as awkward as sweeps of real trainings can be.

A sweep is: per seed a grid of 19 temperatures, each training with a validation and a test score, and one training of
another strategy (stochastic τ), some seeds of it more than the grid has. Scores are percentage points. The gain of the
grid over the other strategy is planted exactly: what choosing by validation gets in the mean is found by a large
simulation, and the other strategy's mean is put as far below it as asked.
"""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

TAUS = np.arange(2.0, 21.0)
CONTROL = 2  # index of τ = 4
BASE = 90.0
TRUTH_SWEEPS = 400_000
_TRUTH_BATCH = 20_000
SHALLOWEST, DEEPEST = 10.0, 40.0  # points by which a collapsing training falls


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario:
    """How a generated sweep behaves."""

    name: str
    noise: str = "normal"  # normal, t3, skewed (a tail of bad trainings) or lucky (a tail of good ones)
    sd: float = 0.3  # of one training's test score around its mean
    quality: float = 0.5  # share of that variance which validation sees too: the network is better, not luckier
    validation_sd: float = 0.5  # of the validation score around the network's quality
    seed_sd: float = 0.4  # between seeds, common to all strategies
    collapse: float = 0.0  # chance of a training to fall by 10 to 40 points
    collapsing: str = "all"  # or "other": only the strategy that the grid is held against
    low_tau: float = 1.0  # factor of the noise at τ = 2, and at τ = 20; in between it changes evenly
    high_tau: float = 1.0
    other: float = 1.0  # factor of the other strategy's noise
    neighbours: float = 0.0  # correlation of the noise of neighbouring τ in one seed
    test_step: float = 0.0  # resolution of a score: 100 / number of images
    validation_step: float = 0.0
    shape: str = "flat"  # of the response to τ: see `response`
    height: float = 0.0  # largest gain over τ = 4 in points


@dataclasses.dataclass(frozen=True)
class Sweeps:
    """Generated sweeps."""

    validation: FloatArray  # (sweeps, seeds, 19)
    test: FloatArray
    other: FloatArray  # (sweeps, seeds + further seeds): such that the grid gains nothing, before rounding
    step: float  # resolution of the test score

    def other_at(self, gain: float) -> tuple[FloatArray, FloatArray]:
        """The other strategy's test scores when the grid gains this much: at the grid's seeds, at further seeds."""
        scores = _rounded(self.other - gain, self.step)
        seeds = self.test.shape[1]
        return scores[:, :seeds], scores[:, seeds:]


def response(scenario: Scenario, taus: FloatArray = TAUS) -> FloatArray:
    """Expected score at each τ less that of τ = 4."""
    log = np.log(taus)
    shapes = {
        "flat": np.zeros_like,
        "peak": lambda x: np.exp(-0.5 * ((x - np.log(9)) / 0.45) ** 2),
        "narrow peak": lambda x: np.exp(-0.5 * ((x - np.log(6)) / 0.3) ** 2),
        "lopsided peak": lambda x: np.exp(-0.5 * ((x - np.log(8)) / np.where(x < np.log(8), 0.35, 1.0)) ** 2),
        "rising": lambda x: x,
        "spike": lambda x: 1.0 * (np.abs(x - np.log(9)) < 1e-9),
    }
    values = shapes[scenario.shape](log) - shapes[scenario.shape](np.log([4.0]))
    largest = (shapes[scenario.shape](np.log(TAUS)) - shapes[scenario.shape](np.log([4.0]))).max()
    return np.asarray(values * (scenario.height / largest if largest > 0 else 0.0))


def generate(
    scenario: Scenario, generator: np.random.Generator, *, sweeps: int, seeds: int, further: int = 0
) -> Sweeps:
    """Draws sweeps; their `other_at` plants the gain."""
    offset = value_of_choice(scenario) + collapse_loss(scenario)
    validation, test, seed_effect = _grid(scenario, generator, sweeps, seeds)

    all_seeds = np.concatenate([seed_effect, scenario.seed_sd * generator.standard_normal((sweeps, further))], axis=1)
    (sound, fall), luck = _training(scenario, generator, all_seeds.shape, collapses=scenario.collapse > 0)
    other = BASE + all_seeds + offset + scenario.other * (sound + luck) - fall
    return Sweeps(validation, test, other, scenario.test_step)


def collapse_loss(scenario: Scenario) -> float:
    """What collapsing costs one training in the mean."""
    return scenario.collapse * (SHALLOWEST + DEEPEST) / 2


@functools.cache
def value_of_choice(scenario: Scenario) -> float:
    """Expected test score of the trial that validation chooses, less that of a sound training at τ = 4."""
    generator = np.random.default_rng(20260101)
    total = 0.0
    for _ in range(TRUTH_SWEEPS // _TRUTH_BATCH):
        validation, test, seed_effect = _grid(scenario, generator, _TRUTH_BATCH, 1)
        ties = 1e-9 * generator.standard_normal(validation.shape)
        chosen = (validation + ties).argmax(axis=-1)[..., None]
        total += float((np.take_along_axis(test, chosen, axis=-1)[..., 0] - seed_effect - BASE).mean())

    return total / (TRUTH_SWEEPS // _TRUTH_BATCH)


def gain_over_fixed(scenario: Scenario) -> float:
    """Expected gain of choosing by validation over training at τ = 4 once."""
    return value_of_choice(scenario) + collapse_loss(scenario) * (scenario.collapsing == "all")


def _grid(
    scenario: Scenario, generator: np.random.Generator, sweeps: int, seeds: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    shape = (sweeps, seeds, len(TAUS))
    seed_effect = scenario.seed_sd * generator.standard_normal((sweeps, seeds))
    factor = np.linspace(scenario.low_tau, scenario.high_tau, len(TAUS))
    collapses = scenario.collapse > 0 and scenario.collapsing == "all"
    (sound, fall), luck = _training(scenario, generator, shape, collapses=collapses)

    network = BASE + seed_effect[..., None] + response(scenario) + factor * sound - fall
    validation = network + scenario.validation_sd * generator.standard_normal(shape)
    test = network + factor * luck
    return _rounded(validation, scenario.validation_step), _rounded(test, scenario.test_step), seed_effect


def _training(
    scenario: Scenario, generator: np.random.Generator, shape: tuple[int, ...], *, collapses: bool
) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
    """Quality (without and by collapsing) and test luck of trainings, as deviations in points."""
    sound = _noise(scenario.noise, generator, shape)
    for number in range(1, shape[-1] if scenario.neighbours and len(shape) == 3 else 0):
        fresh = np.sqrt(1 - scenario.neighbours**2) * sound[..., number]
        sound[..., number] = scenario.neighbours * sound[..., number - 1] + fresh

    fall = np.zeros(shape)
    if collapses:
        hit = generator.random(shape) < scenario.collapse
        fall = hit * generator.uniform(SHALLOWEST, DEEPEST, shape)

    luck = np.sqrt(1 - scenario.quality) * scenario.sd * _noise(scenario.noise, generator, shape)
    return (np.sqrt(scenario.quality) * scenario.sd * sound, fall), luck


def _noise(kind: str, generator: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Draws of mean 0 and variance 1."""
    if kind == "t3":
        return generator.standard_t(3, shape) / np.sqrt(3)
    if kind == "skewed":
        return 1 - generator.exponential(size=shape)
    if kind == "lucky":
        return generator.exponential(size=shape) - 1
    return generator.standard_normal(shape)


def _rounded(scores: FloatArray, step: float) -> FloatArray:
    return np.round(scores / step) * step if step else scores


NORMAL = Scenario(name="normal")

SCENARIOS = (
    NORMAL,
    Scenario(name="normal, no seed effect", seed_sd=0.0),
    Scenario(name="validation sees all of the quality", quality=1.0, validation_sd=0.3),
    Scenario(name="heavy tails (t3)", noise="t3"),
    Scenario(name="skewed: bad trainings", noise="skewed"),
    Scenario(name="skewed: lucky trainings", noise="lucky"),
    Scenario(name="heavy tails that validation sees", noise="t3", quality=1.0, validation_sd=0.3),
    Scenario(name="lucky trainings that validation sees", noise="lucky", quality=1.0, validation_sd=0.3),
    Scenario(name="collapse of 5 %", collapse=0.05),
    Scenario(name="collapse of 10 %", collapse=0.10),
    Scenario(name="noise grows with τ, 1 : 3", low_tau=0.5, high_tau=1.5),
    Scenario(name="noise falls with τ, 3 : 1", low_tau=1.5, high_tau=0.5),
    Scenario(name="other strategy twice as noisy", other=2.0),
    Scenario(name="other strategy half as noisy", other=0.5),
    Scenario(name="twice as noisy, skewed", other=2.0, noise="skewed"),
    Scenario(name="ties: 359 test images", test_step=100 / 359, validation_step=100 / 180, validation_sd=1.0),
    Scenario(name="ties: 10,000 test images", test_step=0.01, validation_step=0.02),
    Scenario(name="neighbouring τ correlate, 0.7", neighbours=0.7),
    Scenario(name="smooth peak of 0.5", shape="peak", height=0.5),
    Scenario(name="smooth peak of 1.2", shape="peak", height=1.2),
    Scenario(name="narrow peak of 0.5", shape="narrow peak", height=0.5),
    Scenario(name="lopsided peak of 0.5", shape="lopsided peak", height=0.5),
    Scenario(name="rising by 0.5", shape="rising", height=0.5),
    Scenario(name="peak of 0.5, heavy tails", shape="peak", height=0.5, noise="t3"),
    Scenario(name="spike of 0.5 at one τ", shape="spike", height=0.5),
    Scenario(name="spike of 1.2 at one τ", shape="spike", height=1.2),
)  # fmt: skip

# What no procedure can know from so few trainings. They are printed, and stated in the documentation.
LIMITS = (
    Scenario(name="collapse of 2 %", collapse=0.02),
    Scenario(name="only the other strategy collapses, 5 %", collapse=0.05, collapsing="other"),
    Scenario(name="other strategy three times as noisy", other=3.0),
)
