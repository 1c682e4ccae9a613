"""Image to image: a picture noised a little, or a lot, and walked back (SDEdit)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    settings,
)
from lessons_lib.maths.images import to_uint8
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.models.model import Model

COURSE = (1, 3, 5, 7, 10, 20)


def i_starts_of(model: Model) -> list[int]:
    """The course's 1, 3, 5, 7, 10, 20 of 34 timesteps, in proportion for the model's own list."""
    n = len(model.schedule.timesteps(model.stride))
    return [max(1, min(n - 2, round(i * n / 34))) for i in COURSE]


def about(model: Model, **chosen) -> dict:
    """The settings of the walk: picture, prompt ("" for none), guidance_scale (only with a prompt), seed."""
    picture = " ".join(model.first_picture)
    prompt = chosen.get("prompt", prompt_of(model, picture))
    scale = chosen.pop("guidance_scale", model.guidance_scale)
    defaults = {"model": model.title, "picture": picture, "prompt": prompt, "seed": SEED}
    return settings(defaults, chosen) | ({"guidance_scale": scale} if prompt else {})


def walk(model: Model, about: dict, x0: Tensor) -> Iterator[Step]:
    """All of the page's starts as one batch."""
    scale = about.get("guidance_scale", 1.0)
    return from_starts(model, x0, about["prompt"], i_starts_of(model), about["seed"], guidance_scale=scale)


def from_starts(
    model: Model,
    x0: Tensor,
    prompt: str,
    i_starts: Sequence[int],
    seed: int,
    *,
    guidance_scale: float = 7.0,
    stride: int | None = None,
) -> Iterator[Step]:
    """SDEdit from several starts as one batch: picture k is x0 noised to timesteps[i_starts[k]], then walked back.

    Until the walk reaches a picture's own start, a constraint keeps it at x0 noised to that timestep. All have the noise of one
    seed, first and on the way, so only i_start differs; and each is the picture that it would be alone.

    Args: x0 (1, C, H, W) in [-1, 1]. Raises ValueError for a start outside the list of timesteps.
    Source: Meng et al. 2021, "SDEdit", arXiv:2108.01073.
    """
    timesteps = model.schedule.timesteps(stride or model.stride)
    for i in i_starts:
        if not 0 <= i < len(timesteps) - 1:
            raise ValueError(f"i_start must be between 0 and {len(timesteps) - 2}, got {i}")
    first = min(i_starts)
    eps, generators = noise(x0.shape[1:], [seed] * len(i_starts))
    fresh = generators[0].get_state()  # after the first noise, before any on the way
    starts = [timesteps[i] for i in i_starts]

    def wait_for_start(x_prev: Tensor, t_prev: int) -> Tensor:
        waiting = [t_prev >= t for t in starts]
        for generator, waits in zip(generators, waiting, strict=True):
            if waits:
                generator.set_state(fresh)  # its walk has not begun
        held = model.schedule.add_noise(x0.expand_as(x_prev), t_prev, eps)
        return torch.where(torch.tensor(waiting).view(-1, 1, 1, 1).to(x_prev.device), held, x_prev)

    xt = model.schedule.add_noise(x0.expand_as(eps), timesteps[first], eps)
    denoiser = denoiser_of(model, prompt, guidance_scale)
    yield from sample(denoiser, model.schedule, xt, timesteps[first:], constrain=wait_for_start, generator=generators)


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with."""
    made = about(model)
    x0 = picture_of(model, made["picture"])
    yield Opening("sdedit", made, lambda: walk(model, made, x0), x0=x0)


def card() -> kept.Card:
    """The original, after little noise, and after much."""
    film = kept.film("sdedit", "emoji")
    what = film.about["picture"].partition(" ")[2]
    clean = to_uint8(torch.from_numpy(film.x0)).numpy()
    alt = f"a {what}, made anew as {film.about['prompt']} after little noise, and after much"
    return kept.Card(alt, [clean, film.final[-1], film.final[2]])
