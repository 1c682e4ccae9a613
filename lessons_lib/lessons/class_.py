"""Adding class: four of each digit as they were asked for, through the training and over guidance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, seeds_of, settings
from lessons_lib.lessons._digits import DIGITS, digits_from_noise, errors_at, of_digits, readings, shared, some_digits, spread
from lessons_lib.maths import metrics
from lessons_lib.maths.samplers import Step
from lessons_lib.models.digits import epochs_of, last_epoch
from lessons_lib.models.model import Model

MODELS = ("mnist",)
NETWORK, COLUMNS = "class_conditioned", 10
GUIDANCE_SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0)


def about(**chosen) -> dict:
    """The settings of the page's walk: network, epoch, guidance_scale, num_inference_steps, variance_type, seed."""
    same = {"guidance_scale": 5.0, "num_inference_steps": 12, "variance_type": "fixed_large", "seed": SEED}
    network = chosen.get("network", NETWORK)
    return settings({"network": network, "epoch": last_epoch(network), **same}, chosen)


def opening_name(epoch: int, network: str = NETWORK) -> str:
    """The kept film of an epoch; the last one's is the page's own. None is kept of a network that does not ship."""
    if network != NETWORK:
        return f"class_{network}_{epoch}"
    return "class" if epoch == last_epoch(NETWORK) else f"class_epoch_{epoch}"


def four_of_each(
    epoch: int,
    *,
    of_each: int = 4,
    guidance_scale: float = 5.0,
    seed: int = SEED,
    num_inference_steps: int = 12,
    variance_type: str = "fixed_large",
    eta: float = 1.0,
    network: str = NETWORK,
) -> Iterator[Step]:
    """of_each pictures of every digit as one batch, the digits 0 .. 9 in every row of ten, under guidance."""
    net, trained = shared(network, epoch)
    denoiser = of_digits(net, DIGITS * of_each, guidance_scale)
    seeds = seeds_of(seed, len(DIGITS) * of_each)
    yield from digits_from_noise(denoiser, trained, seeds, num_inference_steps, variance_type, eta)


def walk(about: dict) -> Iterator[Step]:
    """The page's walk."""
    how = {k: about[k] for k in ("guidance_scale", "seed", "num_inference_steps", "variance_type", "network")}
    return four_of_each(about["epoch"], **how)


def openings(model: Model) -> Iterator[Opening]:
    """A film an epoch."""
    for epoch in epochs_of(NETWORK):
        chosen = about(epoch=epoch)
        yield Opening(opening_name(epoch), chosen, lambda chosen=chosen: walk(chosen), frames=12)


def over_guidance(
    num_images: int = 40,
    guidance_scales: Sequence[float] = GUIDANCE_SCALES,
    num_inference_steps: int = 12,
    *,
    network: str = NETWORK,
) -> Iterator[dict]:
    """As many of each digit at each guidance scale: what it buys and costs.

    Rows: guidance_scale; accuracy, the share the judge reads as the digit asked for; diversity (see metrics.diversity) among
    pictures of one digit; ink, the mean of all pixels in [0, 1], which grows as strokes thicken.
    """
    of_each = max(2, num_images // 10)
    asked = torch.tensor(DIGITS * of_each)
    epoch, same = last_epoch(network), {"of_each": of_each, "num_inference_steps": num_inference_steps, "network": network}
    for scale in guidance_scales:
        *_, last = four_of_each(epoch, guidance_scale=scale, **same)
        x = last.x_prev.clamp(-1, 1)
        yield {
            "guidance_scale": scale,
            "accuracy": (readings(x)[0] == asked).float().mean().item(),
            "diversity": sum(metrics.diversity(x[d::10]) for d in DIGITS) / len(DIGITS),
            "ink": ((x + 1) / 2).mean().item(),
        }


def told_classes(num_images: int = 20, points: int = 8, *, network: str = NETWORK) -> Iterator[dict]:
    """The network's error of eps at each t when told the digit's class, no class, or the next digit's."""
    x0, labels = some_digits(num_images)
    net, trained = shared(network, last_epoch(network))
    for t in spread(trained.T, points):
        yield {
            "t": t,
            "the right class": errors_at(net, trained.schedule, x0, t, labels=labels)[0],
            "class hidden": errors_at(net, trained.schedule, x0, t)[0],
            "a wrong class": errors_at(net, trained.schedule, x0, t, labels=(labels + 1) % 10)[0],
        }


MEASURES = {"class": over_guidance, "class_told": told_classes}


def card() -> kept.Card:
    """Three digits as asked for."""
    film = kept.film("class", "mnist")
    return kept.Card("a 1, a 2 and a 3, each as asked for", [film.final[i] for i in (1, 2, 3)])
