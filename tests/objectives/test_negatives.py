import numpy as np
import torch
from scipy import stats

from greenkd.objectives.negatives import draw_integers
from greenkd.sample_hash import mix


def draw(indices: list[int], population: int, count: int, seed: int = 0, epoch: int = 0) -> torch.Tensor:
    return draw_integers(torch.tensor(indices), torch.full((len(indices),), population), count, seed=seed, epoch=epoch)


def mixed_in_python(word: int) -> int:
    word = ((word ^ (word >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    word = ((word ^ (word >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    return word ^ (word >> 15)


def test_mixing_equals_exact_integer_arithmetic() -> None:
    words = [0, 1, 2**16, 2**31, 2**32 - 1, 123456789, 0xDEADBEEF]
    assert mix(torch.tensor(words)).tolist() == [mixed_in_python(word) for word in words]


def test_draws_are_uniform_over_the_population() -> None:
    counts = np.bincount(draw(list(range(200)), 37, 500).flatten().numpy(), minlength=37)
    assert len(counts) == 37
    assert stats.chisquare(counts).pvalue > 1e-3


def test_draws_of_different_samples_epochs_and_seeds_are_independent() -> None:
    first = draw([3], 1000, 4000)[0].numpy()
    for other in (draw([4], 1000, 4000), draw([3], 1000, 4000, epoch=1), draw([3], 1000, 4000, seed=1)):
        assert abs(np.corrcoef(first, other[0].numpy())[0, 1]) < 0.06
        assert (first == other[0].numpy()).mean() < 0.01
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.06


def test_draws_of_a_sample_do_not_depend_on_its_batch() -> None:
    assert torch.equal(draw([9, 2, 5], 100, 50)[1], draw([2], 100, 50)[0])


def test_draws_reach_both_ends_of_any_population() -> None:
    assert set(draw([0, 1, 2, 3], 2, 50).flatten().tolist()) == {0, 1}
    assert set(draw([0], 1, 50).flatten().tolist()) == {0}
    large = draw(list(range(64)), 2**31 - 1, 1000)
    assert large.min() >= 0
    assert 0.999 < large.max().item() / (2**31 - 1) < 1
