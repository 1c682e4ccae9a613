"""How near, how sharp, how different. All take images in [-1, 1] and give one number a picture, unless they say otherwise."""

from __future__ import annotations

import torch
from torch import Tensor

from lessons_lib.maths.images import blur, to_unit

DATA_RANGE = 2.0  # images are in [-1, 1]


def _pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim != 4 or x.shape != y.shape:
        raise ValueError(f"two batches of one shape (B, C, H, W) are compared, got {tuple(x.shape)} and {tuple(y.shape)}")
    return x.float(), y.float()


def mse(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of pictures in [-1, 1]: four times what it is in [0, 1]. Two (B, C, H, W) -> (B,); 0 is the same."""
    x, y = _pair(x, y)
    return ((x - y) ** 2).mean((1, 2, 3))


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, higher is nearer, infinite for the same. (B,)

    >>> x = torch.zeros(2, 1, 4, 4)
    >>> psnr(x, x + torch.tensor([0.0, 0.2]).view(2, 1, 1, 1)).tolist()
    [inf, 20.0]
    """
    return 10 * torch.log10(DATA_RANGE**2 / mse(x, y))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity, 1 is the same. Two (B, C, H, W) in [-1, 1] -> (B,)

    As its authors have it: on pictures in [0, 1], whose data range is 1, under a Gaussian window of 11 pixels and sigma 1.5.
    On [-1, 1] it would compare means that may be negative, and mean nothing. By scikit-image.
    Raises: ValueError for pictures smaller than 3 x 3; below 11 pixels the window is smaller, too.
    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity".
    """
    from skimage.metrics import structural_similarity

    x, y = _pair(x, y)
    window = min(11, (min(x.shape[-2:]) - 1) // 2 * 2 + 1)
    if window < 3:
        raise ValueError(f"SSIM needs pictures of at least 3 x 3, got {tuple(x.shape[-2:])}")
    how = {"win_size": window, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(to_unit(x).cpu().double().numpy(), to_unit(y).cpu().double().numpy(), strict=True)
    return torch.tensor([structural_similarity(a, b, data_range=1.0, channel_axis=0, **how) for a, b in pairs]).float()


def sharpness(x: Tensor) -> Tensor:
    """Mean length of the brightness gradient between neighbours: blur lowers it, noise raises it. (B,)"""
    if x.ndim != 4 or min(x.shape[-2:]) < 2:
        raise ValueError(f"expected (B, C, H, W) of at least 2 x 2 pixels, got {tuple(x.shape)}")
    grey = x.float().mean(1)
    dx, dy = grey[:, :-1, 1:] - grey[:, :-1, :-1], grey[:, 1:, :-1] - grey[:, :-1, :-1]
    return (dx**2 + dy**2).sqrt().mean((1, 2))


def coarse(x: Tensor) -> Tensor:
    """The coarse shapes of pictures, blurred by sigma = 2 pixels of 32 and in proportion at other sizes. (B, C, H, W), the same."""
    return blur(x, x.shape[-1] / 16)


def diversity(x: Tensor) -> float:
    """Mean RMS distance between two different members of a batch; 0 if all are the same or there is only one.

    Of pixels it grows with contrast and clutter, so that burnt pictures seem manifold: measure it on coarse(x), or on what a
    judge sees in the pictures (Judge.features).

    Args: x: (B, C, H, W) pictures, or (B, N) features.
    """
    if x.ndim not in (2, 4):
        raise ValueError(f"expected (B, C, H, W) or (B, N), got {tuple(x.shape)}")
    if len(x) < 2:
        return 0.0
    flat = x.float().flatten(1)
    return (torch.pdist(flat) / flat.shape[1] ** 0.5).mean().item()
