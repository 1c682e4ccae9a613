"""What the lessons share: noise by seed, the one guidance policy, settings, and what a page opens with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lessons_lib.files.film import CHANNELS, Film
from lessons_lib.maths.denoisers import Denoiser, guided
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.models.model import Model
from lessons_lib.sources import clean_picture, names

SEED = 180
"""The course's."""


@dataclass(frozen=True, eq=False)
class Opening:
    """A film that a page opens with, or that stands ready for one of its links.

    name: kept as cache/openings/NAME-MODEL.npz. about: what made it, from the lesson's about(), as the page makes it.
    walk: () -> Steps; or film: a film that no walk led to. x0: (1, C, H, W), the clean picture it is about.
    frames: how many of the film's, evenly spread, or which; as many of them as fit. channels: of the film.
    """

    name: str
    about: dict
    walk: Callable[[], Iterator[Step]] | None = None
    film: Film | None = None
    x0: Tensor | None = None
    frames: int | Sequence[int] = 8
    channels: tuple[str, ...] = CHANNELS

    def filmed(self) -> Film:
        """The film, walked now if there is a walk."""
        if self.walk is None:
            return self.film
        film = Film(dict(self.about), x0=None if self.x0 is None else self.x0[0].float().numpy())
        for _ in film.record_all(self.walk()):
            pass
        return film


def picture_of(model: Model, picture: str) -> Tensor:
    """The clean picture called "KIND NAME" in the settings, (1, C, H, W) in [-1, 1]."""
    kind, _, name = picture.partition(" ")
    return clean_picture(kind, name, model.shape)


def prompt_of(model: Model, picture: str) -> str:
    """The prompt that asks for what a shipped picture shows; "" where the model has no word for it."""
    kind, _, name = picture.partition(" ")
    return model.prompt_of(kind, name)


def some_pictures(model: Model, n: int) -> list[str]:
    """n clean pictures of the kind that the model knows, spread over all: "KIND NAME" each."""
    kind = model.picture_kinds[0]
    every = names(kind)
    return [f"{kind} {every[i * len(every) // n]}" for i in range(n)]


def settings(defaults: dict, chosen: dict) -> dict:
    """The defaults with what was chosen in their place. Raises TypeError for a name that is not among them."""
    if unknown := set(chosen) - set(defaults):
        raise TypeError(f"unknown settings: {', '.join(sorted(unknown))}; known: {', '.join(defaults)}")
    return {**defaults, **chosen}


def made_so(film: Film, about: dict, x0: Tensor | None = None) -> bool:
    """True if a film was made by these very settings, and about this very picture (1, C, H, W) if one is given."""
    if any(film.about.get(k) != v for k, v in about.items()):
        return False
    if x0 is None:
        return True
    return film.x0 is not None and np.array_equal(*(x.astype(np.float16) for x in (film.x0, x0[0].numpy())))  # as it is kept


def seeds_of(seed: int, num_images: int) -> list[int]:
    """The seeds of several pictures of one prompt: seed, seed + 1, ... Each can be made again alone, by its own seed."""
    return [seed + i for i in range(num_images)]


def noise(shape: Sequence[int], seeds: Sequence[int]) -> tuple[Tensor, list[torch.Generator]]:
    """Pure noise by seed: a seed is a picture, alone or in any batch.

    Args: shape: (C, H, W). seeds: one a picture.
    Returns: (B, C, H, W) standard normal, and the generators that go on from there, one a picture.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.cat([torch.randn(1, *shape, generator=g) for g in generators]), generators


def noise_of(about: dict, x0: Tensor) -> Tensor:
    """The seed's noise, the shape of x0 (1, C, H, W)."""
    eps, _ = noise(x0.shape[1:], [about["seed"]])
    return eps


def under_guidance(cond: Callable[[], Denoiser], uncond: Callable[[], Denoiser], guidance_scale: float | Tensor) -> Denoiser:
    """The one policy: at scale 0 only the unconditional answer is asked for, at 1 only the conditional, else both.

    Args: cond, uncond: () -> Denoiser, called only where they are needed. guidance_scale: for all, or one a picture.
    """
    if not isinstance(guidance_scale, Tensor) and guidance_scale in (0, 1):
        return cond() if guidance_scale else uncond()
    return guided(cond(), uncond(), guidance_scale)


def denoiser_of(
    model: Model, prompt: str | list[str], guidance_scale: float | Tensor = 1.0, nothing: Denoiser | None = None
) -> Denoiser:
    """The model's denoiser for a prompt (or one a picture) under guidance; unconditional without a prompt.

    nothing: the denoiser without a prompt, where several prompts are to share it.
    """
    if not any([prompt] if isinstance(prompt, str) else prompt):
        return nothing or model.denoiser("")
    return under_guidance(lambda: model.denoiser(prompt), lambda: nothing or model.denoiser(""), guidance_scale)


def from_noise(
    model: Model,
    prompt: str | list[str],
    seeds: Sequence[int],
    *,
    guidance_scale: float = 7.0,
    timesteps: Sequence[int] | None = None,
    eta: float = 1.0,
    clip_x0: bool = True,
) -> Iterator[Step]:
    """Pictures from pure noise, one a seed, as one batch.

    Args: prompt: for all, or one a picture. timesteps: the model's own strided list if not given.
    """
    xt, generators = noise(model.shape, seeds)
    denoiser = denoiser_of(model, prompt, guidance_scale)
    timesteps = timesteps or model.schedule.timesteps(model.stride)
    yield from sample(denoiser, model.schedule, xt, timesteps, eta=eta, clip_x0=clip_x0, generator=generators)


def drawn(model: Model, prompts: Sequence[str], *, seed: int = SEED, batch: int = 30, **how) -> Tensor:
    """One picture a prompt for a measure, at the model's own guidance unless said: (B, C, H, W) in [-1, 1].

    Picture i has the seed seed + i, so that pictures of one prompt differ. how: see from_noise().
    """
    made, how = [], {"guidance_scale": model.guidance_scale, **how}
    for i in range(0, len(prompts), batch):
        part = list(prompts[i : i + batch])
        *_, last = from_noise(model, part, seeds_of(seed + i, len(part)), **how)
        made.append(last.x_prev)
    return torch.cat(made).clamp(-1, 1)
