"""What a network says of a noisy image, and everything that combines such answers: guidance, anagrams, hybrids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lessons_lib.images import lowpass


class Prediction(NamedTuple):
    """eps: the noise estimate, shape of xt. variance: the network's extra channels in about [-1, 1], where it learned its
    variance (Schedule.learned_log_variance turns them into one), else None."""

    eps: Tensor
    variance: Tensor | None = None


class Denoiser(Protocol):
    """Anything that estimates the noise in xt at timestep t. Its condition (a prompt, a digit) is already bound."""

    def __call__(self, xt: Tensor, t: int) -> Prediction: ...


Network = Callable[[Tensor, Tensor, Tensor], Prediction]
"""A whole network: xt (B, C, H, W), t (B,) int64, condition (B, ...) -> Prediction for the batch."""


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A network with its condition bound: a Denoiser.

    condition: (1, ...) for all pictures alike, or (B, ...) one each. What a condition is, the network knows: a prompt's
    embedding, a one-hot digit.
    """

    network: Network
    condition: Tensor

    def __call__(self, xt: Tensor, t: int) -> Prediction:
        return ask([self], [xt], t)[0]


def ask(denoisers: list[Denoiser], xts: list[Tensor], t: int) -> list[Prediction]:
    """Every denoiser's answer to its own xt: as one batch through the network where they share one."""
    if not all(isinstance(d, Conditioned) and d.network is denoisers[0].network for d in denoisers):
        return [d(xt, t) for d, xt in zip(denoisers, xts, strict=True)]
    sizes = [len(xt) for xt in xts]
    conditions = [d.condition.expand(n, *d.condition.shape[1:]) for d, n in zip(denoisers, sizes, strict=True)]
    x = torch.cat(xts)
    eps, variance = denoisers[0].network(x, torch.full((len(x),), t, device=x.device), torch.cat(conditions))
    variances = variance.split(sizes) if variance is not None else [None] * len(sizes)
    return [Prediction(e, v) for e, v in zip(eps.split(sizes), variances, strict=True)]


def guided(cond: Denoiser, uncond: Denoiser, guidance_scale: float | Tensor = 7.0) -> Denoiser:
    """Classifier-free guidance.

    eps = eps_uncond + guidance_scale * (eps_cond - eps_uncond)

    0 is the unconditional prediction, 1 the conditional one. The paper writes (1 + w) eps_cond - w eps_uncond: its w is
    guidance_scale - 1. The variance is the conditional branch's.

    Args: guidance_scale: one for all pictures, or (B, 1, 1, 1) for one each.
    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6.
    """

    def denoise(xt: Tensor, t: int) -> Prediction:
        c, u = ask([cond, uncond], [xt, xt], t)
        return Prediction(u.eps + guidance_scale * (c.eps - u.eps), c.variance)

    return denoise


class View(Protocol):
    """A way to look at an image and back again. `there` and `back` undo one another on every (B, C, H, W) tensor."""

    name: str

    def there(self, x: Tensor) -> Tensor: ...

    def back(self, x: Tensor) -> Tensor: ...


def anagram(a: Denoiser, b: Denoiser, turn: View) -> Denoiser:
    """One image that two denoisers read, a as it is and b through a view.

    eps = (eps_a(xt) + back(eps_b(there(xt)))) / 2

    Source: Geng et al. 2024, "Visual Anagrams", arXiv:2311.17919, eq. 4.
    """

    def denoise(xt: Tensor, t: int) -> Prediction:
        pa, pb = ask([a, b], [xt, turn.there(xt)], t)
        return Prediction((pa.eps + turn.back(pb.eps)) / 2, pa.variance)

    return denoise


def hybrid(a: Denoiser, b: Denoiser, kernel_size: int = 33, sigma: float = 2.0) -> Denoiser:
    """Low frequencies from a, seen from afar; high frequencies from b, seen near.

    eps = lowpass(eps_a) + (eps_b - lowpass(eps_b))

    Args: kernel_size (odd, pixels) and sigma (pixels) of the Gaussian; 33 and 2 suit 64x64, scale both with the image.
    Source: Geng et al. 2024, "Factorized Diffusion", arXiv:2404.11615, section 3.
    """

    def denoise(xt: Tensor, t: int) -> Prediction:
        pa, pb = ask([a, b], [xt, xt], t)
        eps = lowpass(pa.eps, kernel_size, sigma) + pb.eps - lowpass(pb.eps, kernel_size, sigma)
        return Prediction(eps, pa.variance)

    return denoise


def perfect(x0: Tensor, schedule) -> Denoiser:
    """A denoiser that knows the answer: the noise that leads to x0. For tests, and for seeing what a walk does by itself."""

    def denoise(xt: Tensor, t: int) -> Prediction:
        return Prediction(schedule.predict_eps(xt, t, torch.as_tensor(x0).expand_as(xt)))

    return denoise
