"""What turns an ImageNet architecture into one for small images: another stem, and a check of the image size."""

from torch import nn


def require_image_size(network: str, image_size: int, minimum: int) -> None:
    """Refuses images that a network cannot take.

    Raises:
        ValueError: `image_size` (pixels per side) is below `minimum`.
    """
    if image_size < minimum:
        raise ValueError(
            f"{network} needs images of at least {minimum}×{minimum} pixels, these are {image_size}×{image_size}; "
            "take a network for smaller images, such as small_cnn or resnet20"
        )


def replace_stem(
    network: nn.Module,
    path: str,
    *,
    in_channels: int,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int | None = None,
) -> nn.Conv2d:
    """Puts a smaller first convolution where `path` names one, of the same width and with PyTorch's default weights.

    Args:
        network: Changed in place.
        path: Dotted name of the convolution, as in the state dict.
        in_channels: Channels of the images.
        kernel_size: Pixels per side.
        stride: Pixels; 1 keeps the resolution that an ImageNet stem halves.
        padding: Pixels; None keeps the image's size at stride 1.

    Returns:
        The new convolution, so that the caller can initialise it the way its architecture does.

    Raises:
        TypeError: `path` names something other than a convolution.
    """
    old = network.get_submodule(path)
    if not isinstance(old, nn.Conv2d):
        raise TypeError(f"{path} is a {type(old).__name__}, not a convolution")

    new = nn.Conv2d(
        in_channels,
        old.out_channels,
        kernel_size,
        stride,
        kernel_size // 2 if padding is None else padding,
        bias=old.bias is not None,
    )

    network.set_submodule(path, new)
    return new
