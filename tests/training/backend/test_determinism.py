import os

import pytest
import torch

from greenkd.training.backend.determinism import use_deterministic_kernels


def test_the_mode_is_switched_for_the_process_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    use_deterministic_kernels(True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    use_deterministic_kernels(False)
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.deterministic


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_sum_with_collisions_gives_the_same_bits_each_time() -> None:
    use_deterministic_kernels(True)
    try:
        generator = torch.Generator("cuda").manual_seed(0)
        where = torch.randint(0, 3, (100_000,), device="cuda", generator=generator)
        values = torch.randn(100_000, device="cuda", generator=generator)
        first, second = (torch.zeros(3, device="cuda").index_add(0, where, values) for _ in range(2))
        assert torch.equal(first, second)
    finally:
        use_deterministic_kernels(False)
