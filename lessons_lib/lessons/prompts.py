"""Prompt lab and logo: mixtures of two prompts, and a hybrid of one's own words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.lessons import hybrids, sampling
from lessons_lib.lessons._common import SEED, Opening, noise, seeds_of, settings, under_guidance
from lessons_lib.maths.denoisers import Conditioned
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.models.model import Model
from lessons_lib.models.upscaler import Upscaler

LOGOS = 5


def about(model: Model, **chosen) -> dict:
    """The settings of the mixtures: from_prompt, to_prompt, first_share, last_share, seed, guidance_scale."""
    a, b = model.prompts[:2]
    defaults = {
        "model": model.title,
        "from_prompt": a,
        "to_prompt": b,
        "first_share": 0.0,
        "last_share": 1.0,
        "seed": SEED,
        "guidance_scale": model.guidance_scale,
    }
    return settings(defaults, chosen)


def shares(about: dict, n: int = 7) -> list[float]:
    """The shares of to_prompt in each of n pictures, evenly from first_share to last_share."""
    first, last = about["first_share"], about["last_share"]
    return [round(first + (last - first) * i / (n - 1), 4) for i in range(n)]


def walk(model: Model, about: dict) -> Iterator[Step]:
    """The page's walk over seven mixtures."""
    return mixtures(
        model, about["from_prompt"], about["to_prompt"], shares(about), about["seed"], guidance_scale=about["guidance_scale"]
    )


def mixtures(model: Model, a: str, b: str, weights: Sequence[float], seed: int, *, guidance_scale: float = 7.0) -> Iterator[Step]:
    """One noise walked once a weight, the condition mixed from two prompts: (1 - w) * a + w * b. DDIM, so only w differs."""
    xt, _ = noise(model.shape, [seed] * len(weights))
    first, second = model.denoiser(a), model.denoiser(b)
    mixed = torch.cat([(1 - w) * first.condition + w * second.condition for w in weights])
    denoiser = under_guidance(lambda: Conditioned(first.network, mixed), lambda: model.denoiser(""), guidance_scale)
    yield from sample(denoiser, model.schedule, xt, model.schedule.timesteps(model.stride), eta=0.0)


def about_logo(model: Model, **chosen) -> dict:
    """The settings of the logos: logo_far, logo_near, kernel_size, sigma, seed, guidance_scale."""
    far, near = model.pairs_for("hybrids")[0]
    kernel_size, sigma = hybrids.gaussian_for(model.shape[1])
    defaults = {
        "model": model.title,
        "logo_far": far,
        "logo_near": near,
        "kernel_size": kernel_size,
        "sigma": sigma,
        "seed": SEED,
        "guidance_scale": model.guidance_scale,
    }
    return settings(defaults, chosen)


def walk_logo(model: Model, about: dict) -> Iterator[Step]:
    """Five logos, of seed, seed + 1, ...: hybrids of two prompts."""
    how = {k: about[k] for k in ("kernel_size", "sigma", "guidance_scale")}
    return hybrids.near_and_far(model, about["logo_far"], about["logo_near"], seeds_of(about["seed"], LOGOS), **how)


def about_large(logo: dict, seed: int) -> dict:
    """The settings of one logo through stage 2."""
    return {**logo, "seed": seed, "num_images": 1, "noise_level": 100, "stage": 2}


def walk_large(upscaler: Upscaler, about: dict, small: Tensor, prompt: str) -> Iterator[Step]:
    """One logo (1, 3, h, w) through stage 2, by its own seed."""
    return sampling.upscale(upscaler, small, prompt, [about["seed"]], noise_level=about["noise_level"])


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with."""
    mixed, logo = about(model), about_logo(model)
    yield Opening("prompts", mixed, lambda: walk(model, mixed))
    yield Opening("logo", logo, lambda: walk_logo(model, logo))


def card() -> kept.Card:
    """From one prompt to another, by way of a mixture."""
    film = kept.film("prompts", "emoji")
    alt = f"from {film.about['from_prompt']} to {film.about['to_prompt']}, by way of a mixture"
    return kept.Card(alt, [film.final[i] for i in (0, 3, 6)])
