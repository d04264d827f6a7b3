"""FLOPs of making images: the generator in training, and the teacher forward and back to the images."""

from torch import Tensor, nn

from greenkd.energy.flops import Flops, count_flops, count_flops_to_images
from greenkd.synthesis.base import SynthesisSetup
from greenkd.synthesis.statistics import BatchNormStatistics


def step_flops(setup: SynthesisSetup, generator: nn.Module | None, latent_size: int) -> Flops:
    """Counts the FLOPs of one image in one step; a loss's own matrix products are added by who has them.

    Args:
        setup: Teacher and shape of the images.
        generator: What makes the image, trained with its latent vector; None where pixels are changed themselves.
        latent_size: Length of the latent vector.
    """
    teacher = count_flops_to_images(setup.teacher, setup.image_shape)
    if generator is None:
        return teacher
    made = count_flops(generator, (latent_size,), backward=True, to_inputs=True)
    return Flops(forward=teacher.forward + made.forward, training=teacher.training + made.training)


def feature_flops(setup: SynthesisSetup) -> Flops:
    """Counts the FLOPs of another view of one image, of which the batch norms' inputs alone are used.

    No gradient comes back from what lies behind the last batch norm, as the last linear layer does.

    Args:
        setup: Teacher and shape of the images.
    """
    return count_flops_to_images(_Features(setup.teacher), setup.image_shape)


class _Features(nn.Module):
    """A teacher that answers with its features; to be copied, since every call puts hooks on it."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, images: Tensor) -> Tensor:
        statistics = BatchNormStatistics(self.teacher)
        self.teacher(images)
        return statistics.features()
