"""The contents page: a dozen pictures emerging from noise."""

from __future__ import annotations

from collections.abc import Iterator

from lessons_lib.lessons._common import SEED, Opening, from_noise, settings
from lessons_lib.maths.samplers import Step
from lessons_lib.models.model import Model

PICTURES = 12


def about(model: Model, **chosen) -> dict:
    """The settings of the walk: prompts, joined by commas; seed, guidance_scale."""
    prompts = [model.prompts[i % len(model.prompts)] for i in range(PICTURES)]
    defaults = {"model": model.title, "prompts": ", ".join(prompts), "seed": SEED, "guidance_scale": model.guidance_scale}
    return settings(defaults, chosen)


def walk(model: Model, about: dict) -> Iterator[Step]:
    """A picture a prompt, all of one seed, as every row of several prompts."""
    prompts = about["prompts"].split(", ")
    yield from from_noise(model, prompts, [about["seed"]] * len(prompts), guidance_scale=about["guidance_scale"])


def openings(model: Model) -> Iterator[Opening]:
    """What moves on the contents page."""
    made = about(model)
    yield Opening("hero", made, lambda: walk(model, made), channels=("xt",))
