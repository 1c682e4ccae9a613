"""Compute what the pages open with: `python -m lessons_lib.openings [MODEL ...] [--only LESSON ...]`.

Every entry is the lesson's own walk at its defaults, kept as a small file in cache/openings with the day it was made. Run it
again whenever the weights change.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lessons_lib import walks
from lessons_lib.film import Film, opening_path
from lessons_lib.measures import GUIDANCE_SCALES
from lessons_lib.models import Model, available, open_model
from lessons_lib.sources import clean_picture


def guidance(model: Model) -> tuple[dict, Iterator]:
    prompt = model.prompts[0]
    about = {"model": model.title, "prompt": prompt, "seed": 180, "clip_x0": True}
    return about, walks.over_guidance_scales(model, prompt, GUIDANCE_SCALES)


def hero(model: Model) -> tuple[dict, Iterator]:
    """The contents page: a dozen prompts at once, each picture its own."""
    prompts = [model.prompts[i % len(model.prompts)] for i in range(12)]
    about = {"model": model.title, "prompt": ", ".join(prompts), "seed": 180, "guidance_scale": model.guidance_scale}
    return about, walks.from_noise(model, prompts, num_images=12, guidance_scale=model.guidance_scale)


def denoise(model: Model) -> tuple[dict, Iterator, Tensor]:
    """The first picture of the page's picker, noised to about 0.69 T and walked back."""
    kind, name = first_source(model)
    x0 = clean_picture(kind, name, model.shape)
    timesteps = model.schedule.timesteps(model.stride)
    i_start = min(range(len(timesteps)), key=lambda i: abs(timesteps[i] - 0.69 * model.schedule.T))
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(180))
    xt = model.schedule.add_noise(x0, timesteps[i_start], eps)
    about = {"model": model.title, "picture": f"{kind} {name}", "t": timesteps[i_start], "stride": model.stride, "seed": 180}
    return about, walks.denoise_from(model, xt, timesteps[i_start:]), x0


def few_steps(model: Model) -> tuple[dict, Iterator]:
    return _samples(model, 20)


def many_steps(model: Model) -> tuple[dict, Iterator]:
    return _samples(model, 50)


def _samples(model: Model, num_inference_steps: int) -> tuple[dict, Iterator]:
    """Five pictures of the first prompt at the model's own guidance, in so many steps."""
    prompt, scale = model.prompts[0], model.guidance_scale
    about = {
        "model": model.title,
        "prompt": prompt,
        "seed": 180,
        "guidance_scale": scale,
        "num_inference_steps": num_inference_steps,
    }
    timesteps = model.schedule.spaced_timesteps(num_inference_steps)
    return about, walks.from_noise(model, prompt, guidance_scale=scale, timesteps=timesteps)


def i_starts_of(model: Model) -> list[int]:
    """The course's 1, 3, 5, 7, 10, 20 of 34 timesteps, scaled to the model's own list."""
    n = len(model.schedule.timesteps(model.stride))
    return [max(1, min(n - 2, round(i * n / 34))) for i in (1, 3, 5, 7, 10, 20)]


def first_source(model: Model) -> tuple[str, str]:
    """The picture that the pages' picker begins with: (kind, name)."""
    return ("digit", "3a") if model.shape[0] == 1 else ("emoji", "dog")


def image_to_image(model: Model) -> tuple[dict, Iterator, Tensor]:
    kind, name = first_source(model)
    x0 = clean_picture(kind, name, model.shape)
    scale = model.guidance_scale
    about = {"model": model.title, "picture": f"{kind} {name}", "prompt": "", "seed": 180, "guidance_scale": scale}
    return about, walks.image_to_image(model, x0, "", i_starts_of(model), guidance_scale=scale), x0


def inpainting(model: Model) -> tuple[dict, Iterator, Tensor]:
    kind, name = first_source(model)
    x0 = clean_picture(kind, name, model.shape)
    prompt, scale = model.prompts[0], model.guidance_scale
    about = {
        "model": model.title,
        "picture": f"{kind} {name}",
        "mask": "top half",
        "prompt": prompt,
        "seed": 180,
        "guidance_scale": scale,
    }
    return about, walks.inpainting(model, x0, walks.preset_mask("top half", model.shape[1]), prompt, guidance_scale=scale), x0


LESSONS: dict[str, Callable[[Model], tuple]] = {
    "hero": hero,
    "denoise": denoise,
    "sampling": few_steps,
    "sampling50": many_steps,
    "guidance": guidance,
    "sdedit": image_to_image,
    "inpainting": inpainting,
}
"""opening's name -> what made it, its walk and, where there is one, the clean picture x0. The
page's `about` has the same keys, so it can say what was changed."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.openings", description=__doc__)
    parser.add_argument("models", nargs="*", help="default: all that ship")
    parser.add_argument("--only", nargs="*", choices=list(LESSONS))
    args = parser.parse_args()
    for name in args.models or available():
        model = open_model(name)
        for lesson in args.only or LESSONS:
            about, walk, *x0 = LESSONS[lesson](model)
            film = Film(about, x0=x0[0][0].numpy() if x0 else None)
            for _ in film.record_all(walk):
                pass
            path = opening_path(lesson, name)
            film.save(path, channels=("xt",)) if lesson == "hero" else film.save(path)
            print(f"{path.name}: {film.total} steps, {film.seconds:.1f} s, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
