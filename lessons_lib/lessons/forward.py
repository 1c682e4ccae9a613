"""Forward noising: a clean picture mixed with Gaussian noise, in one jump to any timestep."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, noise_of, settings
from lessons_lib.maths.images import to_uint8
from lessons_lib.maths.schedule import Schedule
from lessons_lib.sources import clean_picture

COURSE = (250, 500, 750)
T = 1000
SCHEDULES = {"cosine": Schedule.cosine, "linear": Schedule.linear}


def about(**chosen) -> dict:
    """The settings of the page: picture, size in pixels, schedule, t, seed. No network is asked, so there is no model."""
    return settings({"picture": "photo cat", "size": 64, "schedule": "cosine", "t": 500, "seed": SEED}, chosen)


def walk(about: dict, x0: Tensor, timesteps: Sequence[int]) -> Tensor:
    """x0 (1, C, H, W) noised to each timestep, by the same noise: (len(timesteps), C, H, W)."""
    schedule, eps = SCHEDULES[about["schedule"]](), noise_of(about, x0)
    return torch.cat([schedule.add_noise(x0, t, eps) for t in timesteps])


def own_snr(schedule: Schedule, x0: Tensor, t: int) -> float:
    """The signal-to-noise ratio of this picture: abar_t Var(x0) / (1 - abar_t). schedule.snr() is that of a variance of 1."""
    return schedule.snr(t) * x0.var(correction=0).item()


def correlation(x: Tensor, y: Tensor) -> float:
    """Between the pixels of two pictures, from -1 to 1; 0 if one of them is of one colour."""
    if min(x.std().item(), y.std().item()) == 0:
        return 0.0
    return torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1].item()


def radial_power(x: Tensor) -> tuple[list[float], list[float]]:
    """The mean power of a picture at each distance from its lowest frequency.

    Args: x: (1, C, H, W). Returns: frequencies in cycles a picture, 1 .. size / 2, and the mean of |FFT|^2 / pixels there, so that
    standard normal noise has 1 everywhere.
    """
    size = x.shape[-1]
    power = (torch.fft.fft2(x.double(), norm="ortho").abs() ** 2).mean((0, 1))
    f = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    ring = (f[:, None] ** 2 + f[None, :] ** 2).sqrt().round().long()
    rings = range(1, size // 2 + 1)
    return [float(k) for k in rings], [power[ring == k].mean().item() for k in rings]


def drowned_from(signal: Sequence[float], noise_level: float) -> int | None:
    """The lowest frequency (an index into the rings) whose signal is below the noise, and all above it too; None if none is."""
    above = [i for i, p in enumerate(signal) if p >= noise_level]
    first = above[-1] + 1 if above else 0
    return first if first < len(signal) else None


def card() -> kept.Card:
    """The cat, with some noise, and nearly lost in it."""
    x0 = clean_picture("photo", "cat", (3, 32, 32))
    noised = walk(about(size=32), x0, (150, 500))
    tiles = to_uint8(torch.cat([x0, noised])).numpy()
    return kept.Card("a cat, with some noise, and nearly lost in it", list(tiles))
