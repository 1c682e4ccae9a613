"""The one-step denoiser: noise a digit, clean it in one pass, and measure how well, at the noise it knows and any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.files.test_digits import shown_digits
from lessons_lib.lessons._common import SEED, Opening, settings
from lessons_lib.lessons._digits import still
from lessons_lib.maths import metrics
from lessons_lib.maths.images import from_unit
from lessons_lib.models.digits import compared, denoise_once, describe, last_epoch, network_at
from lessons_lib.models.model import Model

SIGMAS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
"""The course's noise levels; the network is trained at 0.5 alone."""
MODELS = ("mnist",)
NETWORK = "one_step"


def about(**chosen) -> dict:
    """What is in view: digit, sigma, seed, and which pictures."""
    return settings({"pictures": "", "digit": 7, "sigma": 0.5, "seed": SEED}, chosen)


def noised(x: Tensor, sigma: float, seed: int = 180) -> Tensor:
    """z = x + sigma * eps, eps ~ N(0, I)

    Args: x (B, 1, 28, 28) in [0, 1]; sigma the noise's standard deviation, at least 0; seed draws eps, the same at every sigma.
    Returns: z, shape of x, not clipped. Raises: ValueError for a negative sigma.
    """
    if not sigma >= 0:
        raise ValueError(f"sigma must not be negative, got {sigma}")
    return x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def to_unit(x: np.ndarray) -> Tensor:
    """Digits as they lie on disk, uint8 with 255 for ink, as float in [0, 1]."""
    return torch.from_numpy(x).float() / 255


def at_sigmas(x: Tensor, sigmas: Sequence[float], seed: int = 180) -> Tensor:
    """One digit x (1, 1, 28, 28) under the same noise at every sigma: (len(sigmas), 1, 28, 28)."""
    return torch.cat([noised(x, sigma, seed) for sigma in sigmas])


@dataclass(frozen=True)
class Error:
    """Mean squared error with pixels in [0, 1], and PSNR in dB, both the mean over the pictures."""

    mse: float
    psnr: float

    def __str__(self) -> str:
        return f"MSE {self.mse:.4f}, PSNR {self.psnr:.1f} dB"


def error(estimate: Tensor, x: Tensor) -> Error:
    """How far an estimate is from the clean digits. Two (B, 1, 28, 28) in [0, 1]; the estimate is not clipped."""
    return Error(metrics.mse(estimate, x).mean().item(), metrics.psnr(from_unit(estimate), from_unit(x)).mean().item())


@dataclass(frozen=True, eq=False)
class Look:
    """One digit, noised, cleaned at several moments of the training, and clean. names, errors and pictures go together."""

    names: list[str]
    errors: list[Error]
    pictures: Tensor  # (len(names), 1, 28, 28) in about [0, 1]


def through_training(epochs: Sequence[int], x: Tensor, sigma: float = 0.5, seed: int = 180, *, network: str = NETWORK) -> Look:
    """What a one-step denoiser makes of x (1, 1, 28, 28) in [0, 1] after each of the epochs."""
    z = noised(x, sigma, seed)
    answers = [denoise_once(network_at(network, epoch)[0], z) for epoch in epochs]
    pictures = [z, *answers, x]
    names = [f"z, sigma {sigma:g}", *(describe(epoch) for epoch in epochs), "x, the original"]
    return Look(names, [error(p, x) for p in pictures], torch.cat(pictures))


def openings(model: Model) -> Iterator[Opening]:
    """A 7: noisy, clean, and cleaned after the first and the last epoch."""
    last_epoch("one_step")  # says so if none ships
    look = through_training(compared("one_step"), to_unit(shown_digits().digit(7)))
    order = [0, len(look.names) - 1, *range(1, len(look.names) - 1)]  # the answer last: it is what the card shows
    chosen = about(pictures=", ".join(look.names[i] for i in order))
    yield Opening("one_step", chosen, film=still(chosen, look.pictures[order]))


def card() -> kept.Card:
    """Noisy, cleaned, clean."""
    film = kept.film("one_step", "mnist")
    return kept.Card("a noisy 7, cleaned in one go, and the original", [film.final[i] for i in (0, 3, 1)])
