"""How near, how sharp, how different. All take images in [-1, 1] and give one number a picture."""

from __future__ import annotations

import torch
from torch import Tensor

DATA_RANGE = 2.0  # images are in [-1, 1]


def _pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim != 4 or x.shape != y.shape:
        raise ValueError(f"two batches of one shape (B, C, H, W) are compared, got {tuple(x.shape)} and {tuple(y.shape)}")
    return x.float(), y.float()


def mse(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error. Two (B, C, H, W) -> (B,); 0 is the same, in units of [-1, 1] squared."""
    x, y = _pair(x, y)
    return ((x - y) ** 2).mean((1, 2, 3))


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, higher is nearer, infinite for the same. (B,)"""
    return 10 * torch.log10(DATA_RANGE**2 / mse(x, y))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity by scikit-image, 1 is the same. (B,)  (Wang et al. 2004)"""
    from skimage.metrics import structural_similarity

    x, y = _pair(x, y)
    window = min(7, (min(x.shape[-2:]) - 1) // 2 * 2 + 1)
    if window < 3:
        raise ValueError(f"SSIM needs pictures of at least 3 x 3, got {tuple(x.shape[-2:])}")
    pairs = zip(x.cpu().numpy(), y.cpu().numpy(), strict=True)
    return torch.tensor([structural_similarity(a, b, data_range=DATA_RANGE, channel_axis=0, win_size=window) for a, b in pairs])


def sharpness(x: Tensor) -> Tensor:
    """Mean length of the brightness gradient between neighbours: blur lowers it, noise raises it. (B,)"""
    if x.ndim != 4 or min(x.shape[-2:]) < 2:
        raise ValueError(f"expected (B, C, H, W) of at least 2 x 2 pixels, got {tuple(x.shape)}")
    grey = x.float().mean(1)
    dx, dy = grey[:, :-1, 1:] - grey[:, :-1, :-1], grey[:, 1:, :-1] - grey[:, :-1, :-1]
    return (dx**2 + dy**2).sqrt().mean((1, 2))


def diversity(x: Tensor) -> float:
    """Mean RMS distance between two different pictures of a batch; 0 if all are the same or there is only one."""
    if x.ndim != 4:
        raise ValueError(f"expected (B, C, H, W), got {tuple(x.shape)}")
    if len(x) < 2:
        return 0.0
    flat = x.float().flatten(1)
    return (torch.pdist(flat) / flat.shape[1] ** 0.5).mean().item()
