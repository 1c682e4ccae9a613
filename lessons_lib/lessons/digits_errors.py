"""What the diffusion networks of Part B get wrong, measured on digits they never saw: by t, by lie, by class, by guidance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lessons_lib import metrics
from lessons_lib.denoisers import Network
from lessons_lib.images import from_uint8
from lessons_lib.lessons.digits_walks import DIGITS, four_of_each, four_of_each_by_flow, shared
from lessons_lib.models.digits import condition_of, describe, epochs_of, last_epoch
from lessons_lib.models.judge import open_judge
from lessons_lib.schedule import Schedule
from lessons_lib.test_digits import shown_digits

GUIDANCE_SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 300)


def some_digits(n: int) -> tuple[Tensor, Tensor]:
    """(n, 1, 28, 28) in [-1, 1] and their labels (n,): every so-manieth of the hundred, so all digits alike."""
    s = shown_digits()
    every = max(1, len(s.images) // n)
    return from_uint8(s.images[::every]), torch.from_numpy(s.labels[::every])


def eps_error(
    network: Network, schedule: Schedule, x0: Tensor, t: int, *, told: int | None = None, labels: Tensor | None = None,
    seed: int = 180,
) -> float:  # fmt: skip
    """The training loss at one timestep: mean of (eps_theta(xt, told) - eps)^2, xt = add_noise(x0, t, eps)   (DDPM, eq. 14).

    Args: x0 (B, 1, 28, 28) in [-1, 1]. told: the timestep the network is told, by default the true t. labels: (B,), the
    class it is told; None hides the class. seed draws eps.
    """
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    xt = schedule.add_noise(x0, t, eps)
    condition = condition_of(labels).expand(len(x0), -1)
    answer = network(xt, torch.full((len(x0),), t if told is None else told), condition)
    return metrics.mse(answer.eps, eps).mean().item()


def spread(T: int, points: int) -> list[int]:
    """Timesteps from nearly clean to the last."""
    return [round(1 + i * (T - 2) / (points - 1)) for i in range(points)]


def through_time(num_images: int = 20, points: int = 10) -> Iterator[dict]:
    """The time-conditioned network's error at each t, through its training. Rows: t, and one column a moment."""
    x0, _ = some_digits(num_images)
    _, settings = shared("time_conditioned", last_epoch("time_conditioned"))
    for t in spread(settings.T, points):
        row: dict = {"t": t}
        for epoch in epochs_of("time_conditioned"):
            row[describe(epoch)] = eps_error(shared("time_conditioned", epoch)[0], settings.schedule, x0, t)
        yield row


def told_times(num_images: int = 10, points: int = 13) -> Iterator[dict]:
    """The error at three true timesteps, as a function of what the network is told. Rows: told, and a column a true t."""
    x0, _ = some_digits(num_images)
    network, settings = shared("time_conditioned", last_epoch("time_conditioned"))
    for told in spread(settings.T, points):
        row: dict = {"told": told}
        for t in (settings.T // 5, settings.T // 2, settings.T * 4 // 5):
            row[f"true t = {t}"] = eps_error(network, settings.schedule, x0, t, told=told)
        yield row


def told_classes(num_images: int = 20, points: int = 8) -> Iterator[dict]:
    """The class-conditioned network's error at each t when told the digit's class, no class, or the next digit's."""
    x0, labels = some_digits(num_images)
    network, settings = shared("class_conditioned", last_epoch("class_conditioned"))
    for t in spread(settings.T, points):
        yield {
            "t": t,
            "the right class": eps_error(network, settings.schedule, x0, t, labels=labels),
            "class hidden": eps_error(network, settings.schedule, x0, t),
            "a wrong class": eps_error(network, settings.schedule, x0, t, labels=(labels + 1) % 10),
        }


def readings(x: Tensor) -> tuple[Tensor, Tensor]:
    """(what the judge reads, how sure it is), each (B,), of pictures in [-1, 1].

    The judge must choose a digit and is sure even of pure noise, so its confidence says nothing of a picture's quality;
    whether it reads the digit that was asked for does.
    """
    sure, read = open_judge("digits").read(x.clamp(-1, 1)).max(1)
    return read, sure


def over_guidance(
    num_images: int = 40, guidance_scales: Sequence[float] = GUIDANCE_SCALES, num_inference_steps: int = 12
) -> Iterator[dict]:
    """Four of each digit at each guidance scale: what it buys and costs.

    Rows: guidance_scale; accuracy, the share the judge reads as the digit asked for; diversity, the mean RMS distance
    between pictures of one digit.
    """
    of_each = max(2, num_images // 10)
    labels = list(DIGITS) * of_each
    epoch = last_epoch("class_conditioned")
    for scale in guidance_scales:
        for step in four_of_each(epoch, of_each=of_each, guidance_scale=scale, num_inference_steps=num_inference_steps):
            x = step.x_prev
        read, _ = readings(x)
        yield {
            "guidance_scale": scale,
            "accuracy": (read == torch.tensor(labels)).float().mean().item(),
            "diversity": sum(metrics.diversity(x[d::10].clamp(-1, 1)) for d in DIGITS) / len(DIGITS),
        }


def over_steps(of_each: int = 10, steps: Sequence[int] = STEPS, guidance_scale: float = 5.0) -> Iterator[dict]:
    """How well the judge reads the digits of both networks' walks as the steps grow fewer, from the same noise.

    Rows: num_inference_steps; flow matching and DDPM, the share read as the digit asked for (None where it was not walked:
    the flow's walk needs no more than 100 steps, and DDPM's first step is at 2).
    """
    asked = torch.tensor(list(DIGITS) * of_each)
    flow_epoch, ddpm_epoch = last_epoch("flow_matching"), last_epoch("class_conditioned")
    for n in steps:
        same = {"of_each": of_each, "guidance_scale": guidance_scale, "num_inference_steps": n}
        walks = {
            "flow matching": four_of_each_by_flow(flow_epoch, **same) if n <= 100 else None,
            "DDPM": four_of_each(ddpm_epoch, **same) if n > 1 else None,
        }
        row: dict = {"num_inference_steps": n}
        for name, walk in walks.items():
            made = [step.x_prev for step in walk or ()]
            row[name] = (readings(made[-1])[0] == asked).float().mean().item() if made else None
        yield row
