"""The plane: diffusion, flow matching and guidance on a mixture of Gaussians, where every answer is known exactly.

At a noise level (signal a, noise s) a point is x = a x_0 + s eps, eps ~ N(0, I). If x_0 is drawn from a mixture, x is, too:

    p(x)     = sum_k w_k N(a m_k, a^2 c_k^2 + s^2)                     c_k the standard deviation of Gaussian k
    r_k(x)   = w_k N(x; a m_k, a^2 c_k^2 + s^2) / p(x)                 how likely x comes from Gaussian k
    x0_hat   = sum_k r_k (m_k + a c_k^2 / (a^2 c_k^2 + s^2) (x - a m_k))          E[x_0 | x], what a perfect network says
    eps      = (x - a x0_hat) / s                                      Ho et al. 2020, arXiv:2006.11239, eq. 15
    score    = grad log p(x) = -eps / s                                Song et al. 2021, arXiv:2011.13456
    v        = a eps - s x0_hat                                        Salimans & Ho 2022, arXiv:2202.00512, appendix D
    velocity = x0_hat - eps                                            Lipman et al. 2022, arXiv:2210.02747, eq. 9

Diffusion has a = sqrt(abar_t), s = sqrt(1 - abar_t); flow matching has a = t, s = 1 - t, t = 0 being noise. The walks are
those of every other lesson: samplers.sample and flow.euler, asked about points as pictures of shape (2, 1, 1).

`lessons_lib/ui/components/plane.js` has the same formulas in the browser; tests/test_plane.py holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED
from lessons_lib.lessons.plane_views import DEFAULTS
from lessons_lib.maths import flow, samplers
from lessons_lib.maths.denoisers import Denoiser, Prediction, guided
from lessons_lib.maths.mixtures import CLASSES, PRESETS, Mixture
from lessons_lib.maths.schedule import Schedule

SCHEDULE = Schedule.cosine()


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known at points x (N, 2) of one noise level. log_p (N,); the others (N, 2)."""

    log_p: Tensor
    x0_hat: Tensor
    eps: Tensor
    score: Tensor
    v: Tensor
    velocity: Tensor


def exact(mixture: Mixture, x: Tensor, signal: float, noise: float, label: int | None = None) -> Answer:
    """Everything that a perfect network could say of x. The formulas stand at the head of this file.

    Args:
        x: (N, 2) float64.
        signal, noise: a and s, noise above 0.
        label: 0 or 1 for the data of class A or B alone; None for all.
    Raises: ValueError for a noise of 0, where eps is not defined, or a label that does not exist.
    """
    if not noise > 0:
        raise ValueError(f"noise must be above 0, got {noise}: the clean point has no eps")
    if label not in (None, *range(len(CLASSES))):
        raise ValueError(f"label must be None or 0 to {len(CLASSES) - 1}, got {label!r}")
    log_w, gap, variance, narrow = _gaussians(mixture, x, signal, noise, label)
    log_r = log_w - gap.pow(2).sum(-1) / (2 * variance) - torch.log(2 * torch.pi * variance)
    log_p = log_r.logsumexp(-1)
    r = (log_r - log_p[:, None]).exp()
    means = torch.from_numpy(mixture.means)
    x0_hat = (r[..., None] * (means + (signal * narrow / variance)[:, None] * gap)).sum(1)
    eps = (x - signal * x0_hat) / noise
    return Answer(log_p, x0_hat, eps, -eps / noise, signal * eps - noise * x0_hat, x0_hat - eps)


def _gaussians(mixture: Mixture, x: Tensor, signal: float, noise: float, label: int | None) -> tuple[Tensor, ...]:
    """log weights (K,) of one class or all, x - a m_k (N, K, 2), the variances (K,) at this level and of the data."""
    weights = torch.from_numpy(mixture.weights)
    if label is not None:
        weights = weights * torch.from_numpy(mixture.labels == label)
        weights = weights / weights.sum()
    narrow = torch.from_numpy(mixture.stds) ** 2
    gap = x[:, None, :] - signal * torch.from_numpy(mixture.means)
    return weights.log(), gap, signal**2 * narrow + noise**2, narrow


def denoiser(mixture: Mixture, label: int | None = None, schedule: Schedule = SCHEDULE) -> Denoiser:
    """The perfect eps-network of a mixture, for samplers.sample: asked about xt (B, 2, 1, 1) at a timestep."""

    def denoise(xt: Tensor, t: int) -> Prediction:
        a = schedule.alpha_bar(t)
        return Prediction(exact(mixture, xt.flatten(1), a**0.5, (1 - a) ** 0.5, label).eps[..., None, None])

    return denoise


