"""What can be set on the plane, how a link tells it, and what the page claims. No torch: the picture stands without it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lessons_lib.maths.mixtures import PRESETS

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
    "ring": (-0.4, 0.9),
    "dots": FACE,
    "at": 0.0,
    "seed": 180,
}
"""at: how far the walk has come, from 0 (noise) to 1 (data); a view at 0 plays. ring: where the marked dot starts."""

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


def read(name: str, said: str) -> Any:
    """A setting as a link has it, clipped to its range.

    Args: name: one of DEFAULTS. said: such as "0.35", "ring", "-0.4,0.9" for the ring, or FACE for the dots.
    Raises: ValueError for what is no value of this setting.
    """
    if name in OPTIONS and said in OPTIONS[name]:
        return said
    if name == "dots" and re.fullmatch(r"([0-9a-z]{3}){0,80}", said):
        return said
    if name == "ring":
        x, y = (min(max(_number(one), -9.0), 9.0) for one in said.split(","))
        return x, y
    if name in RANGES:
        low, high = RANGES[name]
        value = min(max(_number(said), low), high)
        return round(value) if isinstance(low, int) else value
    raise ValueError(f"{said!r} is no {name}")


def text(name: str, value: Any) -> str:
    """A setting as a link has it: read() the other way round."""
    numbers = value if name == "ring" else (value,)
    return ",".join(x if isinstance(x, str) else f"{x:.10g}" for x in numbers)


def _number(said: str) -> float:
    value = float(said)
    if not math.isfinite(value):
        raise ValueError(f"{said!r} is not a number")
    return value
