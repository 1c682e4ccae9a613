"""Pictures <-> float tensors in [-1, 1], and how ranges change. (Files and links: pictures.py)"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def to_tensor(picture: Image.Image, channels: int = 3) -> Tensor:
    """A PIL picture as (1, channels, H, W) float in [-1, 1]; one channel is its brightness."""
    array = np.array(picture.convert("L" if channels == 1 else "RGB"))
    return from_uint8(array.reshape(*array.shape[:2], channels)).permute(2, 0, 1)[None]


def is_grey(shape: tuple[int, int, int]) -> bool:
    """True for pictures (C, H, W) of one channel: light ink on black, as MNIST's digits are."""
    return shape[0] == 1


def from_uint8(x: Tensor | np.ndarray) -> Tensor:
    """uint8 0 .. 255, as a tensor or an array -> float32 [-1, 1], the same shape.

    >>> from_uint8(np.array([0, 255], np.uint8)).tolist()
    [-1.0, 1.0]
    """
    return torch.as_tensor(x).float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """float [-1, 1] -> uint8 0 .. 255, rounded; values outside are clipped. Raises ValueError on NaN.

    >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0, 2.0])).tolist()
    [0, 128, 255, 255]
    """
    if bool(torch.isnan(x).any()):
        raise ValueError(f"the image holds {int(torch.isnan(x).sum())} values that are NaN")
    return ((x.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def from_unit(x: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return x * 2 - 1


def to_unit(x: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1]."""
    return (x + 1) / 2


def eps_picture(eps: Tensor) -> Tensor:
    """Noise, about [-3, 3], as something to look at in [-1, 1]: grey is 0."""
    return (eps / 3).clamp(-1, 1)


def lowpass(x: Tensor, kernel_size: int, sigma: float) -> Tensor:
    """Gaussian blur by torchvision. x (B, C, H, W); kernel_size odd, in pixels; sigma in pixels, 0 for none.

    The kernel is cut to what the image can be padded with. Raises ValueError for an even or negative size.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and positive, got {kernel_size}")
    if sigma < 0:
        raise ValueError(f"sigma must not be negative, got {sigma}")
    largest = 2 * min(x.shape[-2:]) - 1
    kernel_size = min(kernel_size, largest)
    if sigma == 0 or kernel_size == 1:
        return x
    from torchvision.transforms.functional import gaussian_blur

    return gaussian_blur(x, kernel_size, sigma)


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur whose kernel reaches three sigmas to each side: the one blur of all lessons. x (B, C, H, W), sigma in pixels."""
    return lowpass(x, 2 * math.ceil(3 * sigma) + 1, sigma)


def log_spectrum(x: Tensor) -> Tensor:
    """log(1 + |FFT|) of each picture's brightness, the lowest frequency in the middle; 1 is the largest in the batch.

    Args: x (B, C, H, W). Returns: (B, 1, H, W) in [0, 1].
    """
    spectrum = torch.fft.fftshift(torch.fft.fft2(x.float().mean(1, keepdim=True)), dim=(-2, -1)).abs().log1p()
    return spectrum / spectrum.max().clamp_min(1e-9)
