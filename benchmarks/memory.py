"""Peak memory of a CIFAR-100-size campaign. `python -m benchmarks.memory`.

55,000 made-up 32×32 images of 100 classes, of which 50,000 train and 5,000 validate, with the logit bank. Memory does
not grow with epochs or trials: an epoch's logits are read and dropped. What grows with the network are its weights and
the activations of one batch.
"""

import argparse
import resource
import tempfile
from pathlib import Path

import torch

from benchmarks import pairs
from greenkd.data import Dataset, Images


def noise_images(
    *,
    num_classes: int,
    in_channels: int,
    image_size: int,
    train_per_class: int,
    test_per_class: int,
    noise: float,
    seed: int,
) -> Dataset:
    """Makes images of nothing but noise.

    It does without the temporary tensors of `load_generated`, which take more memory than any training does.
    """
    parts = []
    for per_class in (train_per_class, test_per_class):
        labels = torch.arange(num_classes).repeat(per_class)
        shape = (len(labels), in_channels, image_size, image_size)
        parts.append(Images(torch.randint(0, 256, shape, dtype=torch.uint8), labels))

    return Dataset(parts[0], parts[1], tuple(map(str, range(num_classes))))


def main() -> None:
    """Runs the campaign and prints the peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000, help="training images (50000)")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--trials", type=int, default=2)
    parser.add_argument("--teacher", default="small_cnn")
    parser.add_argument("--student", default="tiny_cnn")
    options = parser.parse_args()

    pairs.CLASSES = 100
    print(pairs.machine())

    with tempfile.TemporaryDirectory() as folder:
        weights = pairs.teacher_weights(options.teacher, Path(folder) / "teacher.safetensors")
        print(f"imports and networks: {_peak_gb():.2f} GB", flush=True)

        run = pairs.campaign(
            Path(folder),
            options.images,
            "dataset._target_=benchmarks.memory.noise_images",
            f"teacher={options.teacher}",
            f"teacher.weights={weights}",
            f"student={options.student}",
            "temperature=grid",
            f"temperature.taus={[2 + trial for trial in range(options.trials)]}".replace(" ", ""),
            f"training.epochs={options.epochs}",
        )
        bank = sum(file.stat().st_size for file in (Path(folder) / "cache" / "logits").rglob("*.safetensors"))

    images = options.images * 3072 / 1e9
    print(f"peak: {_peak_gb():.2f} GB; the images take {images:.2f} GB, the bank {bank / 1e6:.0f} MB of disk")
    count = f"{options.trials} trials of {options.epochs} epochs"
    print(f"{count}: {run.grid.wall:.0f} s, {run.grid.cpu:.0f} CPU s")


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
