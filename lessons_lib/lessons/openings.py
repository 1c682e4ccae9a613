"""Compute what the pages open with: `python -m lessons_lib.lessons.openings [MODEL ...] [--only LESSON ...]`.

Every entry is the lesson's own walk at its defaults, kept as a small file in cache/openings with the day it was made. Run it
again whenever the weights change.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from lessons_lib.film import CHANNELS, Film, keep, opening_path
from lessons_lib.lessons import walks
from lessons_lib.lessons.pairs import ANAGRAMS, HYBRIDS, best_pair, candidates
from lessons_lib.models.model import Model
from lessons_lib.models.names import available
from lessons_lib.models.opening import open_model
from lessons_lib.sources import clean_picture
from lessons_lib.views import VIEWS


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
    return _prompts_in(model, 20)


def many_steps(model: Model) -> tuple[dict, Iterator]:
    return _prompts_in(model, 50)


def _prompts_in(model: Model, num_inference_steps: int) -> tuple[dict, Iterator]:
    """The first three prompts at the model's own guidance, in so many steps."""
    prompts, scale = list(model.prompts[:3]), model.guidance_scale
    about = {"model": model.title, "prompts": ", ".join(prompts), "seed": 180, "guidance_scale": scale, "eta": 1.0}
    about["num_inference_steps"] = num_inference_steps
    timesteps = model.schedule.spaced_timesteps(num_inference_steps)
    return about, walks.from_noise(model, prompts, num_images=3, guidance_scale=scale, timesteps=timesteps)


def five_free(model: Model) -> tuple[dict, Iterator]:
    return _five(model, 1.0)


def five_guided(model: Model) -> tuple[dict, Iterator]:
    return _five(model, model.guidance_scale)


def _five(model: Model, guidance_scale: float) -> tuple[dict, Iterator]:
    """Five pictures of the first prompt."""
    prompt = model.prompts[0]
    about = {"model": model.title, "prompt": prompt, "seed": 180, "guidance_scale": guidance_scale, "eta": 1.0}
    return about, walks.from_noise(model, prompt, guidance_scale=guidance_scale)


def second_stage(model: Model) -> tuple[dict, Iterator] | None:
    """What few_steps made, enlarged; None for a model of one stage."""
    upscaler = model.upscaler()
    if upscaler is None:
        return None
    about, walk = few_steps(model)
    *_, last = walk
    about = {"model": model.title, "prompts": about["prompts"], "seed": 180, "noise_level": 100}
    return about, walks.upscale(upscaler, last.x_prev.clamp(-1, 1), list(model.prompts[:3]))


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


def anagram_prompts(model: Model) -> tuple[str, str, str]:
    """(prompt, turned_prompt, view) that the page opens with: what the kept opening shows, else the first pair."""
    film = Film.load(opening_path("anagrams", model.name))
    if film is None:
        return *candidates(ANAGRAMS, model)[0], "turn 180"
    return film.about["prompt"], film.about["turned_prompt"], film.about["view"]


def hybrid_prompts(model: Model) -> tuple[str, str]:
    """(far_prompt, near_prompt) that the page opens with."""
    film = Film.load(opening_path("hybrids", model.name))
    return (film.about["far_prompt"], film.about["near_prompt"]) if film else candidates(HYBRIDS, model)[0]


def anagrams(model: Model) -> tuple[dict, Iterator]:
    """Six pictures of the pair that the judge reads best both ways."""
    view, scale = VIEWS["turn 180"], model.guidance_scale
    walk = partial(walks.anagrams, model, view=view, guidance_scale=scale)
    prompt, turned = best_pair(model, candidates(ANAGRAMS, model), walk, lambda x: (x, view.there(x)))
    about = {"model": model.title, "prompt": prompt, "turned_prompt": turned, "view": view.name, "seed": 180}
    return about | {"guidance_scale": scale, "num_images": 6}, walk(prompt, turned, num_images=6)


def gaussian_of_page(model: Model) -> tuple[int, float]:
    """The hybrid page's defaults: the course's, scaled, as far as its controls reach."""
    kernel_size, sigma = walks.gaussian_for(model.shape[1])
    return min(kernel_size, 33), round(sigma, 1)


