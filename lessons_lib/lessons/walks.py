"""What the lessons run: each is one call of sample() on a Model, started, conditioned or constrained in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lessons_lib.denoisers import Conditioned, Denoiser, View, anagram, guided, hybrid
from lessons_lib.images import lowpass
from lessons_lib.models.model import Model
from lessons_lib.samplers import Step, inpaint, sample
from lessons_lib.schedule import CLEAN


def denoiser_of(
    model: Model, prompt: str | list[str], guidance_scale: float | Tensor = 1.0, nothing: Denoiser | None = None
) -> Denoiser:
    """The model's denoiser for a prompt under guidance; without a prompt, or at guidance 1, one call of the network a step.

    nothing: the denoiser without a prompt, where several prompts are to share it.
    """
    nothing = nothing or model.denoiser("")
    if not any([prompt] if isinstance(prompt, str) else prompt):
        return nothing
    if not isinstance(guidance_scale, Tensor) and guidance_scale == 1:
        return model.denoiser(prompt)
    return guided(model.denoiser(prompt), nothing, guidance_scale)


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


MASKS = ("top half", "bottom half", "left half", "right half", "centre", "around the centre", "everything")


def preset_mask(name: str, size: int) -> Tensor:
    """(1, 1, size, size), 1 where new content goes. Raises ValueError for a name not in MASKS."""
    mask = torch.zeros(1, 1, size, size)
    half, quarter = size // 2, size // 4
    if name not in MASKS:
        raise ValueError(f"mask must be one of {', '.join(MASKS)}, got {name!r}")
    if name == "top half":
        mask[..., :half, :] = 1
    elif name == "bottom half":
        mask[..., half:, :] = 1
    elif name == "left half":
        mask[..., :half] = 1
    elif name == "right half":
        mask[..., half:] = 1
    elif name == "everything":
        mask[:] = 1
    else:
        mask[..., quarter : size - quarter, quarter : size - quarter] = 1
        if name == "around the centre":
            mask = 1 - mask
    return mask


def inpainting(
    model: Model, x_orig: Tensor, mask: Tensor, prompt: str, *, num_images: int = 5, guidance_scale: float = 7.0, seed: int = 180,
) -> Iterator[Step]:  # fmt: skip
    """num_images pictures that are new inside the mask and x_orig outside: a free walk, constrained after every move.

    Args: x_orig (1, C, H, W) in [-1, 1]; mask (1, 1, H, W), 1 where new content goes. The walk ends at the clean image, so
    that what is kept comes back exactly.
    """
    xt, g = noise(model, num_images, seed)
    timesteps = [*model.schedule.timesteps(model.stride), CLEAN]
    constrain = inpaint(model.schedule, x_orig, mask, g)
    yield from sample(denoiser_of(model, prompt, guidance_scale), model.schedule, xt, timesteps, constrain=constrain, generator=g)


UPSCALE_STRIDE = 40


def upscale(
    upscaler, image: Tensor, prompt: str | list[str], *, noise_level: int = 100, seed: int = 180,
    timesteps: Sequence[int] | None = None,
) -> Iterator[Step]:  # fmt: skip
    """Stage 2: (B, 3, h, w) in [-1, 1] made larger by the upscaler's own walk, under one prompt or one each.

    Source: Ho et al. 2021, "Cascaded Diffusion Models", arXiv:2106.15282.
    """
    g = torch.Generator().manual_seed(seed)
    xt = torch.randn(len(image), *upscaler.shape, generator=g)
    denoiser = upscaler.denoiser(image, prompt, noise_level, g)
    timesteps = timesteps or upscaler.schedule.timesteps(UPSCALE_STRIDE)
    yield from sample(denoiser, upscaler.schedule, xt, timesteps, generator=g)


def seeds_of(seed: int, num_images: int) -> list[int]:
    """The seeds on a contact sheet: seed, seed + 1, ... Each picture on it can be made again alone, by its own seed."""
    return [seed + i for i in range(num_images)]


def noise_of_seeds(model: Model, seeds: Sequence[int]) -> tuple[Tensor, list[torch.Generator]]:
    """(B, C, H, W) standard normal, each picture's from its own seed, and the generators that go on from there."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.cat([torch.randn(1, *model.shape, generator=g) for g in generators]), generators


