"""From noise to image: three prompts through both stages at 20 and 50 steps, and five pictures of one prompt."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, denoiser_of, drawn, from_noise, noise, seeds_of, settings
from lessons_lib.maths import metrics
from lessons_lib.maths.images import from_uint8
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.models.model import Model
from lessons_lib.models.upscaler import Upscaler

STEPS = (20, 50)
MEASURED_STEPS = (50, 20, 10, 5)
UPSCALE_STRIDE = 40  # 24 moves of stage 2, where no number of steps is asked for


def about(model: Model, **chosen) -> dict:
    """The settings of the walk: prompts, joined by commas; seed, guidance_scale, eta, num_inference_steps."""
    defaults = {
        "model": model.title,
        "prompts": ", ".join(model.prompts[:3]),
        "seed": SEED,
        "guidance_scale": model.guidance_scale,
        "eta": 1.0,
        "num_inference_steps": STEPS[0],
    }
    return settings(defaults, chosen)


def prompts_of(about: dict) -> list[str]:
    """The prompts of one row."""
    return about["prompts"].split(", ")


def walk(model: Model, about: dict) -> Iterator[Step]:
    """A picture of each prompt. They share the seed, so that only the prompt differs within the row."""
    prompts = prompts_of(about)
    yield from from_noise(
        model,
        prompts,
        [about["seed"]] * len(prompts),
        guidance_scale=about["guidance_scale"],
        eta=about["eta"],
        timesteps=model.schedule.spaced_timesteps(about["num_inference_steps"]),
    )


def about_five(model: Model, **chosen) -> dict:
    """The settings of five pictures of one prompt, by the course's strided walk; without guidance unless chosen."""
    defaults = {"model": model.title, "prompt": model.prompts[0], "seed": SEED, "guidance_scale": 1.0, "eta": 1.0}
    return settings(defaults, chosen)


def walk_five(model: Model, about: dict) -> Iterator[Step]:
    """Five pictures, of seed, seed + 1, ..."""
    how = {"guidance_scale": about["guidance_scale"], "eta": about["eta"]}
    return from_noise(model, about["prompt"], seeds_of(about["seed"], 5), **how)


def about_large(model: Model, **chosen) -> dict:
    """The settings of stage 2: prompts, seed, noise_level in timesteps, num_inference_steps."""
    defaults = {
        "model": model.title,
        "prompts": ", ".join(model.prompts[:3]),
        "seed": SEED,
        "noise_level": 100,
        "num_inference_steps": STEPS[0],
    }
    return settings(defaults, chosen)


def walk_large(upscaler: Upscaler, about: dict, small: Tensor) -> Iterator[Step]:
    """Stage 2 of what walk() made, (B, 3, h, w) in [-1, 1]; each picture has the seed that it was made by."""
    prompts = prompts_of(about)
    return upscale(
        upscaler,
        small,
        prompts,
        [about["seed"]] * len(prompts),
        noise_level=about["noise_level"],
        timesteps=upscaler.schedule.spaced_timesteps(about["num_inference_steps"]),
    )


