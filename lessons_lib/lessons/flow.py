"""Flow matching: the flow's Euler walk beside the diffusion network's, how few steps each needs, and how its paths bend."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from lessons_lib.files import kept
from lessons_lib.files.film import Film
from lessons_lib.lessons._common import SEED, Opening, noise, seeds_of, settings
from lessons_lib.lessons._digits import DIGITS, SHAPE, of_digits, readings, shared
from lessons_lib.lessons.class_ import four_of_each
from lessons_lib.maths.flow import euler
from lessons_lib.maths.samplers import Step
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models.digits import last_epoch
from lessons_lib.models.model import Model

MODELS = ("mnist",)
NETWORK, DIFFUSION, COLUMNS = "flow_matching", "class_conditioned", 10
STEPS = (1, 2, 3, 5, 10, 20, 50)
SAMPLERS = {
    "DDPM, fixed_large": {"eta": 1.0, "variance_type": "fixed_large"},
    "DDPM, fixed_small": {"eta": 1.0, "variance_type": "fixed_small"},
    "DDIM": {"eta": 0.0},
}
"""How the diffusion network is walked: the noise put back at a move is beta's, as the course has it; the posterior's; none."""


def about(**chosen) -> dict:
    """The settings of the flow's walk: network, epoch, num_inference_steps, guidance_scale, seed."""
    same = {"num_inference_steps": 3, "guidance_scale": 5.0, "seed": SEED}
    network = chosen.get("network", NETWORK)
    return settings({"network": network, "epoch": last_epoch(network), **same}, chosen)


def about_diffusion(**chosen) -> dict:
    """The settings of the diffusion network's walk: those of about(), and the sampler."""
    same = {"sampler": "DDPM, fixed_large", "num_inference_steps": 3, "guidance_scale": 5.0, "seed": SEED}
    return settings({"network": DIFFUSION, "epoch": last_epoch(DIFFUSION), **same}, chosen)


def four_of_each_by_flow(
    epoch: int,
    *,
    of_each: int = 4,
    guidance_scale: float = 5.0,
    seed: int = SEED,
    num_inference_steps: int = 10,
    network: str = NETWORK,
) -> Iterator[Step]:
    """As class_.four_of_each(), from the same noise, by the flow-matching network's Euler walk."""
    net, _ = shared(network, epoch)
    labels = DIGITS * of_each
    x_0, _ = noise(SHAPE, seeds_of(seed, len(labels)))
    yield from euler(of_digits(net, labels, guidance_scale), x_0, num_inference_steps)


def walk(about: dict) -> Iterator[Step]:
    """The page's walk of the flow: two of each digit."""
    how = {k: about[k] for k in ("guidance_scale", "seed", "num_inference_steps", "network")}
    return four_of_each_by_flow(about["epoch"], of_each=2, **how)


def walk_diffusion(about: dict) -> Iterator[Step]:
    """The page's walk of the diffusion network, from the same noise: two of each digit."""
    how = {k: about[k] for k in ("guidance_scale", "seed", "num_inference_steps")}
    return four_of_each(about["epoch"], of_each=2, **how, **SAMPLERS[about["sampler"]])


def openings(model: Model) -> Iterator[Opening]:
    """The two walks the page opens with."""
    flow, diffusion = about(), about_diffusion()
    yield Opening("flow", flow, lambda: walk(flow), frames=12)
    yield Opening("flow_diffusion", diffusion, lambda: walk_diffusion(diffusion), frames=12)


def over_steps(
    num_images: int = 100, steps: Sequence[int] = STEPS, guidance_scale: float = 5.0, *, network: str = NETWORK
) -> Iterator[dict]:
    """How well the judge reads the digits as the steps grow fewer, from the same noise.

    Rows: num_inference_steps; "flow, Euler" and each of SAMPLERS: the share read as the digit asked for, and
    surely (at least one half): the judge finds a digit in much noise, but is not sure of it. In one step all
    diffusion samplers are one, since no noise is put back at the last move.
    """
    of_each = max(1, num_images // 10)
    asked = torch.tensor(DIGITS * of_each)
    for n in steps:
        same = {"of_each": of_each, "guidance_scale": guidance_scale, "num_inference_steps": n}
        walks = {"flow, Euler": four_of_each_by_flow(last_epoch(network), **same, network=network)}
        walks |= {name: four_of_each(last_epoch(DIFFUSION), **same, **how) for name, how in SAMPLERS.items()}
        row: dict = {"num_inference_steps": n}
        for name, steps_of_walk in walks.items():
            *_, last = steps_of_walk
            read, sure = readings(last.x_prev)
            row[name] = ((read == asked) & (sure >= 0.5)).float().mean().item()
        yield row


def over_steps_unguided(num_images: int = 100, steps: Sequence[int] = STEPS, *, network: str = NETWORK) -> Iterator[dict]:
    """As over_steps() at guidance 1, where the two networks differ more."""
    return over_steps(num_images, steps, 1.0, network=network)


MEASURES = {"flow": over_steps, "flow_unguided": over_steps_unguided}


def pixel_path(film: Film, row: int, column: int, schedule: Schedule | None = None) -> tuple[list[float], list[float]]:
    """A pixel of the first picture on its way: (part of the path from noise to picture, its value), both from 0 to 1 ... .

    schedule: of a diffusion walk, whose picture sqrt(abar) x_0 + sqrt(1 - abar) eps is divided by the sum of both weights, so
    that it too is a mean of picture and noise, and its path can be held against the flow's in one scale.
    """
    times, values = [], []
    ends = [*((t, v[0]) for t, v in zip(film.t, film.numbers, strict=True)), (film.t_prev[-1], film.numbers[-1][3])]
    for t, x in ends:
        a, b = (1.0, 0.0) if schedule is None else (math.sqrt(schedule.alpha_bar(t)), math.sqrt(1 - schedule.alpha_bar(t)))
        times.append(float(t) if schedule is None else a / (a + b))
        values.append(float(x[0, row, column]) / (a + b))
    return times, values


def detour(film: Film, schedule: Schedule | None = None) -> float:
    """How much longer the first picture's path is than the straight line between its ends: 1 is straight.

    Lengths are of the whole picture in the scale of pixel_path().
    """
    points = []
    for t, x in [*((t, v[0]) for t, v in zip(film.t, film.numbers, strict=True)), (film.t_prev[-1], film.numbers[-1][3])]:
        weight = 1.0 if schedule is None else math.sqrt(schedule.alpha_bar(t)) + math.sqrt(1 - schedule.alpha_bar(t))
        points.append(x.astype(np.float64) / weight)
    moves = [np.linalg.norm(b - a) for a, b in zip(points, points[1:], strict=False)]
    return float(sum(moves) / np.linalg.norm(points[-1] - points[0]))


def card() -> kept.Card:
    """Noise, the middle of the path, a 2."""
    film = kept.film("flow", "mnist")
    return kept.Card("noise, the middle of the path, and a 2", [film.xt[0][2], film.xt[len(film) // 2][2], film.final[2]])
