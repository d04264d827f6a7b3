import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("GREENKD_TEST_DATA")
    if not folder:
        pytest.skip("GREENKD_TEST_DATA is not set: no folder with real data subsets")
    return Path(folder)


@pytest.fixture
def conf_dataset() -> Callable[..., dict[str, Any]]:
    """Returns the plain container that conf/dataset/<name>.yaml resolves to."""

    def resolve(name: str, data_dir: str | Path = "data", **overrides: object) -> dict[str, Any]:
        file = Path(__file__).parents[2] / "conf" / "dataset" / f"{name}.yaml"
        dataset = OmegaConf.merge(OmegaConf.load(file), overrides)
        dataset.pop("defaults", None)  # which networks and recipe a data set of detection chooses
        config = OmegaConf.create({"data_dir": str(data_dir), "dataset": dataset})
        return OmegaConf.to_container(config.dataset, resolve=True)

    return resolve
