"""Inpainting: only what lies under a mask is made anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.lessons._common import (
    SEED,
    Opening,
    denoiser_of,
    noise,
    picture_of,
    prompt_of,
    seeds_of,
    settings,
)
from lessons_lib.maths.images import to_uint8
from lessons_lib.maths.samplers import Step, inpaint, sample, standard_normal
from lessons_lib.maths.schedule import CLEAN
from lessons_lib.models.model import Model

MASKS = ("top half", "bottom half", "left half", "right half", "centre", "around the centre", "everything")


def preset_mask(name: str, size: int) -> Tensor:
    """(1, 1, size, size), 1 where new content goes. Raises ValueError for a name not in MASKS."""
    if name not in MASKS:
        raise ValueError(f"mask must be one of {', '.join(MASKS)}, got {name!r}")
    half, quarter = size // 2, size // 4
    rows = {"top half": slice(None, half), "bottom half": slice(half, None)}
    columns = {"left half": slice(None, half), "right half": slice(half, None)}
    middle = slice(quarter, size - quarter)
    mask = torch.zeros(1, 1, size, size)
    if "centre" in name:
        mask[..., middle, middle] = 1
        return 1 - mask if name == "around the centre" else mask
    mask[..., rows.get(name, slice(None)), columns.get(name, slice(None))] = 1
    return mask


def about(model: Model, **chosen) -> dict:
    """The settings of the walk: picture, mask, prompt, guidance_scale, resamplings (RePaint's), seed."""
    picture = " ".join(model.first_picture)
    defaults = {
        "model": model.title,
        "picture": picture,
        "mask": "top half",
        "prompt": prompt_of(model, picture) or model.prompts[0],
        "seed": SEED,
        "guidance_scale": model.guidance_scale,
        "resamplings": 1,
    }
    return settings(defaults, chosen)


def walk(model: Model, about: dict, x0: Tensor, mask: Tensor, num_images: int = 5) -> Iterator[Step]:
    """Five pictures, of seed, seed + 1, ..., that are new inside the mask and x0 outside."""
    denoiser = denoiser_of(model, about["prompt"], about["guidance_scale"])
    return painted_in(model, denoiser, x0, mask, seeds_of(about["seed"], num_images), resamplings=about["resamplings"])


def painted_in(
    model: Model, denoiser, x_orig: Tensor, mask: Tensor, seeds: Sequence[int], *, resamplings: int = 1
) -> Iterator[Step]:
    """A free walk from noise, constrained after every move; one seed a picture, for all of its noise.

    With resamplings above 1 every move but the last is walked that often: x_t' is noised back to t by one move of the forward
    process, and denoised again, so that what is new and what is kept have time to agree.

    Args: x_orig (1, C, H, W) in [-1, 1]; mask (1, 1, H, W), 1 where new content goes. The walk ends at the clean image, so
    that what is kept comes back exactly.
    Source: Lugmayr et al. 2022, "RePaint", arXiv:2201.09865, algorithm 1 (its U is resamplings, with jumps of one move).
    """
    xt, generators = noise(model.shape, seeds)
    timesteps = [*model.schedule.timesteps(model.stride), CLEAN]
    constrain = inpaint(model.schedule, x_orig, mask, generators)
    moves = [(i, u) for i in range(len(timesteps) - 1) for u in range(resamplings if i < len(timesteps) - 2 else 1)]
    for index, (i, u) in enumerate(moves):
        t, t_prev = timesteps[i], timesteps[i + 1]
        if u:
            alpha, beta = model.schedule.move(t, t_prev)
            xt = alpha**0.5 * xt + beta**0.5 * standard_normal(xt, generators)
        step = next(sample(denoiser, model.schedule, xt, timesteps[i:], constrain=constrain, generator=generators))
        yield replace(step, index=index, total=len(moves))
        xt = step.x_prev


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with."""
    made = about(model)
    x0 = picture_of(model, made["picture"])
    mask = preset_mask(made["mask"], model.shape[1])
    yield Opening("inpainting", made, lambda: walk(model, made, x0, mask), x0=x0)


def seam(x: Tensor, mask: Tensor) -> Tensor:
    """How visible the mask's edge is: the mean |difference| of neighbours across it. x (B, C, H, W); mask (1, 1, H, W). (B,)"""
    across, down = mask[..., 1:] != mask[..., :-1], mask[..., 1:, :] != mask[..., :-1, :]
    dx, dy = (x[..., 1:] - x[..., :-1]).abs().mean(1), (x[..., 1:, :] - x[..., :-1, :]).abs().mean(1)
    edges = across.sum() + down.sum()
    return ((dx * across[0]).sum((1, 2)) + (dy * down[0]).sum((1, 2))) / edges.clamp_min(1)


def measure(model: Model, num_images: int = 5) -> Iterator[dict]:
    """How visible the edge of the page's mask is, by the number of resamplings.

    Rows: resamplings; seam, see seam(); original, that of the picture itself, where nothing is pasted.
    """
    made = about(model)
    x0, mask = picture_of(model, made["picture"]), preset_mask(made["mask"], model.shape[1])
    for resamplings in (1, 2, 4):
        *_, last = walk(model, {**made, "resamplings": resamplings}, x0, mask, num_images)
        yield {
            "resamplings": resamplings,
            "seam": seam(last.x_prev.clamp(-1, 1), mask).mean().item(),
            "original": seam(x0, mask).item(),
        }


MEASURES = {"inpainting": measure}


def card() -> kept.Card:
    """The original, its hole, and what was made there."""
    film = kept.film("inpainting", "emoji")
    what = film.about["picture"].partition(" ")[2]
    x0 = to_uint8(torch.from_numpy(film.x0)).numpy()
    hole = x0.copy()
    hole[:, : x0.shape[1] // 2] = 190
    alt = f"a {what}, its top half taken away, and made anew as {film.about['prompt']}"
    return kept.Card(alt, [x0, hole, film.final[0]])
