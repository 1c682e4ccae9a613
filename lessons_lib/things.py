"""The shipped small model's things: their pictures by three artists, and the words it was taught.

The second generation, in training, learns from more: models/prompts.py has its words, training/emoji.py its pictures. This
module goes when that model ships.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lessons_lib.places import CACHE

FOLDER = CACHE / "text_to_image"
SIZE = 64
COLUMNS = 32
STYLES = ("noto", "fluent", "twemoji")
HELD_OUT_EVERY = 16  # of the concept-and-style pairs, one in so many is never trained on: does the model compose?
GENERIC = "a high quality picture"


GLUE = ("a", "an", "the", "of", "in", "with", "and", "style", "drawing", "picture", "high", "quality", "photo", "emoji", *STYLES)


@dataclass(frozen=True)
class Concept:
    """One thing the model can draw. `name` is its caption, `keywords` other words for it."""

    name: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pictures:
    """All pictures. images (N, 3, 64, 64) uint8; concept, style (N,) int64; held_out (N,) bool: never trained on."""

    images: Tensor
    concept: Tensor
    style: Tensor
    held_out: Tensor


@cache
def concepts() -> tuple[Concept, ...]:
    return tuple(Concept(c["name"], tuple(c["keywords"])) for c in json.loads((FOLDER / "concepts.json").read_text()))


@cache
def pictures() -> Pictures:
    """The shipped sheet, cut into pictures: concept after concept, each in every style."""
    n = len(concepts()) * len(STYLES)
    sheet = torch.from_numpy(np.array(Image.open(FOLDER / "pictures.png").convert("RGB")))
    rows = sheet.shape[0] // SIZE
    images = sheet.view(rows, SIZE, COLUMNS, SIZE, 3).permute(0, 2, 4, 1, 3).reshape(-1, 3, SIZE, SIZE)[:n].contiguous()
    i = torch.arange(n)
    concept, style = i // len(STYLES), i % len(STYLES)
    # a fixed scatter over the pairs, at most one style of a concept
    held_out = (concept * 7 + style * 5) % HELD_OUT_EVERY == 0
    return Pictures(images, concept, style, held_out)


def vocabulary() -> list[str]:
    """Every word the model has been taught, most needed first."""
    words = dict.fromkeys(GLUE)
    for c in concepts():
        words |= dict.fromkeys(c.name.lower().split())
    for c in concepts():
        words |= dict.fromkeys(c.keywords)
    words |= dict.fromkeys(GENERIC.split())
    return list(words)


def caption(concept: int, style: int | None) -> str:
    """The plain caption: "a rocket in twemoji style", or without the style."""
    name = concepts()[concept].name
    article = "" if name.endswith("s") and not name.endswith("ss") else "an " if name[0] in "aeiou" else "a "
    return f"{article}{name}" + (f" in {STYLES[style]} style" if style is not None else "")
