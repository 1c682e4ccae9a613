"""A network at moments of its training: untrained, and after every epoch whose weights ship; and the loss on the way."""

from __future__ import annotations

import json
from functools import cache

from lessons_lib.errors import LessonsError
from lessons_lib.mnist import model
from lessons_lib.mnist.train import Settings, make_unet, read_losses
from lessons_lib.mnist.unet import UNet

UNTRAINED = 0


def moments(network: str) -> list[int]:
    """UNTRAINED and the epochs whose weights ship, in order. Empty if none ship."""
    epochs = model.shipped_epochs(network)
    return [UNTRAINED, *epochs] if epochs else []


def compared(network: str) -> list[int]:
    """The first and the last shipped epoch; if only one ships, the untrained network and it. Empty if none ship."""
    epochs = model.shipped_epochs(network)
    return [epochs[0], epochs[-1]] if len(epochs) > 1 else moments(network)


def three(network: str) -> list[int]:
    """compared(), and the shipped epoch in the middle where there are more than two."""
    epochs = model.shipped_epochs(network)
    return [epochs[0], epochs[len(epochs) // 2], epochs[-1]] if len(epochs) > 2 else compared(network)


def describe(epoch: int) -> str:
    """ "untrained", "after epoch 5"."""
    return "untrained" if epoch == UNTRAINED else f"after epoch {epoch}"


@cache
def network_at(network: str, epoch: int) -> tuple[UNet, Settings]:
    """The network at that moment, in eval mode; UNTRAINED is the very network its training began with. Shared: never train it.

    Raises: LessonsError if it does not ship.
    """
    if epoch != UNTRAINED:
        return model.open_network(network, epoch)
    _, settings = model.open_network(network)
    return make_unet(settings).eval(), settings


@cache
def step_of(network: str, epoch: int) -> int:
    """The optimiser steps done by the end of an epoch, from the weights' own metadata."""
    if epoch == UNTRAINED:
        return 0
    from safetensors import safe_open

    with safe_open(str(model.FOLDER / network / f"epoch-{epoch:02d}.safetensors"), "pt") as f:
        return int(f.metadata()["step"])


@cache
def losses(network: str) -> tuple[list[int], list[float]]:
    """(steps, losses) of the shipped training, one a step; two empty lists if the curve does not ship."""
    try:
        return read_losses(model.FOLDER / network / "losses.csv")
    except OSError:
        return [], []


@cache
def restarts(network: str) -> list[int]:
    """The steps after which the shipped training went on another day, its optimiser beginning anew."""
    try:
        return [int(step) for step in json.loads((model.FOLDER / network / "restarts.json").read_text())]
    except (OSError, ValueError, TypeError):
        return []


def smoothed(steps: list[int], values: list[float], points: int = 300) -> tuple[list[float], list[float]]:
    """A curve thinned to at most so many points, each the mean of the steps it stands for."""
    if points < 1:
        raise ValueError(f"points must be at least 1, got {points}")
    width = max(1, -(-len(steps) // points))
    groups = [slice(i, i + width) for i in range(0, len(steps), width)]
    return ([sum(steps[g]) / len(steps[g]) for g in groups], [sum(values[g]) / len(values[g]) for g in groups])


def last_epoch(network: str) -> int:
    """The last shipped epoch. Raises LessonsError if none ships."""
    epochs = model.shipped_epochs(network)
    if not epochs:
        raise LessonsError(f"No weights of {network} ship with this copy: train the network on the page Train on MNIST.")
    return epochs[-1]


def last_settings(network: str) -> Settings:
    """What the last shipped epoch was trained with. Raises LessonsError if none ships."""
    return network_at(network, last_epoch(network))[1]
