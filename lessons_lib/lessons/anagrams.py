"""Visual anagrams: one picture that one prompt reads as it is, and another through a view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, denoiser_of, noise, seeds_of, settings
from lessons_lib.lessons._readings import by_quality
from lessons_lib.maths.denoisers import View, anagram
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.maths.views import VIEWS
from lessons_lib.models.model import Model


def about(model: Model, **chosen) -> dict:
    """The settings of the walk: prompt, turned_prompt, view, seed, guidance_scale, num_images."""
    prompt, turned = model.pairs_for("anagrams")[0]
    defaults = {
        "model": model.title,
        "prompt": prompt,
        "turned_prompt": turned,
        "view": "turn 180",
        "seed": SEED,
        "guidance_scale": model.guidance_scale,
        "num_images": 6,
    }
    return settings(defaults, chosen)


def walk(model: Model, about: dict) -> Iterator[Step]:
    """The page's walk."""
    seeds = seeds_of(about["seed"], about["num_images"])
    how = {"guidance_scale": about["guidance_scale"]}
    return seen_twice(model, about["prompt"], about["turned_prompt"], VIEWS[about["view"]], seeds, **how)


def seen_twice(
    model: Model, prompt: str, turned_prompt: str, view: View, seeds: Sequence[int], *, guidance_scale: float = 7.0
) -> Iterator[Step]:
    """Pictures, one a seed, that follow one prompt as they are and the other through the view.

    eps = (eps(xt, prompt) + back(eps(there(xt), turned_prompt))) / 2, each eps guided: four predictions, one batch a step.
    """
    xt, generators = noise(model.shape, seeds)
    both = (denoiser_of(model, p, guidance_scale) for p in (prompt, turned_prompt))
    yield from sample(anagram(*both, view), model.schedule, xt, model.schedule.timesteps(model.stride), generator=generators)


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with."""
    made = about(model)
    yield Opening("anagrams", made, lambda: walk(model, made))


def measure(model: Model, num_images: int = 6) -> Iterator[dict]:
    """How well the judge reads each of the page's pairs both ways. Rows: see _readings.by_quality."""
    view = VIEWS["turn 180"]

    def of_pair(pair: tuple[str, str]) -> Iterator[Step]:
        return walk(model, about(model, prompt=pair[0], turned_prompt=pair[1], num_images=num_images))

    yield from by_quality(model, model.pairs_for("anagrams"), of_pair, lambda x: (x, view.there(x)))


MEASURES = {"anagrams": measure}


def card() -> kept.Card:
    """A six that is a nine: the pair that every eye reads both ways."""
    film = kept.film("anagrams", "mnist")
    turned = film.final[0][:, ::-1, ::-1]
    alt = f"one picture as it is, {film.about['prompt']}, and turned, {film.about['turned_prompt']}"
    return kept.Card(alt, [film.final[0], turned])
