"""FLOPs of making images: the generator in training, and the teacher forward and back to the images, for each view."""

from torch import nn

from greenkd.energy.flops import Flops, count_flops, count_flops_to_images
from greenkd.synthesis.base import SynthesisSetup


def step_flops(setup: SynthesisSetup, generator: nn.Module | None, latent_size: int, *, views: int) -> Flops:
    """Counts the FLOPs of one image in one step; a loss's own matrix products are added by who has them.

    Args:
        setup: Teacher and shape of the images.
        generator: What makes the image, trained with its latent vector; None where pixels are changed themselves.
        latent_size: Length of the latent vector.
        views: How many views of the image the teacher is shown.
    """
    teacher = count_flops_to_images(setup.teacher, setup.image_shape)
    forward, training = views * teacher.forward, views * teacher.training
    if generator is not None:
        made = count_flops(generator, (latent_size,), backward=True, to_inputs=True)
        forward, training = forward + made.forward, training + made.training
    return Flops(forward=forward, training=training)
