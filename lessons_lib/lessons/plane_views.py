"""What can be set on the plane, how a link tells it, and what the page claims. No torch: the picture stands without it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lessons_lib.mixtures import PRESETS

PREFIX = "plane_"
"""Before every name in the link but that of the seed, which all lessons share."""

OWN_DOTS = "your own"
FACE = (  # 45 dots drawn on the page, three characters each: what stands there before somebody draws
    "8nq9tdausbs0cl0d9tdq9e2ie6ee1zdp8d8ccj5bptasd9qs8p97jm6i75kz4rz4363mq3ah36k3b03nr44n4tu5n66km7m7rpfrqeocfnvvnfbn2ymyxmuwmz8n3j"
    "ng6nwyodq"
)
OPTIONS: dict[str, dict[str, str]] = {
    "data": {name: name for name in (*PRESETS, OWN_DOTS)},
    "walk": {"diffusion": "diffusion", "flow": "flow matching", "straight": "straight paths"},
    "shared": {"nothing": "nothing", "first noise": "the first noise", "fresh noise": "the noise on the way"},
    "label": {"any": "all data", "A": "class A", "B": "class B"},
    "arrows": {
        "none": "none",
        "score": "score",
        "eps": "eps",
        "v": "v",
        "velocity": "velocity",
        "x0_hat": "x0_hat",
    },
    "trails": {"tails": "the last bit", "whole": "whole", "none": "none"},
}
DEFAULTS: dict[str, Any] = {
    "data": "letters",
    "walk": "diffusion",
    "num_inference_steps": 50,
    "eta": 0.0,
    "shared": "nothing",
    "label": "any",
    "guidance_scale": 1.0,
    "low": 0.0,
    "high": 1.0,
    "arrows": "none",
    "trails": "tails",
    "ring": None,
    "dots": FACE,
    "seed": 180,
}
RANGES = {
    "num_inference_steps": (1, 100),
    "eta": (0.0, 1.0),
    "guidance_scale": (0.0, 10.0),
    "low": (0.0, 1.0),
    "high": (0.0, 1.0),
    "seed": (0, 2**31 - 1),
    "at": (0.0, 1.0),
}


@dataclass(frozen=True)
class Claim:
    """A question, its answer in one sentence, and the view that shows it: what differs from DEFAULTS."""

    name: str
    question: str
    answer: str
    view: Mapping[str, Any]


_FRESH = {"data": "four blobs", "shared": "first noise", "eta": 1.0}
_GUIDED = {"data": "two blobs", "label": "A", "guidance_scale": 7.0}
CLAIMS = (
    Claim("start", "200 dots of noise: what becomes of them?", "Each follows the same rule to the data: two letters.", {}),
    Claim(
        "fresh_decides",
        "Same first noise, eta 1: where do they land?",
        "In all four blobs: at eta 1 the noise added on the way decides.",
        _FRESH,
    ),
    Claim(
        "first_decides",
        "Same first noise, eta 0: where do they land?",
        "All on one spot: at eta 0 no noise is added, so the first noise decides.",
        _FRESH | {"eta": 0.0},
    ),
    Claim(
        "first_forgotten",
        "Same noise on the way, eta 1?",
        "All on one spot again, wherever they started: at eta 1 the first noise is forgotten.",
        _FRESH | {"shared": "fresh noise"},
    ),
    Claim(
        "straight_paths",
        "Each dot straight to a point of its own?",
        "Every path is straight, and the paths cross.",
        {"data": "four blobs", "walk": "straight", "trails": "whole"},
    ),
    Claim(
        "bent_mean",
        "The mean of those paths: straight?",
        "No: flow matching follows the mean of the paths that cross, and that bends.",
        {"data": "four blobs", "walk": "flow", "trails": "whole"},
    ),
    Claim(
        "one_step",
        "Flow matching in one step?",
        "All land on the mean of the data, where there is none: from noise, every data point is as likely.",
        {"data": "four blobs", "walk": "flow", "num_inference_steps": 1, "trails": "whole"},
    ),
    Claim("overshoot", "Guidance 7 towards A?", "Past the middle of A: guidance pushes on, away from B.", _GUIDED),
    Claim(
        "interval",
        "Guidance 7 at noise 20 to 60% only?",
        "Less than half as far past the middle, and all in A.",
        _GUIDED | {"low": 0.2, "high": 0.6},
    ),
)


def view_of(params: Mapping[str, str]) -> dict[str, Any]:
    """The view that a link tells, DEFAULTS where it tells none or nonsense; "at" is None where it says no time.

    Args: params: the link's parameters, such as {"plane_eta": "1", "seed": "7"}.
    Returns: DEFAULTS' keys and "at", from 0 (noise) to 1 (data).
    """
    view = DEFAULTS | {"at": None}
    for name in view:
        said = params.get(name if name == "seed" else PREFIX + name)
        value = None if said is None else _read(name, said)
        if value is not None:
            view[name] = value
    return view | {"low": min(view["low"], view["high"])}


def _read(name: str, said: str) -> Any:
    """One value of a link, clipped to its range; None for nonsense."""
    if name in OPTIONS:
        return said if said in OPTIONS[name] else None
    if name == "dots":
        return said if re.fullmatch(r"([0-9a-z]{3}){0,80}", said) else None
    numbers = [_number(x) for x in said.split(",")]
    if None in numbers or len(numbers) != (2 if name == "ring" else 1):
        return None
    if name == "ring":
        return [min(max(x, -9.0), 9.0) for x in numbers]
    low, high = RANGES[name]
    value = min(max(numbers[0], low), high)
    return round(value) if isinstance(low, int) else value


def _number(said: str) -> float | None:
    try:
        value = float(said)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