def upscale(
    upscaler: Upscaler,
    image: Tensor,
    prompt: str | list[str],
    seeds: Sequence[int],
    *,
    noise_level: int = 100,
    timesteps: Sequence[int] | None = None,
) -> Iterator[Step]:
    """Stage 2: (B, 3, h, w) in [-1, 1] made larger by the upscaler's own walk, under one prompt or one each, one seed a picture.

    Args: timesteps: 24 moves if not given.
    Source: Ho et al. 2021, "Cascaded Diffusion Models", arXiv:2106.15282.
    """
    xt, generators = noise(upscaler.shape, seeds)
    denoiser = upscaler.denoiser(image, prompt, noise_level, generators)
    timesteps = timesteps or upscaler.schedule.timesteps(UPSCALE_STRIDE)
    yield from sample(denoiser, upscaler.schedule, xt, timesteps, generator=generators)


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with."""
    upscaler = model.upscaler()
    for steps, name in zip(STEPS, ("", "50"), strict=True):
        rows = about(model, num_inference_steps=steps)
        first = Opening(f"sampling{name}", rows, partial(walk, model, rows))
        film = first.filmed()
        yield Opening(first.name, rows, film=film)
        if upscaler is not None:
            large, small = about_large(model, num_inference_steps=steps), from_uint8(torch.from_numpy(film.final))
            yield Opening(f"sampling_stage2{name}", large, partial(walk_large, upscaler, large, small))
    for scale, name in ((1.0, "free"), (model.guidance_scale, "guided")):
        five = about_five(model, guidance_scale=scale)
        yield Opening(f"sampling_{name}", five, partial(walk_five, model, five))


def measure(model: Model, num_images: int = 30, step_counts: Sequence[int] = MEASURED_STEPS) -> Iterator[dict]:
    """What the number of steps changes, and what the seed does.

    Rows: num_inference_steps; accuracy, top5 and seconds (a picture) at eta = 1; and three mean RMS distances to the picture that
    the largest number of steps makes of a seed: of the same seed at eta = 1 and at eta = 0, and of another seed at eta = 1.
    """
    prompts = model.prompts[:10]
    each = max(2, num_images // len(prompts))
    asked = [p for p in prompts for _ in range(each)]
    labels = torch.tensor([model.class_of(p) for p in asked])
    finest: dict[float, Tensor] = {}
    for steps in step_counts:
        made, seconds = {}, {}
        for eta in (1.0, 0.0):
            started = time.perf_counter()
            made[eta] = drawn(model, asked, eta=eta, timesteps=model.schedule.spaced_timesteps(steps))
            seconds[eta] = (time.perf_counter() - started) / len(asked)
            finest.setdefault(eta, made[eta])
        ranks = model.judge.rank(made[1.0], labels)
        neighbour = torch.cat([x.roll(1, 0) for x in finest[1.0].split(each)])  # of the same prompt, of another seed
        yield {
            "num_inference_steps": steps,
            "accuracy": (ranks == 0).float().mean().item(),
            "top5": (ranks < 5).float().mean().item(),
            "seconds": seconds[1.0],
            "same seed, eta 1": rms(made[1.0], finest[1.0]),
            "same seed, eta 0": rms(made[0.0], finest[0.0]),
            "another seed": rms(made[1.0], neighbour),
        }


def rms(x: Tensor, y: Tensor) -> float:
    """Mean RMS distance of pictures in [-1, 1]."""
    return metrics.mse(x, y).sqrt().mean().item()


def who_decides(model: Model, num_images: int = 10, steps: int = 20) -> Iterator[dict]:
    """Which noise decides a picture, the first or that on the way: each is drawn anew while the other is kept.

    Rows: eta, and the mean RMS distance of two pictures of one prompt that share only "the noise on the way" or only "the first
    noise", or "neither".
    """
    prompts = list(model.prompts[: min(num_images, 10)])
    timesteps = model.schedule.spaced_timesteps(steps)

    def made(first: int, way: int, eta: float) -> Tensor:
        xt, _ = noise(model.shape, [first] * len(prompts))
        on_the_way = [torch.Generator().manual_seed(10_000 + way) for _ in prompts]
        denoiser = denoiser_of(model, prompts, model.guidance_scale)
        *_, last = sample(denoiser, model.schedule, xt, timesteps, eta=eta, generator=on_the_way)
        return last.x_prev.clamp(-1, 1)

    for eta in (1.0, 0.0):
        this = made(SEED, SEED, eta)
        yield {
            "eta": eta,
            "the noise on the way": rms(this, made(SEED + 1, SEED, eta)),
            "the first noise": rms(this, made(SEED, SEED + 1, eta)),
            "neither": rms(this, made(SEED + 1, SEED + 1, eta)),
        }


MEASURES = {"sampling": measure, "sampling_noise": who_decides}


def card() -> kept.Card:
    """Noise, half way, and a picture."""
    film = kept.film("sampling_guided", "emoji")
    tiles = [film.xt[0][0], film.xt[len(film) // 2][0], film.final[0]]
    return kept.Card(f"noise, half way, and {film.about['prompt']}", tiles)
