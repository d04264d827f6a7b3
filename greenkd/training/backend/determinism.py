"""The same bits every time on a GPU, for those who pay for it with slower kernels."""

import os

import torch


def use_deterministic_kernels(wanted: bool) -> None:
    """Chooses, from now on in this process, whether kernels may sum in another order each time.

    Args:
        wanted: True: operators without a deterministic kernel raise, and cuBLAS gets the workspace that it needs, which
            must happen before its first use.
    """
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.deterministic = wanted
