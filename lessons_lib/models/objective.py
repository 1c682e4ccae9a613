"""What a digits network learns to answer, and all that follows from it: its loss, how it is asked, how it walks.

Three objectives serve all of Part B. Each says what the UNet is shown and told, what it should answer, and what an answer means
for the clean digit; so nothing else asks what kind of network it has.

    OneStep   the clean digit, at once           z  = signal x + sigma eps          -> x
    Eps       the noise in a noisy digit         xt = sqrt(abar_t) x0 + ...         -> eps       (DDPM)
    Flow      the velocity of a straight path    x_t = (1 - t) x_0 + t x_1          -> x_1 - x_0

Pictures are (B, 1, 28, 28). Digits x are in [0, 1], as in the data; walks are in [-1, 1], as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, one_hot

from lessons_lib.maths import flow
from lessons_lib.maths.denoisers import Denoiser, Network, Prediction
from lessons_lib.maths.images import from_unit, to_unit
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.models.unet import UNet


class Objective(Protocol):
    """See OneStep, Eps and Flow, which are all there are."""

    @property
    def times(self) -> tuple[float, float, float]:
        """The first, a middle and the last time it can be asked at."""

    def loss(self, unet: UNet, x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The training loss of one batch, the mean squared error of what the network is to answer.

        Args: x (B, 1, 28, 28) in [0, 1]; labels (B,) int64; generator on the CPU draws noise, times and hidden classes.
        """

    def given(self, x: Tensor, eps: Tensor, t: float | Tensor) -> Tensor:
        """What the UNet is shown of a digit x in [0, 1] and standard normal eps, at time t."""

    def told(self, t: Tensor) -> Tensor | None:
        """What the UNet is told of times (B,), or None if it is told nothing."""

    def target(self, x: Tensor, eps: Tensor) -> Tensor:
        """What the UNet is to answer."""

    def guess(self, answer: Tensor, given: Tensor, t: float | Tensor) -> Tensor:
        """The clean digit that an answer means, in [-1, 1], clipped."""

    def picture(self, given: Tensor) -> Tensor:
        """What the UNet was shown, as something to look at, in about [-1, 1]."""

    def network(self, unet: UNet) -> Network:
        """The UNet as a Network over pictures in [-1, 1]. Its condition is (B, 10): one-hot, or zeros for "any digit".

        What it answers in the place of eps is what walk() reads there: the clean digit, the noise or the velocity.
        """

    def start(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Where a walk begins, in about [-1, 1]: pure noise of x's shape; OneStep noises the digits x in [0, 1]."""

    def walk(
        self, denoiser: Denoiser, xt: Tensor, num_inference_steps: int, *, generator: torch.Generator | None = None, **how
    ) -> Iterator[Step]:
        """From start() to digits in [-1, 1], one Step a move. how: sample()'s further settings, for Eps alone."""


@dataclass(frozen=True)
class OneStep:
    """The clean digit at once, from z = signal * x + sigma * eps. Digits and answers are in [0, 1].

    sigma: a standard deviation, of digits in [0, 1]. signal: 1 shows the noisy digit; 0 shows noise alone, and the best answer
    is then the mean of all digits.
    """

    sigma: float = 0.5
    signal: float = 1.0

    times = (0, 0, 0)  # it is told none

    def loss(self, unet: UNet, x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        eps = torch.randn(x.shape, generator=generator).to(x.device)
        return mse_loss(unet(self.given(x, eps)).float(), self.target(x, eps))

    def given(self, x: Tensor, eps: Tensor, t: float | Tensor = 0) -> Tensor:
        return self.signal * x + self.sigma * eps

    def told(self, t: Tensor) -> None:
        return None

    def target(self, x: Tensor, eps: Tensor) -> Tensor:
        return x

    def guess(self, answer: Tensor, given: Tensor, t: float | Tensor = 0) -> Tensor:
        return from_unit(answer).clamp(-1, 1)

    def picture(self, given: Tensor) -> Tensor:
        return from_unit(given)

    def network(self, unet: UNet) -> Network:
        def network(xt: Tensor, t: Tensor, condition: Tensor) -> Prediction:
            return Prediction(from_unit(unet(to_unit(xt).contiguous(memory_format=torch.channels_last))))

        return network

    def start(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return from_unit(self.given(x, torch.randn(x.shape, generator=generator).to(x.device)))

    @torch.no_grad()
    def walk(self, denoiser: Denoiser, xt: Tensor, num_inference_steps: int = 1, *, generator=None) -> Iterator[Step]:
        clean = denoiser(xt, 0).eps
        noise = to_unit(xt) - self.signal * to_unit(clean)
        yield Step(0, 1, 0, CLEAN, xt, noise / self.sigma if self.sigma else noise, clean, clean)


@dataclass(frozen=True, eq=False)
class Eps:
    """The noise in xt, at timesteps 0 .. T - 1 of a schedule; the UNet is told t / T.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 14 (training) and algorithm 2 (the walk).
    """

    schedule: Schedule
    class_dropout: float = 0.1

    @property
    def times(self) -> tuple[int, int, int]:
        return 0, self.schedule.T // 2, self.schedule.T - 1

    def loss(self, unet: UNet, x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        eps = torch.randn(x.shape, generator=generator).to(x.device)
        t = torch.randint(self.schedule.T, (len(x),), generator=generator).to(x.device)
        c = classes_shown(unet, labels, self.class_dropout, generator)
        return mse_loss(unet(self.given(x, eps, t), self.told(t), c).float(), self.target(x, eps))

    def given(self, x: Tensor, eps: Tensor, t: int | Tensor) -> Tensor:
        return self.schedule.add_noise(from_unit(x), t, eps)

    def told(self, t: Tensor) -> Tensor:
        return t / self.schedule.T

    def target(self, x: Tensor, eps: Tensor) -> Tensor:
        return eps

    def guess(self, answer: Tensor, given: Tensor, t: int | Tensor) -> Tensor:
        return self.schedule.predict_x0(given, t, answer).clamp(-1, 1)

    def picture(self, given: Tensor) -> Tensor:
        return given

    def network(self, unet: UNet) -> Network:
        return _conditioned(unet, self)

    def start(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(x.shape, generator=generator).to(x.device)

    def walk(
        self, denoiser: Denoiser, xt: Tensor, num_inference_steps: int, *, generator: torch.Generator | None = None, **how
    ) -> Iterator[Step]:
        timesteps = self.schedule.spaced_timesteps(min(num_inference_steps, self.schedule.T))
        return sample(denoiser, self.schedule, xt, timesteps, generator=generator, **how)


@dataclass(frozen=True)
class Flow:
    """The velocity x_1 - x_0 at time t in [0, 1] of the straight path from noise x_0 to the digit x_1; the UNet is told t.

    Source: Lipman et al. 2022, arXiv:2210.02747, eq. 23 at sigma_min = 0; the walk is Euler's.
    """

    class_dropout: float = 0.1

    times = (0.0, 0.5, 1.0)

    def loss(self, unet: UNet, x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        eps = torch.randn(x.shape, generator=generator).to(x.device)
        t = torch.rand(len(x), generator=generator).to(x.device)
        c = classes_shown(unet, labels, self.class_dropout, generator)
        return mse_loss(unet(self.given(x, eps, t), self.told(t), c).float(), self.target(x, eps))

    def given(self, x: Tensor, eps: Tensor, t: float | Tensor) -> Tensor:
        return flow.between(eps, from_unit(x), t)

    def told(self, t: Tensor) -> Tensor:
        return t

    def target(self, x: Tensor, eps: Tensor) -> Tensor:
        return flow.velocity(eps, from_unit(x))

    def guess(self, answer: Tensor, given: Tensor, t: float) -> Tensor:
        return flow.picture_of(given, answer, t).clamp(-1, 1)

    def picture(self, given: Tensor) -> Tensor:
        return given

    def network(self, unet: UNet) -> Network:
        return _conditioned(unet, self)

    def start(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(x.shape, generator=generator).to(x.device)

    def walk(self, denoiser: Denoiser, xt: Tensor, num_inference_steps: int, *, generator=None) -> Iterator[Step]:
        return flow.euler(denoiser, xt, num_inference_steps)


def classes_shown(unet: UNet, labels: Tensor, dropout: float, generator: torch.Generator) -> Tensor | None:
    """(B, num_classes): each label one-hot, or zeros with probability `dropout`. None for a UNet without classes.

    What the hidden classes teach is the unconditional answer that guidance needs (Ho & Salimans 2022, arXiv:2207.12598).
    """
    if not unet.num_classes:
        return None
    shown = torch.rand(len(labels), 1, generator=generator).to(labels.device) >= dropout
    return one_hot(labels, unet.num_classes).float() * shown


def _conditioned(unet: UNet, objective: Eps | Flow) -> Network:
    def network(xt: Tensor, t: Tensor, condition: Tensor) -> Prediction:
        c = condition if unet.num_classes else None
        return Prediction(unet(xt.contiguous(memory_format=torch.channels_last), objective.told(t), c))

    return network
