"""Hybrid images: low frequencies by one prompt, seen from afar; high frequencies by another, seen from near."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, denoiser_of, noise, seeds_of, settings
from lessons_lib.lessons._readings import by_quality
from lessons_lib.maths.denoisers import hybrid
from lessons_lib.maths.images import blur
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.models.model import Model


def gaussian_for(size: int) -> tuple[int, float]:
    """The course's kernel_size 33 and sigma 2 at 64x64, in proportion at another size, up to 33 pixels."""
    return min(33, 2 * round(16 * size / 64) + 1), round(2.0 * size / 64, 1)


def about(model: Model, **chosen) -> dict:
    """The settings of the walk: far_prompt, near_prompt, kernel_size, sigma, seed, guidance_scale, num_images."""
    far, near = model.pairs_for("hybrids")[0]
    kernel_size, sigma = gaussian_for(model.shape[1])
    defaults = {
        "model": model.title,
        "far_prompt": far,
        "near_prompt": near,
        "kernel_size": kernel_size,
        "sigma": sigma,
        "seed": SEED,
        "guidance_scale": model.guidance_scale,
        "num_images": 6,
    }
    return settings(defaults, chosen)


def walk(model: Model, about: dict) -> Iterator[Step]:
    """The page's walk."""
    how = {k: about[k] for k in ("kernel_size", "sigma", "guidance_scale")}
    seeds = seeds_of(about["seed"], about["num_images"])
    return near_and_far(model, about["far_prompt"], about["near_prompt"], seeds, **how)


def near_and_far(
    model: Model,
    far_prompt: str,
    near_prompt: str,
    seeds: Sequence[int],
    *,
    kernel_size: int = 33,
    sigma: float = 2.0,
    guidance_scale: float = 7.0,
) -> Iterator[Step]:
    """Pictures, one a seed, whose low frequencies follow one prompt (far) and the high ones another (near).

    eps = lowpass(eps(xt, far_prompt)) + highpass(eps(xt, near_prompt)), each eps guided; both share the unconditional
    branch, so three predictions, one batch a step.
    """
    xt, generators = noise(model.shape, seeds)
    nothing = model.denoiser("")
    far, near = (denoiser_of(model, p, guidance_scale, nothing) for p in (far_prompt, near_prompt))
    timesteps = model.schedule.timesteps(model.stride)
    yield from sample(hybrid(far, near, kernel_size, sigma), model.schedule, xt, timesteps, generator=generators)


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with."""
    made = about(model)
    yield Opening("hybrids", made, lambda: walk(model, made))


def measure(model: Model, num_images: int = 6) -> Iterator[dict]:
    """How well the judge reads each of the page's pairs from afar and from near. Rows: see _readings.by_quality."""
    sigma = about(model)["sigma"]

    def of_pair(pair: tuple[str, str]) -> Iterator[Step]:
        return walk(model, about(model, far_prompt=pair[0], near_prompt=pair[1], num_images=num_images))

    yield from by_quality(model, model.pairs_for("hybrids"), of_pair, lambda x: (blur(x, sigma), x))


MEASURES = {"hybrids": measure}


def card() -> kept.Card:
    """A hybrid from near, and small, as from afar."""
    film = kept.film("hybrids", "emoji")
    near = film.final[0]
    small = np.asarray(Image.fromarray(near.transpose(1, 2, 0)).resize((12, 12), Image.Resampling.BOX)).transpose(2, 0, 1)
    far = np.full_like(near, 255)
    far[:, 10:22, 10:22] = small
    return kept.Card(f"from near, {film.about['near_prompt']}; small, as from afar, {film.about['far_prompt']}", [near, far])
