"""The perfect denoiser: beside the network's answer, as a walk, and the nearest training picture under each sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lessons_lib import mnist
from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, seeds_of, settings
from lessons_lib.lessons._digits import digits_from_noise, in_step, shared, some_digits, spread
from lessons_lib.maths import metrics
from lessons_lib.maths.denoisers import Conditioned
from lessons_lib.maths.images import from_uint8
from lessons_lib.maths.perfect import Perfect, effective_number, nearest
from lessons_lib.maths.samplers import Step
from lessons_lib.models.digits import condition_of, last_epoch
from lessons_lib.models.model import Model

MODELS = ("mnist",)
NETWORK, COLUMNS = "time_conditioned", 6
ROWS = ("the network", "the perfect denoiser")


def about(**chosen) -> dict:
    """The settings of the page's two walks: num_inference_steps, seed."""
    return settings({"network": NETWORK, "epoch": last_epoch(NETWORK), "num_inference_steps": 30, "seed": SEED}, chosen)


@cache
def training_pictures() -> tuple[Tensor, Tensor]:
    """5,000 of the 60,000 digits that the network was trained on, and their labels: (5000, 1, 28, 28) in [-1, 1], (5000,)."""
    images, labels = mnist.five_thousand()
    return from_uint8(images), labels


@cache
def perfect() -> Perfect:
    """The perfect denoiser of these pictures, on the network's own schedule."""
    return Perfect(training_pictures()[0], shared(NETWORK, last_epoch(NETWORK))[1].schedule)


@dataclass(frozen=True, eq=False)
class Look:
    """One noisy digit, and what both say of it. Pictures are (1, 1, 28, 28) in [-1, 1].

    heaviest: the three training pictures that count most, heaviest first, with their weights. effective: how many share the weight.
    """

    xt: Tensor
    network: Tensor
    perfect: Tensor
    heaviest: Tensor  # (3, 1, 28, 28)
    weights: list[float]
    effective: float


@torch.no_grad()
def look(x0: Tensor, t: int, seed: int = SEED) -> Look:
    """Noise x0 (1, 1, 28, 28) in [-1, 1] to timestep t and ask both. Raises ValueError for a t outside the schedule."""
    best, net = perfect(), shared(NETWORK, last_epoch(NETWORK))[0]
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    xt = best.schedule.add_noise(x0, best.schedule.check_timestep(t), eps)
    weights = best.weights(xt, t)[0]
    top = weights.topk(3)
    guess = best.schedule.predict_x0(xt, t, Conditioned(net, condition_of(None))(xt, t).eps).clamp(-1, 1)
    return Look(
        xt, guess, best.x0_hat(xt, t), best.pictures[top.indices], top.values.tolist(), effective_number(weights[None]).item()
    )


def walk(about: dict) -> Iterator[Step]:
    """Six pictures by the network and six by the perfect denoiser, from the same noise with the same noise on the way."""
    net, trained = shared(NETWORK, about["epoch"])
    seeds, steps = seeds_of(about["seed"], COLUMNS), about["num_inference_steps"]
    both = Conditioned(net, condition_of(None)), perfect()
    yield from in_step([digits_from_noise(denoiser, trained, seeds, steps) for denoiser in both])


def openings(model: Model) -> Iterator[Opening]:
    """The two walks that the page opens with."""
    chosen = about()
    yield Opening("perfect", chosen, lambda: walk(chosen), frames=12)


def over_t(num_images: int = 100, points: int = 12) -> Iterator[dict]:
    """How wrong each is about the clean digit, on digits of the 5,000 and on test digits, by t.

    Rows: t; the mean squared error of x0_hat, pixels in [-1, 1], of "network" and "perfect" each on "training digits" and "test
    digits"; "effective", how many pictures share the perfect one's weight on test digits, their geometric mean.
    """
    best, net = perfect(), shared(NETWORK, last_epoch(NETWORK))[0]
    every = len(best.pictures) // num_images
    sets = {"training digits": best.pictures[::every][:num_images], "test digits": some_digits(num_images)[0]}
    for t in spread(best.schedule.T, points):
        row: dict = {"t": t}
        for name, x0 in sets.items():
            eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(SEED))
            xt = best.schedule.add_noise(x0, t, eps)
            with torch.no_grad():
                guess = best.schedule.predict_x0(xt, t, Conditioned(net, condition_of(None))(xt, t).eps)
            row[f"network, {name}"] = metrics.mse(guess.clamp(-1, 1), x0).mean().item()
            row[f"perfect, {name}"] = metrics.mse(best.x0_hat(xt, t), x0).mean().item()
            row["effective"] = effective_number(best.weights(xt, t)).log().mean().exp().item()
        yield row


def copies(num_images: int = 60) -> Iterator[dict]:
    """How far the nearest of the 5,000 training digits is. Rows: pictures, "nearest" (RMS in [-1, 1]: mean), "farthest" of them.

    Of test digits it says what is usual for a digit that is no copy.
    """
    pictures = training_pictures()[0]
    made = []
    for i in range(0, num_images, COLUMNS):
        *_, last = walk(about(seed=SEED + i))
        made.append(last.x_prev.clamp(-1, 1))
    sets = {
        ROWS[0]: torch.cat([m[:COLUMNS] for m in made]),
        ROWS[1]: torch.cat([m[COLUMNS:] for m in made]),
        "test digits": some_digits(num_images)[0][:num_images],
    }
    for name, x in sets.items():
        distance = nearest(x, pictures)[1]
        yield {"pictures": name, "n": len(x), "nearest": distance.mean().item(), "farthest": distance.max().item()}


MEASURES = {"perfect": over_t, "perfect_copies": copies}


def card() -> kept.Card:
    """A sample of the network, and one of the perfect denoiser from the same noise."""
    film = kept.film("perfect", "mnist")
    return kept.Card(
        "noise; from it a digit by the network, and a training digit by the perfect denoiser",
        [film.xt[0][0], film.final[0], film.final[COLUMNS]],
    )
