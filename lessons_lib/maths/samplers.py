"""The walk from noise to image: one generator for DDPM and DDIM, whole or from the middle, free or constrained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lessons_lib.maths.denoisers import Denoiser
from lessons_lib.maths.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Step:
    """One move of the walk, from timestep t to the less noisy t_prev. All tensors (B, C, H, W)."""

    index: int  # 0 for the first move
    total: int  # moves in the whole walk
    t: int
    t_prev: int  # CLEAN (-1) when the move ends at the clean image
    xt: Tensor  # before the move
    eps: Tensor  # the noise estimate in xt
    x0_hat: Tensor  # the clean image that xt seemed to come from, clipped if the walk clips
    x_prev: Tensor  # after the move
    eta: float = 1.0  # how much of its noise is fresh; the last move has none


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    schedule: Schedule,
    xt: Tensor,
    timesteps: Sequence[int],
    *,
    eta: float = 1.0,
    clip_x0: bool = True,
    variance_type: Literal["fixed_small", "fixed_large"] = "fixed_small",
    constrain: Callable[[Tensor, int], Tensor] | None = None,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
) -> Iterator[Step]:
    """Walk xt along the timesteps, one Step a move.

    Each move estimates x0_hat (DDPM, eq. 15) and draws x_{t'} around the posterior mean (eq. 7), with
    v_sigma = eta * sqrt(variance) * z and z = 0 on the last move. eta = 1 is DDPM; eta = 0 is DDIM (Song et al. 2020,
    eq. 12, with eps taken anew from the clipped x0_hat). A network's learned variance is used at eta = 1.

    Args:
        denoiser: its condition already bound.
        xt: (B, C, H, W), the image at timesteps[0]: pure noise, or SDEdit's noised image with timesteps[i_start:].
        timesteps: strictly descending; n entries make n - 1 moves. The last may be CLEAN (-1).
        clip_x0: keep x0_hat in [-1, 1]; without it a small model diverges under guidance.
        variance_type: "fixed_small" is the posterior variance, "fixed_large" is beta (as the course's Part B has it).
        constrain: (x_prev, t_prev) -> x_prev, applied after every move; inpainting is one.
        generator: on the CPU; the same seed gives the same walk on any device. One for the batch, or one a picture.
    Yields: Step. Closing the generator early leaves nothing behind.
    Raises: ValueError for timesteps that do not descend, a shape that changes, or a prediction that is not finite.
    Source: Ho et al. 2020, arXiv:2006.11239; Song et al. 2020, arXiv:2010.02502.

    >>> from lessons_lib.maths.denoisers import perfect
    >>> schedule, x0 = Schedule.linear(100), torch.full((1, 1, 2, 2), 0.5)
    >>> xt = torch.randn(1, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> steps = list(sample(perfect(x0, schedule), schedule, xt, [99, 50, 0, -1], eta=0.0))
    >>> [(s.t, s.t_prev) for s in steps]
    [(99, 50), (50, 0), (0, -1)]
    >>> torch.allclose(steps[-1].x_prev, x0, atol=1e-5)
    True
    """
    timesteps = [schedule.check_timestep(t, clean_allowed=i > 0) for i, t in enumerate(timesteps)]
    if len(timesteps) < 2:
        raise ValueError(f"a walk needs at least two timesteps, got {timesteps}")
    for t, t_prev in zip(timesteps, timesteps[1:], strict=False):
        if t_prev >= t:
            raise ValueError(f"timesteps must descend, but {t} is followed by {t_prev}")
    if xt.ndim != 4:
        raise ValueError(f"xt must be (B, C, H, W), got shape {tuple(xt.shape)}")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be between 0 (DDIM) and 1 (DDPM), got {eta}")
    if variance_type not in ("fixed_small", "fixed_large"):
        raise ValueError(f"variance_type must be 'fixed_small' or 'fixed_large', got {variance_type!r}")
    if not bool(torch.isfinite(xt).all()):
        raise ValueError(f"xt holds {int((~torch.isfinite(xt)).sum())} values that are NaN or infinite")

    total = len(timesteps) - 1
    for index, (t, t_prev) in enumerate(zip(timesteps, timesteps[1:], strict=False)):
        eps, variance = denoiser(xt, t)
        for name, answer in (("eps", eps), ("variance", variance)):
            if answer is None:
                continue
            if answer.shape != xt.shape:
                raise ValueError(f"at t = {t} the denoiser's {name} has shape {tuple(answer.shape)}, but xt {tuple(xt.shape)}")
            if not bool(torch.isfinite(answer).all()):
                bad = int((~torch.isfinite(answer)).sum())
                raise ValueError(f"at t = {t} the denoiser's {name} holds {bad} values that are NaN or infinite")
        x0_hat = schedule.predict_x0(xt, t, eps)
        if clip_x0:
            x0_hat = x0_hat.clamp(-1, 1)
        last = index == total - 1
        z = None if last or eta == 0 else standard_normal(xt, generator)
        x_prev = move(schedule, xt, x0_hat, t, t_prev, z, eta=eta, variance=variance, variance_type=variance_type)
        if constrain is not None:
            x_prev = constrain(x_prev, t_prev)
            if x_prev.shape != xt.shape:
                raise ValueError(f"the constraint made {tuple(x_prev.shape)} of a walk of {tuple(xt.shape)}")
        yield Step(index, total, t, t_prev, xt, eps, x0_hat, x_prev, eta)
        xt = x_prev


def move(
    schedule: Schedule,
    xt: Tensor,
    x0_hat: Tensor,
    t: int,
    t_prev: int,
    z: Tensor | None,
    *,
    eta: float = 1.0,
    variance: Tensor | None = None,
    variance_type: str = "fixed_small",
) -> Tensor:
    """One move from t to t_prev, given x0_hat and the fresh noise z (None for none). See sample()."""
    if eta == 1:
        mean = schedule.posterior_mean(x0_hat, xt, t, t_prev)
        if z is None:
            return mean
        if variance is not None:
            return mean + (schedule.learned_log_variance(variance, t, t_prev) / 2).exp() * z
        large = variance_type == "fixed_large"
        return mean + math.sqrt(schedule.move(t, t_prev)[1] if large else schedule.posterior_variance(t, t_prev)) * z
    a_prev = schedule.alpha_bar(t_prev)
    std = 0.0 if z is None else eta * math.sqrt(schedule.posterior_variance(t, t_prev))
    eps = schedule.predict_eps(xt, t, x0_hat)
    direction = math.sqrt(max(1 - a_prev - std**2, 0.0)) * eps
    x_prev = math.sqrt(a_prev) * x0_hat + direction
    return x_prev if z is None else x_prev + std * z


def inpaint(
    schedule: Schedule,
    x_orig: Tensor,
    mask: Tensor,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
):
    """A constraint for sample(): only inside the mask is new.

    x_{t'} <- m * x_{t'} + (1 - m) * add_noise(x_orig, t')

    Args: x_orig (1 or B, C, H, W) in [-1, 1]; mask (1 or B, 1, H, W), 1 where new content goes, 0 where x_orig stays;
    generator: of the noise on x_orig, one for the batch or one a picture.
    Raises: ValueError for sizes that differ, a mask outside 0 .. 1, an x_orig outside [-1, 1] or unlike the walk.
    Source: Lugmayr et al. 2022, "RePaint", arXiv:2201.09865, eq. 8.
    """
    if x_orig.ndim != 4:
        raise ValueError(f"x_orig must be (B, C, H, W), got shape {tuple(x_orig.shape)}")
    for name, values, low in (("mask", mask, 0), ("x_orig", x_orig, -1)):
        if not bool(((values >= low - 1e-4) & (values <= 1 + 1e-4)).all()):  # a resized picture may be off by a rounding
            raise ValueError(f"{name} must be in [{low}, 1], got {values.min().item():g} to {values.max().item():g}")
    if mask.shape[-2:] != x_orig.shape[-2:]:
        raise ValueError(f"the mask is {tuple(mask.shape[-2:])} but the image is {tuple(x_orig.shape[-2:])}")

    def constrain(x_prev: Tensor, t_prev: int) -> Tensor:
        if x_orig.shape[1:] != x_prev.shape[1:] or len(x_orig) not in (1, len(x_prev)):
            raise ValueError(f"x_orig is {tuple(x_orig.shape)} but the walk is {tuple(x_prev.shape)}")
        eps = standard_normal(x_prev, generator)
        return mask * x_prev + (1 - mask) * schedule.add_noise(x_orig.expand_as(x_prev), t_prev, eps)

    return constrain


def standard_normal(like: Tensor, generator: torch.Generator | Sequence[torch.Generator] | None) -> Tensor:
    """Drawn on the CPU in the dtype of `like`, so that a seed means the same picture on every device."""
    if isinstance(generator, Sequence):
        one_each = zip(like.split(1), generator, strict=True)
        return torch.cat([standard_normal(picture, g) for picture, g in one_each])
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)