def mean_velocity(mixture: Mixture, label: int | None = None) -> Denoiser:
    """The perfect velocity-network of a mixture, for flow.euler: asked about x (B, 2, 1, 1) at t in [0, 1).

    The mean of x_1 - x_0 over all straight paths through x at time t (Lipman et al. 2022, eq. 8 and 9).
    """

    def denoise(xt: Tensor, t: float) -> Prediction:
        return Prediction(exact(mixture, xt.flatten(1), t, 1 - t, label).velocity[..., None, None])

    return denoise


def guided_within(
    cond: Denoiser, uncond: Denoiser, guidance_scale: float, low: float, high: float, level: Callable[[float], float]
) -> Denoiser:
    """Guidance at noise levels from low to high, the plain conditional answer outside.

    Args: low, high: in [0, 1]; 0 is clean, 1 is noise. level: the noise level of the t that a walk asks about.
    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6; Kynkäänniemi et al. 2024, arXiv:2404.07724, section 3.
    """
    both = guided(cond, uncond, guidance_scale)

    def denoise(xt: Tensor, t: float) -> Prediction:
        return (both if low <= level(t) <= high else cond)(xt, t)

    return denoise


def walk(
    view: dict[str, Any], first: Tensor, *, goals: Tensor | None = None, generator: torch.Generator | Sequence | None = None
) -> Tensor:
    """The path of every dot from noise to data.

    Args:
        view: what is set on the page; what is left out is as in plane_views.DEFAULTS.
        first: (N, 2), the first noise.
        goals: (N, 2), the point of the data each dot walks to where view["walk"] is "straight"; not used else.
        generator: of the noise added on the way; one for all dots, or one each.
    Returns: (steps + 1, N, 2), first to last.
    Raises: ValueError for paths without goals, and what samplers.sample and flow.euler raise.
    """
    view = DEFAULTS | view
    n, mixture = view["num_inference_steps"], PRESETS[view["data"]]
    x = first.to(torch.float64)[..., None, None]
    if view["walk"] == "straight":
        if goals is None:
            raise ValueError("straight paths need goals, one for each dot")
        return torch.stack([flow.between(first, goals, i / n) for i in range(n + 1)])
    if view["walk"] == "flow":
        steps = flow.euler(_asked(view, mixture, mean_velocity, lambda t: 1 - t), x, n)
    else:
        network = _asked(view, mixture, denoiser, lambda t: t / SCHEDULE.T)
        timesteps = SCHEDULE.spaced_timesteps(n)
        steps = samplers.sample(network, SCHEDULE, x, timesteps, eta=view["eta"], clip_x0=False, generator=generator)
    return torch.stack([x, *(step.x_prev for step in steps)]).flatten(2)


def _asked(view: dict[str, Any], mixture: Mixture, network: Callable[..., Denoiser], level: Callable[[float], float]) -> Denoiser:
    """The network that a view asks: of all data, of one class, or of both with guidance."""
    if view["label"] == "any":
        return network(mixture)
    cond = network(mixture, CLASSES.index(view["label"]))
    return guided_within(cond, network(mixture), view["guidance_scale"], view["low"], view["high"], level)


def drawn(mixture: Mixture, n: int, generator: torch.Generator, label: int | None = None) -> Tensor:
    """(n, 2) points of the data, of one class or of all."""
    weights = torch.from_numpy(mixture.weights)
    if label is not None:
        weights = weights * torch.from_numpy(mixture.labels == label)
    k = torch.multinomial(weights, n, replacement=True, generator=generator)
    noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return torch.from_numpy(mixture.means)[k] + torch.from_numpy(mixture.stds)[k, None] * noise


def landed(mixture: Mixture, x: Tensor) -> Tensor:
    """(N,) the blob that each clean point (N, 2) most likely belongs to."""
    log_w, gap, variance, _ = _gaussians(mixture, x, 1.0, 0.0, None)
    return torch.from_numpy(mixture.blobs)[(log_w - gap.pow(2).sum(-1) / (2 * variance) - variance.log()).argmax(-1)]


def bend(path: Tensor) -> float:
    """How much longer the paths (steps + 1, N, 2) are than straight lines between their ends: 0 for straight ones."""
    return (path.diff(dim=0).norm(dim=-1).sum() / (path[-1] - path[0]).norm(dim=-1).sum() - 1).item()


def spread(x: Tensor) -> float:
    """The root mean square distance of the points (N, 2) from their middle, in the plane's units."""
    return (x - x.mean(0)).pow(2).sum(-1).mean().sqrt().item()


