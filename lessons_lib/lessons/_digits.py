"""What the lessons of Part B share: a network shared by all sessions, its walk by seed, stills, and test digits to measure on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import lru_cache

import torch
from torch import Tensor

from lessons_lib.files.film import Film
from lessons_lib.files.test_digits import shown_digits
from lessons_lib.lessons._common import noise, under_guidance
from lessons_lib.maths import metrics
from lessons_lib.maths.denoisers import Conditioned, Denoiser, Network
from lessons_lib.maths.images import from_uint8, from_unit, to_uint8
from lessons_lib.maths.samplers import Step, sample
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models.batching import Batched
from lessons_lib.models.digits import UNTRAINED, Settings, condition_of, file_of, network_at
from lessons_lib.models.judge import open_judge

DIGITS = tuple(range(10))
SHAPE = (1, 28, 28)


@lru_cache(maxsize=24)  # those that ship are fewer; people's own come and go
def shared(network: str, epoch: int) -> tuple[Batched, Settings]:
    """A network that walks, at one epoch of its training, all sessions' requests as one batch."""
    unet, settings = network_at(network, epoch)
    weights = [file_of(network, epoch)] if epoch != UNTRAINED else []
    return Batched(settings.objective.network(unet), weights=weights, recipe=("digits", network, epoch)), settings


def of_digits(net: Network, labels: Sequence[int], guidance_scale: float) -> Denoiser:
    """A denoiser for one digit a picture, under guidance."""
    return under_guidance(
        lambda: Conditioned(net, condition_of(list(labels))), lambda: Conditioned(net, condition_of(None)), guidance_scale
    )


def digits_from_noise(
    denoiser: Denoiser,
    settings: Settings,
    seeds: Sequence[int],
    num_inference_steps: int,
    variance_type: str = "fixed_large",
    eta: float = 1.0,
) -> Iterator[Step]:
    """Digits from pure noise, one a seed. "fixed_large" puts back beta's variance, as the course has it; eta = 0 is DDIM."""
    xt, generators = noise(SHAPE, seeds)
    timesteps = settings.schedule.spaced_timesteps(num_inference_steps)
    return sample(denoiser, settings.schedule, xt, timesteps, variance_type=variance_type, eta=eta, generator=generators)


def in_step(walks: Sequence[Iterator[Step]]) -> Iterator[Step]:
    """Several walks over the same timesteps side by side: their pictures joined into one batch a Step.

    Raises: ValueError if the walks' timesteps differ. Closing it closes them all.
    """
    with ExitStack() as stack:
        for walk in walks:
            stack.enter_context(closing(walk))
        for steps in zip(*walks, strict=True):
            first = steps[0]
            if any((s.t, s.t_prev) != (first.t, first.t_prev) for s in steps):
                raise ValueError(f"walks in step share their timesteps, but these are at {[s.t for s in steps]}")
            joined = (torch.cat([getattr(s, name) for s in steps]) for name in ("xt", "eps", "x0_hat", "x_prev"))
            yield Step(first.index, first.total, first.t, first.t_prev, *joined, eta=first.eta)


def still(about: dict, pictures: Tensor) -> Film:
    """Pictures (B, 1, 28, 28) in [0, 1] that no walk led to, as a film of one frame."""
    frame = to_uint8(from_unit(pictures)).numpy()
    numbers = pictures[:1].repeat(4, 1, 1, 1).numpy()
    return Film(about, 1, index=[0], t=[0], t_prev=[-1], xt=[frame], x0_hat=[frame], eps=[frame], numbers=[numbers], final=frame)


def some_digits(n: int) -> tuple[Tensor, Tensor]:
    """(n, 1, 28, 28) in [-1, 1] and their labels (n,): every N-th of the hundred test digits, so all classes alike."""
    s = shown_digits()
    every = max(1, len(s.images) // n)
    return from_uint8(torch.from_numpy(s.images[::every])), torch.from_numpy(s.labels[::every])


def spread(T: int, points: int) -> list[int]:
    """Timesteps from nearly clean to the last."""
    return [round(1 + i * (T - 2) / (points - 1)) for i in range(points)]


def errors_at(
    network: Network,
    schedule: Schedule,
    x0: Tensor,
    t: int,
    *,
    told: int | None = None,
    labels: Tensor | None = None,
    seed: int = 180,
) -> tuple[float, float]:
    """How wrong a network is at one timestep: the mean squared error of eps, and of the x0_hat that follows from it.

    The first is the training loss (DDPM, eq. 14); the second is (1 - abar) / abar times as large, so that the two
    rank timesteps in opposite order: eps is hardest to find where there is little of it, the picture where there is much.

    Args: x0 (B, 1, 28, 28) in [-1, 1]. told: the timestep the network is told, by default the true t. labels: (B,), the
    class it is told; None hides the class. seed draws eps.
    """
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    xt = schedule.add_noise(x0, t, eps)
    condition = condition_of(labels).expand(len(x0), -1)
    answer = network(xt, torch.full((len(x0),), t if told is None else told), condition).eps
    return metrics.mse(answer, eps).mean().item(), metrics.mse(schedule.predict_x0(xt, t, answer), x0).mean().item()


def readings(x: Tensor) -> tuple[Tensor, Tensor]:
    """(what the judge reads, how sure it is), each (B,), of pictures in [-1, 1].

    The judge knows what is no digit: of pure noise it is sure of nothing. Still its sureness is no measure of a picture's quality; whether
    it reads the digit that was asked for is.
    """
    sure, read = open_judge("digits").read(x.clamp(-1, 1)).max(1)
    return read, sure
