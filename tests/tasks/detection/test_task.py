"""Detection as a task, on the digit scenes."""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from greenkd.anchors import ANCHOR_GRIDS, encode_boxes
from greenkd.data import DetectionAugmentation, DetectionImages, load_digit_scenes
from greenkd.errors import ConfigError
from greenkd.objectives import SSD
from greenkd.tasks import Detection, make_task
from greenkd.training.network_factory import NetworkFactory

GRID = ANCHOR_GRIDS["digit_scenes"]
CPU = torch.device("cpu")
SCENES = load_digit_scenes(anchors=GRID, train_scenes=40, test_scenes=20)


class Fp32:
    def autocast(self, device: torch.device) -> nullcontext[None]:
        return nullcontext()


class Oracle(nn.Module):
    """Says of the split's pictures, in their order, what is true; `wrong` of the pictures it says nothing about."""

    def __init__(self, images: DetectionImages, wrong: int = 0) -> None:
        super().__init__()
        self.images, self.wrong, self.seen = images, wrong, 0

    def forward(self, pictures: Tensor) -> Tensor:
        said = torch.zeros(len(pictures), GRID.num_anchors, 15)
        said[..., 0] = 9.0
        for row in range(len(pictures)):
            number, self.seen = self.seen, (self.seen + 1) % len(self.images)
            if number < self.wrong:
                continue
            for place, label in enumerate(self.images.labels[number].tolist()):
                if label >= 0:
                    box = self.images.boxes[number, place] / self.images.size
                    said[row, 100 + place, label + 1] = 20.0
                    said[row, 100 + place, 11:] = encode_boxes(box[None], GRID.boxes[100 + place][None])[0]
        return said


def test_the_data_set_brings_its_task() -> None:
    task = make_task(SCENES)
    assert isinstance(task, Detection)
    assert task.output_shape(SCENES) == (360, 15)
    assert task.num_labels(SCENES) == 11
    assert task.given(SCENES)["anchors"] is GRID
    assert isinstance(task.supervised(), SSD)


def test_a_network_that_says_what_is_true_scores_1_and_one_that_is_silent_about_some_less() -> None:
    task = make_task(SCENES)
    evaluator = task.evaluator(SCENES.test, (0.2,), (0.2,), CPU)
    assert evaluator(Oracle(SCENES.test), Fp32()).value == 1.0

    score = evaluator.examine(Oracle(SCENES.test, wrong=10), Fp32())
    assert 0.2 < score.value < 0.9
    assert score.details is not None
    assert score.details["mAP by area"] < score.value + 0.1
    assert score.value == evaluator(Oracle(SCENES.test, wrong=10), Fp32()).value

    examples = evaluator.examples({"student": Oracle(SCENES.test)}, Fp32())
    assert examples is not None
    assert len(examples.pictures) == 8
    assert all(len(picture.boxes) == len(picture.found["student"]) for picture in examples.pictures)


def test_difficult_boxes_are_neither_trained_on_nor_counted_in_the_loss() -> None:
    task = make_task(SCENES)
    marked = DetectionImages(*SCENES.train.tensors()[:3], torch.ones_like(SCENES.train.difficult))
    augmentation = DetectionAugmentation()
    views = task.draw_views(marked, augmentation, 0, 0)
    _, targets = task.present(marked, augmentation, views, torch.arange(40))
    assert targets.labels.sum() == 0
    _, targets = task.present(SCENES.train, augmentation, views, torch.arange(40))
    assert (targets.labels > 0).sum() > 100


def test_pictures_of_another_size_are_shown_in_that_of_the_anchors() -> None:
    task = make_task(SCENES)
    large = DetectionImages(
        SCENES.train.images.repeat_interleave(2, 2).repeat_interleave(2, 3),
        SCENES.train.boxes * 2,
        SCENES.train.labels,
        SCENES.train.difficult,
    )
    augmentation = DetectionAugmentation()
    views = task.draw_views(large, augmentation, 0, 0)
    pictures, targets = task.present(large, augmentation, views, torch.arange(8))
    assert pictures.shape == (8, 1, 48, 48)
    views = task.draw_views(SCENES.train, augmentation, 0, 0)
    small, expected = task.present(SCENES.train, augmentation, views, torch.arange(8))
    assert (pictures.float() - small.float()).abs().max() <= 1
    assert torch.equal(targets.labels, expected.labels)
    evaluator = task.evaluator(large, (0.2,), (0.2,), CPU)
    assert evaluator(Oracle(SCENES.train), Fp32()).value == 1.0


def test_a_network_of_another_shape_is_refused() -> None:
    factory = NetworkFactory(make_task(SCENES), SCENES, "digit_scenes", CPU)
    with pytest.raises(ConfigError, match=r"class logits .* and offsets .* \[2, 360, 15\], is needed"):
        factory.build({"name": "x", "_target_": "greenkd.models.tiny_cnn"}, "student", 0)
