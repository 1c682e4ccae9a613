"""What is a diffusion model: a few pictures walked out of noise, every step kept, and what training asks, a few times over."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from lessons_lib.files import kept
from lessons_lib.lessons._common import (
    SEED,
    Opening,
    denoiser_of,
    from_noise,
    noise,
    picture_of,
    prompt_of,
    seeds_of,
    settings,
    some_pictures,
)
from lessons_lib.maths.samplers import Step
from lessons_lib.models.model import Model

PROMPTS, NOISES, STEPS, QUESTIONS = (0, 3), 2, 12, 6  # which of the model's prompts; how many


def about(model: Model, **chosen) -> dict:
    """The settings of the walk: prompts, joined by commas; the first seed; how many steps."""
    defaults = {
        "model": model.title,
        "prompts": ", ".join(model.prompts[i] for i in PROMPTS),
        "seed": SEED,
        "guidance_scale": model.guidance_scale,
        "num_inference_steps": STEPS,
    }
    return settings(defaults, chosen)


def walk(model: Model, about: dict) -> Iterator[Step]:
    """Every prompt from every noise, as one batch: first all prompts from the first noise."""
    prompts, seeds = about["prompts"].split(", "), seeds_of(about["seed"], NOISES)
    timesteps = model.schedule.spaced_timesteps(about["num_inference_steps"])
    each = [seed for seed in seeds for _ in prompts]
    yield from from_noise(model, prompts * NOISES, each, guidance_scale=about["guidance_scale"], timesteps=timesteps)


def about_training(model: Model, **chosen) -> dict:
    """The settings of what training asks: the pictures, joined by commas, and the first seed."""
    return settings({"model": model.title, "pictures": ", ".join(some_pictures(model, QUESTIONS)), "seed": SEED}, chosen)


def training(model: Model, about: dict) -> Iterator[Step]:
    """What training asks, of a network that has been trained: a real picture, noised; which noise was it?

    A Step a picture, at ever less noise. Its xt are the noised picture and the picture; its eps the network's answer and the noise
    that really was added; its x0_hat the clean guess and the picture.
    """
    pictures = about["pictures"].split(", ")
    for i, name in enumerate(pictures):
        x0, t = picture_of(model, name), round(model.schedule.T * (0.8 - 0.7 * i / len(pictures)))
        eps, _ = noise(model.shape, [about["seed"] + i])
        xt = model.schedule.add_noise(x0, t, eps)
        with torch.no_grad():
            guess = denoiser_of(model, prompt_of(model, name))(xt, t).eps
        x0_hat = model.schedule.predict_x0(xt, t, guess).clamp(-1, 1)
        noisy, answers = torch.cat([xt, x0]), torch.cat([guess, eps])
        yield Step(i, len(pictures), t, t, noisy, answers, torch.cat([x0_hat, x0]), noisy)


def openings(model: Model) -> Iterator[Opening]:
    """The walk with all of its steps, and what training asks."""
    one, two = about(model), about_training(model)
    yield Opening("what", one, lambda: walk(model, one), frames=STEPS, channels=("xt", "eps"))
    yield Opening("what_training", two, lambda: training(model, two), frames=QUESTIONS, channels=("xt", "eps"))


def card() -> kept.Card:
    """Noise, half way, and a picture."""
    film = kept.film("what", "emoji")
    what, other = film.about["prompts"].split(", ")
    tiles = [film.frames()[i][k] for k, i in ((0, 0), (0, 3), (0, -1), (1, -1))]
    return kept.Card(f"noise, a quarter of the way to {what}, {what}; and {other} from the same noise", tiles)
