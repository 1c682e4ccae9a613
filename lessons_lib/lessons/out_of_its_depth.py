"""Out of its depth: the one-step denoiser at noise it was never trained on, and asked about nothing but noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.files.test_digits import shown_digits
from lessons_lib.lessons._common import SEED, Opening, settings
from lessons_lib.lessons._digits import still
from lessons_lib.lessons.one_step import NETWORK, SIGMAS, Error, at_sigmas, error, noised, through_training, to_unit
from lessons_lib.maths import metrics
from lessons_lib.models.digits import denoise_once, last_epoch, network_at, shipped_epochs
from lessons_lib.models.model import Model
from lessons_lib.models.unet import UNet

MODELS = ("mnist",)
SIGMA = 1.4
"""Where the page opens: enough noise that the answer is no digit."""


def about(**chosen) -> dict:
    """What is in view: digit, sigma, seed, and which pictures."""
    return settings({"pictures": "", "digit": 7, "sigma": SIGMA, "seed": SEED}, chosen)


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


def strip(unet: UNet, x: Tensor, sigmas: Sequence[float] = SIGMAS, seed: int = SEED) -> tuple[Tensor, Tensor]:
    """One digit x (1, 1, 28, 28) in [0, 1] at every sigma: (noisy, cleaned), each (len(sigmas), 1, 28, 28)."""
    z = at_sigmas(x, sigmas, seed)
    return z, denoise_once(unet, z)


def answers_to_pure_noise(unet: UNet, n: int, seed: int = 180) -> tuple[Tensor, Tensor]:
    """(noise, answers), each (n, 1, 28, 28): the network asked to clean eps ~ N(0, I), in which there is no digit at all."""
    z = torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    return z, denoise_once(unet, z)


CURVE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0)
"""Where error against sigma is measured."""


def over_sigma(
    num_images: int = 100, sigmas: Sequence[float] = CURVE, seed: int = 180, *, network: str = NETWORK
) -> Iterator[dict]:
    """The denoiser's error, after its last epoch, against sigma over test digits, a row a sigma.

    Rows: sigma; "noisy mse" and "noisy psnr" of the input; "cleaned mse" and "cleaned psnr" of the network's answer.
    """
    digits = shown_digits()
    x = to_unit(digits.images[:: max(1, len(digits.images) // num_images)])
    unet, _ = network_at(network, last_epoch(network))
    for point in error_against_sigma(unet, x, sigmas, seed):
        yield {
            "sigma": point.sigma,
            "noisy mse": point.noisy.mse,
            "noisy psnr": min(point.noisy.psnr, 100.0),  # JSON knows no infinity
            "cleaned mse": point.cleaned.mse,
            "cleaned psnr": point.cleaned.psnr,
        }


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


def blind(n: int = 24, seed: int = 180, *, network: str = NETWORK) -> Blind:
    """Ask the denoiser, after its last epoch, to clean n pictures of pure noise, and compare with the average training digit.

    No guess that ignores the input has a smaller mean squared error than the mean, because
    E|c - x|^2 = |c - E[x]|^2 + E|x - E[x]|^2, whose second part no c can change.
    """
    unet, _ = network_at(network, last_epoch(network))
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


def openings(model: Model) -> Iterator[Opening]:
    """A 7 under more noise than was trained on: clean, noisy, and what is made of it."""
    look = through_training([last_epoch("one_step")], to_unit(shown_digits().digit(7)), SIGMA)
    order = [2, 0, 1]
    chosen = about(pictures=", ".join(look.names[i] for i in order))
    yield Opening("out_of_its_depth", chosen, film=still(chosen, look.pictures[order]))


MEASURES = {"out_of_its_depth": over_sigma}


def card() -> kept.Card:
    """Clean, too noisy, and the answer."""
    film = kept.film("out_of_its_depth", "mnist")
    return kept.Card("a 7, under more noise than was trained on, and what is made of it", list(film.final[:3]))
