"""Flow matching: straight paths from noise to picture, and a walk along them in a few steps.

Here t runs from 0, noise, to 1, the picture: the other way round than in schedule.py, as the papers have it.

    x_t = (1 - t) x_0 + t x_1      x_0 noise, x_1 the picture
    u   = x_1 - x_0                the velocity along that path, what the network learns

Source: Lipman et al. 2022, "Flow Matching for Generative Modeling", arXiv:2210.02747, eq. 22 and 23 at sigma_min = 0;
Liu et al. 2022, "Rectified Flow", arXiv:2209.03003, eq. 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lessons_lib.maths.denoisers import Denoiser
from lessons_lib.maths.samplers import Step
from lessons_lib.maths.schedule import Schedule


def between(x_0: Tensor, x_1: Tensor, t: Tensor | float) -> Tensor:
    """x_t = (1 - t) x_0 + t x_1, the point at time t of the path from noise x_0 to picture x_1.

    Args: x_0, x_1 (B, C, H, W); t in [0, 1], one for all or (B,).

    >>> between(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), 0.25).item()
    0.25
    """
    t = t.view(-1, 1, 1, 1) if isinstance(t, Tensor) and t.ndim else t
    return (1 - t) * x_0 + t * x_1


def velocity(x_0: Tensor, x_1: Tensor) -> Tensor:
    """u = x_1 - x_0, the same at every time of a straight path."""
    return x_1 - x_0


def picture_of(x_t: Tensor, u: Tensor, t: float) -> Tensor:
    """Where the path from x_t leads if it goes straight on: x_1_hat = x_t + (1 - t) u."""
    return x_t + (1 - t) * u


def noise_of(x_t: Tensor, u: Tensor, t: float) -> Tensor:
    """Where that path came from: x_0_hat = x_t - t u. It is what a diffusion model calls eps_hat."""
    return x_t - t * u


def timestep_like(t: float, schedule: Schedule) -> int:
    """The diffusion timestep at which the same share of the picture is noise as at the flow's time t.

    On the path it is (1 - t) / t parts noise to one part picture, in diffusion sqrt(1 - alpha_bar) / sqrt(alpha_bar).

    >>> [timestep_like(t, Schedule.cosine()) for t in (0.0, 0.5, 1.0)]
    [999, 495, 0]
    """
    if not 0 <= t <= 1:
        raise ValueError(f"t must be between 0 and 1, got {t:g}")
    share = t**2 / (t**2 + (1 - t) ** 2)  # the alpha_bar with that signal-to-noise ratio
    return int((schedule.alphas_cumprod - share).abs().argmin())


@torch.no_grad()
def euler(denoiser: Denoiser, x_0: Tensor, num_steps: int) -> Iterator[Step]:
    """Walk from noise x_0 to a picture in num_steps equal steps, x_{t + 1/n} = x_t + u / n, one Step each.

    Args:
        denoiser: as everywhere, but what it answers in the place of eps is the velocity u; guidance is linear, so guided()
            serves both. It is asked at t = 0, 1/n, ..., (n - 1)/n.
        x_0: (B, C, H, W) standard normal.
    Yields: Step with t and t_prev (the next time) in [0, 1], eps = noise_of() and x0_hat = picture_of().
    Raises: ValueError for fewer than one step, or an answer of another shape or that is not finite.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}")
    x = x_0
    for i in range(num_steps):
        t, after = i / num_steps, (i + 1) / num_steps
        u = denoiser(x, t).eps
        if u.shape != x.shape:
            raise ValueError(f"at t = {t:g} the velocity has shape {tuple(u.shape)}, but x {tuple(x.shape)}")
        if not bool(torch.isfinite(u).all()):
            raise ValueError(f"at t = {t:g} the velocity holds {int((~torch.isfinite(u)).sum())} values that are NaN or infinite")
        x_after = x + (after - t) * u
        yield Step(i, num_steps, t, after, x, noise_of(x, u, t), picture_of(x, u, t), x_after)
        x = x_after
