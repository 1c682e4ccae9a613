"""What the lessons run: each is one call of sample() on a Model, started, conditioned or constrained in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lessons_lib.denoisers import Denoiser, guided
from lessons_lib.models import Model
from lessons_lib.samplers import Step, sample


def denoiser_of(model: Model, prompt: str | list[str], guidance_scale: float | Tensor = 1.0) -> Denoiser:
    """The model's denoiser for a prompt under guidance; without a prompt, or at guidance 1, one call of the network a step."""
    if not any([prompt] if isinstance(prompt, str) else prompt):
        return model.denoiser("")
    if not isinstance(guidance_scale, Tensor) and guidance_scale == 1:
        return model.denoiser(prompt)
    return guided(model.denoiser(prompt), model.denoiser(""), guidance_scale)


def noise(model: Model, num_images: int, seed: int, *, same: bool = False) -> tuple[Tensor, torch.Generator]:
    """(B, C, H, W) standard normal and the generator that goes on from there; `same` starts every picture alike."""
    g = torch.Generator().manual_seed(seed)
    xt = torch.randn(1 if same else num_images, *model.shape, generator=g)
    return xt.expand(num_images, *model.shape).clone(), g


def from_noise(
    model: Model, prompt: str | list[str], *, num_images: int = 5, seed: int = 180, guidance_scale: float = 7.0,
    timesteps: Sequence[int] | None = None, eta: float = 1.0, clip_x0: bool = True,
) -> Iterator[Step]:  # fmt: skip
    """num_images pictures of one prompt (or one prompt each) from pure noise, all as one batch."""
    xt, g = noise(model, num_images, seed)
    timesteps = timesteps or model.schedule.timesteps(model.stride)
    yield from sample(
        denoiser_of(model, prompt, guidance_scale), model.schedule, xt, timesteps, eta=eta, clip_x0=clip_x0, generator=g
    )


def over_guidance_scales(
    model: Model, prompt: str, guidance_scales: Sequence[float], *, seed: int = 180, eta: float = 0.0,
    clip_x0: bool = True,
) -> Iterator[Step]:  # fmt: skip
    """The same noise walked at every guidance scale at once, one picture each; eta = 0, so that only the scale differs."""
    xt, g = noise(model, len(guidance_scales), seed, same=True)
    scales = torch.tensor(guidance_scales, dtype=torch.float32).view(-1, 1, 1, 1)
    denoiser = guided(model.denoiser(prompt), model.denoiser(""), scales)
    yield from sample(denoiser, model.schedule, xt, model.schedule.timesteps(model.stride), eta=eta, clip_x0=clip_x0, generator=g)


def denoise_from(
    model: Model, xt: Tensor, timesteps: Sequence[int], *, prompt: str = "", guidance_scale: float = 1.0, seed: int = 180,
    eta: float = 1.0, clip_x0: bool = True,
) -> Iterator[Step]:  # fmt: skip
    """Iterative denoising of an image noised to timesteps[0]."""
    g = torch.Generator().manual_seed(seed)
    denoiser = denoiser_of(model, prompt, guidance_scale)
    yield from sample(denoiser, model.schedule, xt, timesteps, eta=eta, clip_x0=clip_x0, generator=g)


def image_to_image(
    model: Model, x0: Tensor, prompt: str, i_starts: Sequence[int], *, guidance_scale: float = 7.0, seed: int = 180,
    stride: int | None = None,
) -> Iterator[Step]:  # fmt: skip
    """SDEdit from several starts as one batch: picture k is x0 noised to timesteps[i_starts[k]], then walked back.

    Until the walk reaches a picture's own start, a constraint keeps it at x0 noised to that timestep; the noise is the same
    for all, so only i_start differs.
    Args: x0 (1, C, H, W) in [-1, 1]. Raises ValueError for a start outside the list of timesteps.
    Source: Meng et al. 2021, "SDEdit", arXiv:2108.01073.
    """
    timesteps = model.schedule.timesteps(stride or model.stride)
    for i in i_starts:
        if not 0 <= i < len(timesteps) - 1:
            raise ValueError(f"i_start must be between 0 and {len(timesteps) - 2}, got {i}")
    first = min(i_starts)
    g = torch.Generator().manual_seed(seed)
    eps = torch.randn(x0.shape, generator=g)
    starts = torch.tensor([timesteps[i] for i in i_starts])

    def wait_for_start(x_prev: Tensor, t_prev: int) -> Tensor:
        waiting = (t_prev >= starts).view(-1, 1, 1, 1).to(x_prev.device)
        return torch.where(waiting, model.schedule.add_noise(x0, t_prev, eps).expand_as(x_prev), x_prev)

    xt = model.schedule.add_noise(x0, timesteps[first], eps).expand(len(i_starts), *x0.shape[1:]).clone()
    yield from sample(
        denoiser_of(model, prompt, guidance_scale), model.schedule, xt, timesteps[first:], constrain=wait_for_start, generator=g
    )