def past_the_middle(mixture: Mixture, x: Tensor, label: int) -> float:
    """How far the points (N, 2) lie past the middle of their class, seen from the other class, in its standard deviations.

    0 where they lie as the class does. The class's own deviation along that line is the unit.
    """
    means, weights = torch.from_numpy(mixture.means), torch.from_numpy(mixture.weights)
    middle = [(weights * (mixture.labels == c))[:, None].mul(means).sum(0) / weights[mixture.labels == c].sum() for c in range(2)]
    line = middle[label] - middle[1 - label]
    line = line / line.norm()
    mine = torch.from_numpy(mixture.labels == label)
    variance = torch.from_numpy(mixture.stds)[mine] ** 2 + ((means[mine] - middle[label]) @ line) ** 2
    std = ((weights[mine] * variance).sum() / weights[mine].sum()).sqrt()
    return (((x - middle[label]) @ line).mean() / std).item()


def who_decides(
    etas: Sequence[float], *, num_inference_steps: int = 50, dots: int = 400, seed: int = SEED
) -> list[dict[str, float]]:
    """At each eta: the share of dots that land in another of four blobs when only one of the two noises is drawn anew.

    Returns: [{"eta", "first", "fresh"}]: the share for other first noise, and for other noise on the way. Both are 0 where
    that noise decides nothing, and 0.75 where it decides all: three of the four blobs are others.
    """
    mixture, rows = PRESETS["four blobs"], []
    one, two = (torch.randn(dots, 2, generator=torch.Generator().manual_seed(seed + k), dtype=torch.float64) for k in (0, 1))
    for eta in etas:
        view = {"data": "four blobs", "eta": float(eta), "num_inference_steps": num_inference_steps}

        def blob(first: Tensor, fresh: int, view=view) -> Tensor:
            return landed(mixture, walk(view, first, generator=torch.Generator().manual_seed(seed + fresh))[-1])

        base = blob(one, 2)
        rows.append({"eta": eta, "first": _share(blob(two, 2) != base), "fresh": _share(blob(one, 3) != base)})
    return rows


def _share(which: Tensor) -> float:
    return which.double().mean().item()


def bends(*, num_inference_steps: int = 50, dots: int = 400, seed: int = SEED) -> list[dict[str, Any]]:
    """How much longer than straight lines the paths of each walk are, on every preset: [{"data", "walk", "bend"}]."""
    generator, rows = torch.Generator().manual_seed(seed), []
    first = torch.randn(dots, 2, generator=generator, dtype=torch.float64)
    walks = {"straight paths": {"walk": "straight"}, "flow matching": {"walk": "flow"}, "diffusion, eta 0": {"eta": 0.0}}
    for name, mixture in PRESETS.items():
        goals = drawn(mixture, dots, generator)
        for title, changes in walks.items():
            view = {"data": name, "num_inference_steps": num_inference_steps} | changes
            rows.append({"data": name, "walk": title, "bend": bend(walk(view, first, goals=goals))})
    return rows


def overshoots(
    scales: Sequence[float], *, low: float = 0.2, high: float = 0.6, dots: int = 400, seed: int = SEED
) -> list[dict[str, float]]:
    """At each guidance scale: how far past the middle of A two blobs' dots land, in A's standard deviations.

    Returns: [{"guidance_scale", "everywhere", "interval", "fresh"}]: guided at all noise levels; only from low to high; at all
    levels, with fresh noise on the way (eta = 1).
    """
    first = torch.randn(dots, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    ways = {"everywhere": {}, "interval": {"low": low, "high": high}, "fresh": {"eta": 1.0}}
    rows = []
    for scale in scales:
        row = {"guidance_scale": scale}
        for name, changes in ways.items():
            view = {"data": "two blobs", "label": "A", "guidance_scale": float(scale)} | changes
            ends = walk(view, first, generator=torch.Generator().manual_seed(seed + 1))[-1]
            row[name] = past_the_middle(PRESETS["two blobs"], ends, 0)
        rows.append(row)
    return rows


MODELS = ()
"""There is no network here: every answer is known."""

_CARD_COLOURS = np.array([[47, 85, 212], [212, 98, 10]])


def card() -> kept.Card:
    """Noise, half way and data, as the page opens."""
    mixture = PRESETS["letters"]
    path = walk({}, torch.randn(200, 2, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64))
    goal = landed(mixture, path[-1])
    return kept.Card(
        "dots of noise, half way, and in the shape of an A and a B", [_drawn_small(path[i], goal) for i in (0, 40, -1)]
    )


def _drawn_small(x: Tensor, goal: Tensor, size: int = 112) -> np.ndarray:
    """The dots (N, 2), each in the colour of where it lands, as a picture (3, size, size) uint8."""
    picture = Image.new("RGB", (4 * size, 4 * size), "white")
    draw = ImageDraw.Draw(picture)
    for (px, py), colour in zip(
        ((x * torch.tensor([1, -1]) / 5.6 + 0.5) * 4 * size).tolist(), _CARD_COLOURS[goal].tolist(), strict=True
    ):
        draw.ellipse((px - 6, py - 6, px + 6, py + 6), fill=tuple(colour))
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
