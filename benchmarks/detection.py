"""What a grid of 19 τ costs in detection, in one training's FLOPs. `python -m benchmarks.detection`.

The teacher's forward pass is most of a step of detection, and trials in lockstep share it. The first row is counted
for the original work's pair, 3000 anchors, 20 classes, from the networks alone: a step is the teacher's forward and the
student's forward and backward pass. The second row is read from ledgers: campaigns of 1 and of 19 τ on digit scenes, in
the mode that detection chooses by itself, with a teacher so wide that its share is that of the original pair. The
target is 2.5; 19 trainings one after the other would be 19.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

from benchmarks.pairs import CONF, machine
from greenkd import models
from greenkd.anchors import ANCHOR_GRIDS
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.reading import read_settings
from greenkd.configuration import register_configuration
from greenkd.energy.flops import count_flops
from greenkd.identity import plain
from greenkd.records import LedgerRow, Phase, read_rows
from greenkd.training.stop_signals import StopFlag

TAUS = tuple(range(2, 21))
# So wide a small_ssd before tiny_ssd has 94 % of a step, as the pair above.
TEACHER_WIDTH = 44


def counted() -> tuple[float, float]:
    """Returns the teacher's share of a step of the original pair, and the cost of the grid in trainings."""
    grid = ANCHOR_GRIDS["ssdlite300"]
    with torch.device("meta"):
        teacher, student = (
            models.NETWORKS[name](num_classes=20, anchors=grid, image_size=grid.image_size)
            for name in ("ssd300_vgg16", "ssdlite300_mobilenet_v2")
        )
    shape = (3, grid.image_size, grid.image_size)
    asked = count_flops(teacher, shape, backward=False).forward
    trained = count_flops(student, shape, backward=True).training
    return asked / (asked + trained), (asked + len(TAUS) * trained) / (asked + trained)


def measured(scenes: int, epochs: int) -> tuple[float, float]:
    """Returns the same of real campaigns on digit scenes, read from their ledgers."""
    with tempfile.TemporaryDirectory() as folder:
        one = _training_flops(Path(folder), scenes, epochs, TAUS[:1])
        grid = _training_flops(Path(folder), scenes, epochs, TAUS)

    # One training is teacher + student, the grid is teacher + 19 students.
    student = (grid - one) / (len(TAUS) - 1)
    return 1 - student / one, grid / one


def _training_flops(root: Path, scenes: int, epochs: int, taus: tuple[int, ...]) -> float:
    """Runs one campaign and returns the FLOPs of its students' training, the teacher's passes included."""
    overrides = (
        "dataset=digit_scenes",
        f"dataset.train_scenes={scenes}",
        "dataset.test_scenes=20",
        f"teacher.width={TEACHER_WIDTH}",
        f"training.epochs={epochs}",
        "training.teacher.epochs=1",
        "temperature=grid",
        f"temperature.taus={list(taus)}",
        "energy=none",
    )
    register_configuration()
    with initialize_config_dir(CONF, version_base="1.3"):
        config = plain(compose("config", list(overrides)))
    settings = read_settings(config | {"cache_dir": str(root / "cache")})

    path = root / f"{len(taus)}"
    run_campaign(settings, path, StopFlag(), Reporter())
    rows = read_rows(path / "ledger.jsonl", LedgerRow).rows
    return sum(row.flops or 0.0 for row in rows if row.phase is Phase.STUDENT_TRAINING)


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=80, help="training scenes of the campaigns (80)")
    parser.add_argument("--epochs", type=int, default=1, help="their epochs (1)")
    options = parser.parse_args()

    print(machine())
    print("| pair | teacher's share of a step | 19 τ in trainings | one after the other |\n|" + " --- |" * 4)
    rows = {
        "ssd300_vgg16 → ssdlite300_mobilenet_v2, counted": counted(),
        f"small_ssd width {TEACHER_WIDTH} → tiny_ssd, from ledgers": measured(options.scenes, options.epochs),
    }
    for name, (share, trainings) in rows.items():
        print(f"| {name} | {100 * share:.1f} % | {trainings:.2f} | {len(TAUS)} |")


if __name__ == "__main__":
    main()
