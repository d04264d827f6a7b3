"""The generator: latent vectors in, images in 0…1 out."""

import torch
from torch import Tensor, nn

_DEVIATION = 0.02


class Generator(nn.Module):
    """A linear layer and three convolutions, between which the map is doubled twice.

    Linear to 2·width maps of a quarter of the image's side, batch norm, doubling, convolution, batch norm, leaky ReLU,
    doubling, convolution to `width` maps, batch norm, leaky ReLU, convolution to the image, sigmoid. With 256 latent
    numbers and a width of 64 that is the generator of CMI for 32×32 images, 2.33 million parameters.

    Source: Fang et al., Contrastive model inversion for data-free knowledge distillation, IJCAI 2021, and its code.

    Args:
        latent_size: Length of a latent vector.
        width: Channels before the last convolution.
        channels: Channels of the images.
        image_size: Pixels per side; where it is no multiple of four, the image is scaled to it.
    """

    def __init__(self, latent_size: int, width: int, channels: int, image_size: int) -> None:
        super().__init__()
        start = -(-image_size // 4)
        scaled = [nn.Upsample(size=(image_size, image_size), mode="bilinear")] if image_size % 4 else []

        self.linear = nn.Linear(latent_size, 2 * width * start * start)
        self.maps = nn.Sequential(
            nn.Unflatten(1, (2 * width, start, start)),
            nn.BatchNorm2d(2 * width),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(2 * width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, channels, 3, padding=1),
            *scaled,
            nn.Sigmoid(),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Turns latent vectors [B, latent_size] into images [B, C, H, W]."""
        images: Tensor = self.maps(self.linear(latents))
        return images


@torch.no_grad()
def draw_weights(generator: Generator, random: torch.Generator) -> None:
    """Draws all weights anew: N(0, 0.02) for linear layer and convolutions, N(1, 0.02) for batch norms.

    Args:
        generator: Changed in place.
        random: On the CPU, so that every device gets the same weights.
    """
    for module in generator.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm2d):
            mean = 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0
            module.weight.copy_(mean + _DEVIATION * torch.randn(module.weight.shape, generator=random))
            if module.bias is not None:
                module.bias.zero_()
