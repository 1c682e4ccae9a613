"""The average digit: why a guess that must please all digits is a blur."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.lessons._common import Opening, settings
from lessons_lib.lessons._digits import some_digits, still
from lessons_lib.maths import metrics
from lessons_lib.models.model import Model

MODELS = ("mnist",)
SHOWN = (1, 2, 5, 10, 50)


def about(**chosen) -> dict:
    """The settings in view: n, how many test digits are averaged."""
    return settings({"n": 10}, chosen)


def average(n: int) -> Tensor:
    """The mean of n test digits, spread over all classes: (1, 1, 28, 28) in [0, 1]. Raises ValueError outside 1 .. 100."""
    if not 1 <= n <= 100:
        raise ValueError(f"n must be between 1 and 100, got {n}")
    x, _ = some_digits(100)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(180))
    return ((x[order[:n]] + 1) / 2).mean(0, keepdim=True)


def openings(model: Model) -> Iterator[Opening]:
    """Averages of ever more digits."""
    chosen = about()
    yield Opening("average", chosen, film=still(chosen, torch.cat([average(n) for n in SHOWN])))


def over_n(num_images: int = 100) -> Iterator[dict]:
    """How good a guess the average of n digits is for any other digit. Rows: n, mse (pixels in [0, 1]), sharpness."""
    x = (some_digits(num_images)[0] + 1) / 2
    for n in SHOWN:
        guess = average(n)
        yield {"n": n, "mse": metrics.mse(guess.expand_as(x), x).mean().item(), "sharpness": metrics.sharpness(guess).item()}


MEASURES = {"average": over_n}


def card() -> kept.Card:
    """One digit, five, fifty."""
    film = kept.film("average", "mnist")
    return kept.Card("one digit, the mean of five, and of fifty", [film.final[i] for i in (0, 2, 4)])
