"""The walks of Part B's lessons: several moments of one training side by side, a network lied to, four of each digit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cache

import torch
from torch import Tensor

from lessons_lib.denoisers import Conditioned, Denoiser, Prediction, guided
from lessons_lib.flow import euler
from lessons_lib.models.batching import Batched
from lessons_lib.models.digits import Settings, condition_of, network_at, network_of
from lessons_lib.samplers import Step, sample

DIGITS = tuple(range(10))


@cache
def shared(network: str, epoch: int) -> tuple[Batched, Settings]:
    """A network that walks, at a moment of its training, all sessions' requests as one batch."""
    unet, settings = network_at(network, epoch)
    return Batched(network_of(unet, settings)), settings


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
            yield Step(first.index, first.total, first.t, first.t_prev, *joined)


def lied_to(denoiser: Denoiser, told: Callable[[int], float], T: int) -> Denoiser:
    """A denoiser that is told another timestep than the true one: eps(xt, told(t)), rounded and kept within 0 .. T - 1."""

    def denoise(xt: Tensor, t: int) -> Prediction:
        return denoiser(xt, min(max(round(told(t)), 0), T - 1))

    return denoise


LIES: dict[str, Callable[[int, float, int], float]] = {
    "shifted": lambda t, amount, T: t + amount * T,
    "scaled": lambda t, amount, T: t * (1 + amount),
    "frozen": lambda t, amount, T: (0.5 + amount / 2) * (T - 1),
}
"""How t can be lied about: (t, amount, T) -> what the network is told; amount from -1 to 1. At 0, "shifted" and "scaled" tell
the truth, and "frozen" says "half way" at every step."""


def through_training(
    epochs: Sequence[int], *, network: str = "time_conditioned", num_images: int = 6, seed: int = 180,
    num_inference_steps: int = 30, variance_type: str = "fixed_large",
) -> Iterator[Step]:  # fmt: skip
    """The time-conditioned network after each of the epochs, walked from the same noise with the same noise on the way.

    The batch is (len(epochs) * num_images), one moment after the other.
    """
    walks = []
    for epoch in epochs:
        net, settings = shared(network, epoch)
        walks.append(
            _from_noise(Conditioned(net, condition_of(None)), settings, num_images, seed, num_inference_steps, variance_type)
        )
    yield from in_step(walks)


def truth_and_lie(
    epoch: int, lie: str, amount: float, *, network: str = "time_conditioned", num_images: int = 6, seed: int = 180,
    num_inference_steps: int = 30, variance_type: str = "fixed_large",
) -> Iterator[Step]:  # fmt: skip
    """The same walk twice in one batch: told the true t, and told LIES[lie](t, amount, T). The sampler knows the truth."""
    net, settings = shared(network, epoch)
    honest = Conditioned(net, condition_of(None))
    liar = lied_to(honest, lambda t: LIES[lie](t, amount, settings.T), settings.T)
    same = settings, num_images, seed, num_inference_steps, variance_type
    yield from in_step([_from_noise(honest, *same), _from_noise(liar, *same)])


def four_of_each(
    epoch: int, *, network: str = "class_conditioned", of_each: int = 4, guidance_scale: float = 5.0, seed: int = 180,
    num_inference_steps: int = 12, variance_type: str = "fixed_large",
) -> Iterator[Step]:  # fmt: skip
    """of_each pictures of every digit as one batch, the digits 0 .. 9 in every row of ten, under guidance.

    At guidance 1 the network is asked once a step, at 0 without a class; else with and without, in one batch.
    """
    net, settings = shared(network, epoch)
    denoiser = _of_digits(net, list(DIGITS) * of_each, guidance_scale)
    yield from _from_noise(denoiser, settings, len(DIGITS) * of_each, seed, num_inference_steps, variance_type)


def four_of_each_by_flow(
    epoch: int, *, of_each: int = 4, guidance_scale: float = 5.0, seed: int = 180, num_inference_steps: int = 10
) -> Iterator[Step]:
    """As four_of_each(), from the same noise, by the flow-matching network's Euler walk."""
    net, _ = shared("flow_matching", epoch)
    x_0 = torch.randn(len(DIGITS) * of_each, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    yield from euler(_of_digits(net, list(DIGITS) * of_each, guidance_scale), x_0, num_inference_steps)


def _of_digits(net: Batched, labels: list[int], guidance_scale: float) -> Denoiser:
    cond, uncond = Conditioned(net, condition_of(labels)), Conditioned(net, condition_of(None))
    return {0: uncond, 1: cond}.get(guidance_scale) or guided(cond, uncond, guidance_scale)


def _from_noise(denoiser, settings: Settings, num_images: int, seed: int, num_inference_steps: int, variance_type: str):
    g = torch.Generator().manual_seed(seed)
    xt = torch.randn(num_images, 1, 28, 28, generator=g)
    timesteps = settings.schedule.spaced_timesteps(num_inference_steps)
    return sample(denoiser, settings.schedule, xt, timesteps, variance_type=variance_type, generator=g)
