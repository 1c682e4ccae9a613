"""The models the lessons run on, by name. A lesson knows only what a Model offers; which network answers, it never asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lessons_lib.denoisers import Denoiser
from lessons_lib.judge import Judge, open_judge
from lessons_lib.schedule import Schedule

CACHE = Path(__file__).resolve().parents[1] / "cache"


@dataclass(frozen=True, eq=False)
class Model:
    """An opened model.

    name: as in links. title: for people. shape: (C, H, W) of its pictures. about: what stands beside a picture it made.
    prompts: what it is asked for in the lessons, the first is the default; digits are "0" .. "9".
    denoiser: a prompt ("" for none), or one per picture, -> Denoiser. Raises LessonsError for a prompt it cannot take.
    warm: () -> opens what is not open yet; asking the denoiser does so too. upscaler: () -> text_to_image's Upscaler, opened when first asked for, or None: the second stage.
    class_of: the judge's class of a prompt, None if it has none. stride, guidance_scale: what suits it.
    """

    name: str
    title: str
    about: str
    schedule: Schedule
    shape: tuple[int, int, int]
    prompts: tuple[str, ...]
    denoiser: Callable[[str | list[str]], Denoiser]
    class_of: Callable[[str], int | None]
    judge_name: str | None
    stride: int
    guidance_scale: float
    upscaler: Callable = lambda: None
    warm: Callable = lambda: None

    @property
    def judge(self) -> Judge | None:
        return open_judge(self.judge_name) if self.judge_name else None


TITLES = {
    "mnist": "MNIST digits",
    "emoji": "small text-to-image",
    "IF-I-M": "DeepFloyd IF, medium",
    "IF-I-L": "DeepFloyd IF, large",
    "IF-I-XL": "DeepFloyd IF, extra large",
}


def available() -> list[str]:
    """The names that open on this machine, without opening any: the shipped ones, and DeepFloyd where it was fetched."""
    names = ["mnist"]
    if (CACHE / "text_to_image" / "stage1" / "model_index.json").exists():
        names.insert(0, "emoji")
    from lessons_lib.text_to_image.deepfloyd import fetched

    return names + [n for n in TITLES if n.startswith("IF-") and fetched(n)]


_opening = threading.Lock()  # the background warm-up and a hasty Run must not both load it


def open_model(name: str) -> Model:
    """Open a model once for the whole process. Raises LessonsError if it is unknown or cannot be opened."""
    with _opening:
        return _open(name)


@cache
def _open(name: str) -> Model:
    if name == "mnist":
        from lessons_lib.mnist.model import open_digits

        return open_digits()
    from lessons_lib.text_to_image.model import open_text_to_image

    return open_text_to_image(name)