def anagrams(
    model: Model, prompt: str | list[str], turned_prompt: str | list[str], view: View, *, num_images: int = 5,
    guidance_scale: float = 7.0, seed: int = 180, timesteps: Sequence[int] | None = None,
) -> Iterator[Step]:  # fmt: skip
    """num_images pictures, of seed, seed + 1, ..., that show one prompt as they are and the other through the view.

    eps = (eps(xt, prompt) + back(eps(there(xt), turned_prompt))) / 2, each eps guided: four predictions, one batch a step.

    Args: prompt, turned_prompt: for all pictures, or one each. timesteps: the model's own strided list if not given.
    """
    xt, g = noise_of_seeds(model, seeds_of(seed, num_images))
    denoiser = anagram(denoiser_of(model, prompt, guidance_scale), denoiser_of(model, turned_prompt, guidance_scale), view)
    yield from sample(denoiser, model.schedule, xt, timesteps or model.schedule.timesteps(model.stride), generator=g)


def hybrids(
    model: Model, far_prompt: str | list[str], near_prompt: str | list[str], *, kernel_size: int = 33, sigma: float = 2.0,
    num_images: int = 5, guidance_scale: float = 7.0, seed: int = 180, timesteps: Sequence[int] | None = None,
) -> Iterator[Step]:  # fmt: skip
    """num_images pictures, of seed, seed + 1, ..., whose low frequencies follow one prompt (far) and the high ones another (near).

    eps = lowpass(eps(xt, far_prompt)) + highpass(eps(xt, near_prompt)), each eps guided; both share the unconditional
    branch, so three predictions, one batch a step.

    Args: far_prompt, near_prompt: for all pictures, or one each. timesteps: the model's own strided list if not given.
    """
    xt, g = noise_of_seeds(model, seeds_of(seed, num_images))
    nothing = model.denoiser("")
    far, near = (denoiser_of(model, p, guidance_scale, nothing) for p in (far_prompt, near_prompt))
    timesteps = timesteps or model.schedule.timesteps(model.stride)
    yield from sample(hybrid(far, near, kernel_size, sigma), model.schedule, xt, timesteps, generator=g)


def gaussian_for(size: int) -> tuple[int, float]:
    """The course's kernel_size 33 and sigma 2 at 64x64, scaled to another size."""
    return 2 * round(16 * size / 64) + 1, 2.0 * size / 64


def from_afar(x: Tensor, sigma: float) -> Tensor:
    """What a hybrid with this sigma looks like from where only its low frequencies reach the eye: (B, C, H, W), blurred."""
    return lowpass(x, 2 * round(3 * sigma) + 1, sigma)


def shares(first: float, last: float, n: int = 7) -> list[float]:
    """n shares of the second prompt in a blend, evenly from first to last."""
    return [round(first + (last - first) * i / (n - 1), 4) for i in range(n)]


def blends(
    model: Model, a: str, b: str, weights: Sequence[float], *, guidance_scale: float = 7.0, seed: int = 180
) -> Iterator[Step]:
    """One noise walked once per weight, the condition mixed from two prompts: (1 - w) * a + w * b. DDIM, so only w differs."""
    xt, g = noise(model, len(weights), seed, same=True)
    first, second, nothing = (model.denoiser(p) for p in (a, b, ""))
    mixed = torch.cat([(1 - w) * first.condition + w * second.condition for w in weights])
    denoiser = guided(Conditioned(first.network, mixed), nothing, guidance_scale)
    yield from sample(denoiser, model.schedule, xt, model.schedule.timesteps(model.stride), eta=0.0, generator=g)
