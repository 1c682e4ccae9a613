"""The one-step denoiser: noise a digit, clean it in one pass, and measure how well, at the noise it knows and any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lessons_lib import metrics
from lessons_lib.images import from_unit
from lessons_lib.models.digits import denoise_once, describe, last_epoch, network_at, shipped_epochs
from lessons_lib.models.unet import UNet
from lessons_lib.test_digits import shown_digits

SIGMAS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
"""The course's noise levels; the network is trained at 0.5 alone."""


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


def through_training(epochs: Sequence[int], x: Tensor, sigma: float = 0.5, seed: int = 180) -> Look:
    """What the shipped one-step denoiser makes of x (1, 1, 28, 28) in [0, 1] after each of the epochs."""
    z = noised(x, sigma, seed)
    answers = [denoise_once(network_at("one_step", epoch)[0], z) for epoch in epochs]
    pictures = [z, *answers, x]
    names = [f"z, sigma {sigma:g}", *(describe(epoch) for epoch in epochs), "x, the original"]
    return Look(names, [error(p, x) for p in pictures], torch.cat(pictures))


@dataclass(frozen=True)
class AtSigma:
    """One point of error against sigma: of the noisy digits themselves, and of what the network made of them."""

    sigma: float
    noisy: Error
    cleaned: Error


def error_against_sigma(unet: UNet, x: Tensor, sigmas: Sequence[float], seed: int = 180) -> Iterator[AtSigma]:
    """The denoiser's error on the digits x (B, 1, 28, 28) in [0, 1] at one sigma after the other."""
    for sigma in sigmas:
        z = noised(x, sigma, seed)
        cleaned = torch.cat([denoise_once(unet, few) for few in z.split(10)])  # small batches stay in the processor's cache
        yield AtSigma(sigma, error(z, x), error(cleaned, x))


def answers_to_pure_noise(unet: UNet, n: int, seed: int = 180) -> tuple[Tensor, Tensor]:
    """(noise, answers), each (n, 1, 28, 28): the network asked to clean eps ~ N(0, I), in which there is no digit at all."""
    z = torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    return z, denoise_once(unet, z)


CURVE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0)
"""Where error against sigma is measured."""


def out_of_its_depth(num_images: int = 100, sigmas: Sequence[float] = CURVE, seed: int = 180) -> Iterator[dict]:
    """The last shipped denoiser's error against sigma over test digits, a row a sigma.

    Rows: sigma; "noisy mse" and "noisy psnr" of the input; "cleaned mse" and "cleaned psnr" of the network's answer.
    """
    digits = shown_digits()
    x = to_unit(digits.images[:: max(1, len(digits.images) // num_images)])
    unet, _ = network_at("one_step", last_epoch("one_step"))
    for point in error_against_sigma(unet, x, sigmas, seed):
        yield {
            "sigma": point.sigma,
            "noisy mse": point.noisy.mse, "noisy psnr": min(point.noisy.psnr, 100.0),  # JSON knows no infinity
            "cleaned mse": point.cleaned.mse, "cleaned psnr": point.cleaned.psnr,
        }  # fmt: skip


PURE_NOISE = "pure_noise"
"""A one-step denoiser of 8 hidden channels trained at sigma = 100, where a digit is lost in the noise:

    python -m lessons_lib.training.digits one_step --folder cache/mnist/pure_noise --num-hiddens 8 --sigma 100 --lr 1e-2 \\
        --epochs 2 --keep-epochs 2
"""


@dataclass(frozen=True, eq=False)
class Blind:
    """What is painted when there is no digit in the input, and how far each guess is from real test digits.

    noise, answers: (n, 1, 28, 28). mean_answer, average_digit: (1, 1, 28, 28). All in about [0, 1] but the noise.
    from_noise: the answers of a small network trained on nothing but noise to the same, None if it does not ship.
    errors: name of the guess -> its mean MSE over the hundred test digits.
    """

    noise: Tensor
    answers: Tensor
    from_noise: Tensor | None
    mean_answer: Tensor
    average_digit: Tensor
    errors: dict[str, float]


def blind(n: int = 24, seed: int = 180) -> Blind:
    """Ask the last shipped denoiser to clean n pictures of pure noise, and compare with the average training digit.

    No guess that ignores the input has a smaller mean squared error than the mean, because
    E|c - x|^2 = |c - E[x]|^2 + E|x - E[x]|^2, whose second part no c can change.
    """
    unet, _ = network_at("one_step", last_epoch("one_step"))
    noise, answers = answers_to_pure_noise(unet, n, seed)
    x = to_unit(shown_digits().images)
    average = torch.from_numpy(shown_digits().average)[None]
    mean_answer = answers.mean(0, keepdim=True)
    from_noise = None
    if shipped_epochs(PURE_NOISE):
        trained_on_noise, settings = network_at(PURE_NOISE, last_epoch(PURE_NOISE))
        from_noise = denoise_once(trained_on_noise, settings.sigma * noise)
    errors = {
        "each answer of the network": _mean_error_of_each(answers, x),
        "the network's mean answer": metrics.mse(mean_answer.expand_as(x), x).mean().item(),
        "a test digit for another": _mean_error_between(x),
    }
    if from_noise is not None:
        errors["each answer of the one trained on noise"] = _mean_error_of_each(from_noise, x)
    errors["the average training digit"] = metrics.mse(average.expand_as(x), x).mean().item()
    return Blind(noise, answers, from_noise, mean_answer, average, errors)


def _mean_error_of_each(guesses: Tensor, x: Tensor) -> float:
    """The mean squared error of every guess for every digit."""
    return torch.stack([metrics.mse(guess[None].expand_as(x), x).mean() for guess in guesses]).mean().item()


def both_means(b: Blind) -> Tensor:
    """(2, 1, 28, 28): the network's mean answer beside the average digit."""
    return torch.cat([b.mean_answer, b.average_digit])


def _mean_error_between(x: Tensor) -> float:
    """The mean squared error between two different pictures of a batch."""
    return (torch.pdist(x.flatten(1)) ** 2 / x[0].numel()).mean().item()
