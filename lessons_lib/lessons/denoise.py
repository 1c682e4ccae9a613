"""Three ways to denoise: Gaussian blur, one step and many steps, from the same noisy picture."""

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
    noise_of,
    picture_of,
    prompt_of,
    seeds_of,
    settings,
    some_pictures,
)
from lessons_lib.maths import metrics
from lessons_lib.maths.images import blur
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.models.model import Model

COURSE = (250, 500, 750)
SIGMAS = tuple(i / 10 for i in range(61))  # of the blur, in pixels


def timesteps_of(model: Model, about: dict) -> list[int]:
    """The strided list from about["t"] on."""
    return [t for t in model.schedule.timesteps(about["stride"]) if t <= about["t"]]


def nearest(model: Model, fraction: float, stride: int) -> int:
    """The timestep of the strided list nearest to a fraction of T, never the last one: a walk needs a move."""
    return min(model.schedule.timesteps(stride)[:-1], key=lambda t: abs(t - fraction * model.schedule.T))


def about(model: Model, **chosen) -> dict:
    """The settings of the walk: picture, prompt, t (by default the course's 0.69 T), stride, seed. There is no guidance."""
    picture = chosen.get("picture", " ".join(model.first_picture))
    stride = chosen.get("stride", model.stride)
    defaults = {
        "model": model.title,
        "picture": picture,
        "prompt": prompt_of(model, picture),
        "t": nearest(model, 0.69, stride),
        "stride": stride,
        "seed": SEED,
    }
    return settings(defaults, chosen)


def noisy(model: Model, about: dict, x0: Tensor, t: int | None = None) -> Tensor:
    """x0 (1, C, H, W) noised to about["t"], or to another t, by the seed's noise."""
    return model.schedule.add_noise(x0, about["t"] if t is None else t, noise_of(about, x0))


def walk(model: Model, about: dict, x0: Tensor) -> Iterator[Step]:
    """Iterative denoising of x0 (1, C, H, W) in [-1, 1], noised to about["t"]. Its first x0_hat is the one step."""
    eps, generators = noise(x0.shape[1:], [about["seed"]])
    xt = model.schedule.add_noise(x0, about["t"], eps)
    denoiser = denoiser_of(model, about["prompt"])
    yield from sample(denoiser, model.schedule, xt, timesteps_of(model, about), generator=generators)


def one_step(model: Model, about: dict, x0: Tensor) -> Tensor:
    """The first x0_hat of the walk alone: one call of the network. (1, C, H, W) in [-1, 1]"""
    first, *_ = sample(denoiser_of(model, about["prompt"]), model.schedule, noisy(model, about, x0), [about["t"], CLEAN])
    return first.x0_hat


def about_three(model: Model, **chosen) -> dict:
    """The settings of the course's three timesteps at once: as about(), without t and stride."""
    return {k: v for k, v in about(model, **chosen).items() if k not in ("t", "stride")}


def course_timesteps(model: Model) -> list[int]:
    """The course's 250, 500, 750 of 1000, in proportion for another T."""
    return [round(t * model.schedule.T / 1000) for t in COURSE]


def three(model: Model, about: dict, x0: Tensor) -> Iterator[Step]:
    """One step from each of the course's three timesteps, the noisiest last. Each is a walk of one move, to the clean picture."""
    denoiser = denoiser_of(model, about["prompt"])
    levels = course_timesteps(model)
    for i, t in enumerate(levels):
        (step,) = sample(denoiser, model.schedule, noisy(model, about, x0, t), [t, CLEAN])
        yield Step(i, len(levels), t, CLEAN, step.xt, step.eps, step.x0_hat, step.x_prev)


def blurred(schedule: Schedule, xt: Tensor, t: int, sigma: float) -> Tensor:
    """The blur that is compared: x_t / sqrt(abar_t), which is as bright as x0, blurred and clipped to [-1, 1]."""
    return blur(xt / schedule.alpha_bar(t) ** 0.5, sigma).clamp(-1, 1)


def best_sigma(schedule: Schedule, xt: Tensor, t: int, x0: Tensor, sigmas: Sequence[float] = SIGMAS) -> float:
    """The sigma whose blur comes nearest to the clean pictures in MSE: what blur can do at its best. It looks at the answer."""
    return min(sigmas, key=lambda s: metrics.mse(blurred(schedule, xt, t, s), x0).mean().item())


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with: the walk, whose frames are the course's stills, and the three timesteps at once."""
    one, all_three = about(model), about_three(model)
    x0 = picture_of(model, one["picture"])
    every = range(0, len(timesteps_of(model, one)) - 1, 5 if model.schedule.T == 1000 else 4)  # t = 690, 540, 390, 240, 90
    yield Opening("denoise", one, lambda: walk(model, one, x0), x0=x0, frames=tuple(every))
    yield Opening("denoise_three", all_three, lambda: three(model, all_three, x0), x0=x0)


def measure(model: Model, num_images: int = 16, points: int = 8) -> Iterator[dict]:
    """Blur at its best, one step and many steps from the same noisy pictures, at timesteps from little to much noise.

    Each picture has its own seed and its own prompt, without guidance.

    Rows: t, the best sigma, and for each method its mean mse, psnr, ssim and sharpness against the clean pictures.
    """
    pictures = some_pictures(model, num_images)
    x0 = torch.cat([picture_of(model, p) for p in pictures])
    denoiser = denoiser_of(model, [prompt_of(model, p) for p in pictures])
    timesteps = model.schedule.timesteps(model.stride)
    for k in range(points):
        i = len(timesteps) - 3 - round(k * (len(timesteps) - 5) / max(points - 1, 1))
        t = timesteps[i]
        eps, generators = noise(model.shape, seeds_of(SEED, num_images))
        xt = model.schedule.add_noise(x0, t, eps)
        first, *_, last = sample(denoiser, model.schedule, xt, timesteps[i:], generator=generators)
        sigma = best_sigma(model.schedule, xt, t, x0)
        made = {
            "blur": blurred(model.schedule, xt, t, sigma),
            "one step": first.x0_hat,
            "iterative": last.x_prev.clamp(-1, 1),
        }
        row = {"t": t, "sigma": sigma, "sharpness of the originals": metrics.sharpness(x0).mean().item()}
        for method, x in made.items():
            for name in ("mse", "psnr", "ssim", "sharpness"):
                of = getattr(metrics, name)
                row[f"{method} {name}"] = (of(x) if name == "sharpness" else of(x, x0)).mean().item()
        yield row


MEASURES = {"denoise": measure}


def card() -> kept.Card:
    """A noisy picture, cleaned in one step, and in many."""
    film = kept.film("denoise", "emoji")
    what = film.about["picture"].partition(" ")[2]
    return kept.Card(f"a noisy {what}, cleaned in one step, and in many", [film.xt[0][0], film.x0_hat[0][0], film.final[0]])
