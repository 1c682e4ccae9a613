"""Model: what a lesson may ask of a network. Which network answers, a lesson never asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lessons_lib.denoisers import Denoiser
from lessons_lib.models.judge import Judge, open_judge
from lessons_lib.schedule import Schedule


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