def hybrids(model: Model) -> tuple[dict, Iterator]:
    """Six pictures of the pair that the judge reads best from afar and from near."""
    (kernel_size, sigma), scale = gaussian_of_page(model), model.guidance_scale
    walk = partial(walks.hybrids, model, kernel_size=kernel_size, sigma=sigma, guidance_scale=scale)
    far, near = best_pair(model, candidates(HYBRIDS, model), walk, lambda x: (walks.from_afar(x, sigma), x))
    about = {"model": model.title, "far_prompt": far, "near_prompt": near, "kernel_size": kernel_size, "sigma": sigma}
    return about | {"seed": 180, "guidance_scale": scale, "num_images": 6}, walk(far, near, num_images=6)


def blends(model: Model) -> tuple[dict, Iterator]:
    a, b = model.prompts[:2]
    about = {"model": model.title, "from_prompt": a, "to_prompt": b, "first_share": 0.0, "last_share": 1.0, "seed": 180}
    about["guidance_scale"] = model.guidance_scale
    return about, walks.blends(model, a, b, walks.shares(0.0, 1.0), guidance_scale=model.guidance_scale)


def logo(model: Model) -> tuple[dict, Iterator]:
    """Four pictures of the hybrid page's pair: keep the openings in order, hybrids first."""
    (far, near), (kernel_size, sigma), scale = hybrid_prompts(model), gaussian_of_page(model), model.guidance_scale
    about = {"model": model.title, "logo_far": far, "logo_near": near, "seed": 180, "guidance_scale": scale}
    about |= {"kernel_size": kernel_size, "sigma": sigma}
    return about, walks.hybrids(model, far, near, kernel_size=kernel_size, sigma=sigma, num_images=4, guidance_scale=scale)


def keep_bugs() -> None:
    """The Bug lab's cases, right and wrong, at the page's defaults."""
    from lessons_lib.lessons.bugs import BUGS, Pieces, student_walk
    from lessons_lib.models.digits import condition_of, open_network

    unet, settings = open_network("class_conditioned")
    digits = [0, 2, 3, 5, 8]
    x_orig = torch.cat([clean_picture("digit", f"{d}a", (1, 28, 28)) for d in digits])
    right: dict[str, Film] = {}
    for bug in BUGS:
        for which, pieces in (("right", Pieces()), ("wrong", bug.pieces)):
            film = Film({"walk": "right" if which == "right" else "with the bug", "digits": "0 2 3 5 8", "seed": 180})
            if which == "right" and bug.task in right:
                film = right[bug.task]
            else:
                walk = student_walk(
                    unet, settings.schedule, pieces, bug.task, condition_of(digits), x_orig, walks.preset_mask("top half", 28)
                )
                for _ in film.record_all(walk):
                    pass
            if which == "right":
                right[bug.task] = film
            film.save(opening_path(f"bugs-{bug.name}-{which}", "mnist"), frames=5, channels=("xt",))


LESSONS: dict[str, Callable[[Model], tuple | None]] = {
    "hero": hero,
    "denoise": denoise,
    "sampling": few_steps,
    "sampling50": many_steps,
    "sampling_free": five_free,
    "sampling_guided": five_guided,
    "sampling_stage2": second_stage,
    "sdedit": image_to_image,
    "inpainting": inpainting,
    "anagrams": anagrams,
    "hybrids": hybrids,
    "prompts": blends,
    "logo": logo,
}
"""opening's name -> what made it, its walk and, where there is one, the clean picture x0. The
page's `about` has the same keys, so it can say what was changed."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.lessons.openings", description=__doc__)
    parser.add_argument("models", nargs="*", help="default: all that ship")
    parser.add_argument("--only", nargs="*", choices=list(LESSONS))
    parser.add_argument("--bugs", action="store_true", help="the Bug lab's cases, and nothing else")
    args = parser.parse_args()
    if args.bugs:
        return keep_bugs()
    for name in args.models or available():
        model = open_model(name)
        for lesson in args.only or LESSONS:
            opening = LESSONS[lesson](model)
            if opening is None:  # the model cannot do this
                continue
            about, walk, *x0 = opening
            film = Film(about, x0=x0[0][0].numpy() if x0 else None)
            for _ in film.record_all(walk):
                pass
            path = opening_path(lesson, name)
            size = keep(film, path, channels=("xt",) if lesson == "hero" else CHANNELS)
            print(f"{path.name}: {film.total} steps, {film.seconds:.1f} s, {size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
