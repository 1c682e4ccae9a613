"""Classifier-free guidance: one noise at several scales, and five pictures at one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean

import torch

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, denoiser_of, drawn, from_noise, noise, seeds_of, settings
from lessons_lib.maths import metrics
from lessons_lib.maths.denoisers import ask, guided, within
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.models.model import Model

SCALES = (0.0, 1.0, 3.0, 5.0, 7.0, 15.0)  # unconditional, conditional, the small model's best, ..., far too much
MEASURED_SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0)


def about(model: Model, **chosen) -> dict:
    """The settings of the walk over all scales: prompt, seed, clip_x0."""
    return settings({"model": model.title, "prompt": model.prompts[0], "seed": SEED, "clip_x0": True}, chosen)


def about_five(model: Model, **chosen) -> dict:
    """The settings of five pictures at one scale; the course's 7 at all timesteps unless chosen.

    guide_from, guide_to: the timesteps, from much noise to little, between which guidance is on.
    """
    own = {"guidance_scale": 7.0, "guide_from": model.schedule.T - 1, "guide_to": 0}
    own |= {k: chosen.pop(k) for k in tuple(own) if k in chosen}
    return {**about(model, **chosen), **own}


def over_scales(
    model: Model, prompt: str, seed: int, scales: Sequence[float] = SCALES, *, clip_x0: bool = True
) -> Iterator[Step]:
    """The same noise walked at every guidance scale at once, one picture each; eta = 0, so that only the scale differs.

    eps = eps_uncond + gamma * (eps_cond - eps_uncond)       (Ho & Salimans 2022, eq. 6, with w = gamma - 1)
    """
    xt, _ = noise(model.shape, [seed])
    gammas = torch.tensor(scales, dtype=torch.float32).view(-1, 1, 1, 1)
    denoiser = guided(model.denoiser(prompt), model.denoiser(""), gammas)
    timesteps = model.schedule.timesteps(model.stride)
    yield from sample(denoiser, model.schedule, xt.repeat(len(scales), 1, 1, 1), timesteps, eta=0.0, clip_x0=clip_x0)


def walk(model: Model, about: dict) -> Iterator[Step]:
    """The page's walk over all scales."""
    return over_scales(model, about["prompt"], about["seed"], clip_x0=about["clip_x0"])


def walk_five(model: Model, about: dict) -> Iterator[Step]:
    """Five pictures of seed, seed + 1, ... at one scale, guided between two timesteps."""
    prompt, scale = about["prompt"], about["guidance_scale"]
    denoiser = within(denoiser_of(model, prompt, scale), denoiser_of(model, prompt), about["guide_to"], about["guide_from"])
    xt, generators = noise(model.shape, seeds_of(about["seed"], 5))
    timesteps = model.schedule.timesteps(model.stride)
    yield from sample(denoiser, model.schedule, xt, timesteps, clip_x0=about["clip_x0"], generator=generators)


def stills(model: Model) -> tuple[int, ...]:
    """The steps at which the course shows a walk: every fifth, at t = 990, 840, 690, ... 90."""
    return tuple(range(0, len(model.schedule.timesteps(model.stride)) - 1, 5))


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with."""
    six, five = about(model), about_five(model)
    yield Opening("guidance", six, lambda: walk(model, six))
    yield Opening("guidance_five", five, lambda: walk_five(model, five), frames=stills(model))


def measure(model: Model, num_images: int = 60, guidance_scales: Sequence[float] = MEASURED_SCALES) -> Iterator[dict]:
    """What the judge reads, and how different the pictures of one prompt are, at each guidance scale.

    Rows: guidance_scale; accuracy, the share whose first reading is the prompt; top5; the diversity of the coarse shapes, and of
    what the judge sees (its features), in the pictures of one prompt; their sharpness. Pixels' diversity would grow with clutter.
    """
    prompts = model.prompts[:10]
    each = max(2, num_images // len(prompts))
    asked = [p for p in prompts for _ in range(each)]
    labels = torch.tensor([model.class_of(p) for p in asked])
    for scale in guidance_scales:
        x = drawn(model, asked, guidance_scale=scale)
        ranks = model.judge.rank(x, labels)
        yield {
            "guidance_scale": scale,
            "accuracy": (ranks == 0).float().mean().item(),
            "top5": (ranks < 5).float().mean().item(),
            "diversity of shapes": mean(metrics.diversity(metrics.coarse(part)) for part in x.split(each)),
            "diversity of features": mean(metrics.diversity(model.judge.features(part)) for part in x.split(each)),
            "sharpness": metrics.sharpness(x).mean().item(),
        }


def answers_differ(model: Model, num_images: int = 10) -> Iterator[dict]:
    """How far the answers with and without the prompt are apart along the walk, as noise and as the picture it implies.

    Rows: t; "eps" and "x0_hat", mean RMS distances of the two; |x0_hat difference| = sqrt((1 - abar) / abar) |eps difference|.
    """
    prompts = list(model.prompts[: min(num_images, 10)])
    cond, uncond = model.denoiser(prompts), model.denoiser("")
    for step in from_noise(model, prompts, [SEED] * len(prompts), guidance_scale=model.guidance_scale):
        with torch.no_grad():
            c, u = ask([cond, uncond], [step.xt, step.xt], step.t)
        eps = (c.eps - u.eps).pow(2).mean((1, 2, 3)).sqrt().mean().item()
        clean = [model.schedule.predict_x0(step.xt, step.t, answer.eps).clamp(-1, 1) for answer in (c, u)]
        yield {"t": step.t, "eps": eps, "x0_hat": metrics.mse(*clean).sqrt().mean().item()}


MEASURES = {"guidance": measure, "guidance_answers": answers_differ}
"""name -> model, num_images -> rows; kept for every model that has a judge."""


def card() -> kept.Card:
    """One noise, three scales."""
    film = kept.film("guidance", "emoji")
    return kept.Card("one noise at guidance 0, 3 and 15", [film.final[i] for i in (0, 2, 5)])
