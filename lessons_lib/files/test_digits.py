"""The digits the lessons show: a hundred that no network was trained on, and what all the training digits average to.

They lie in cache/mnist/digits.npz, made by `python -m lessons_lib.mnist --data FOLDER` from all of MNIST, because the
5,000 digits that come along when MNIST cannot be had are all out of its training set: no error measured on them would be
the error on something new. Only numpy, so that a page shows its digits before torch is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from lessons_lib.errors import LessonsError
from lessons_lib.places import CACHE

PATH = CACHE / "mnist" / "digits.npz"
OF_EACH = 10


@dataclass(frozen=True, eq=False)
class Shown:
    """images: (100, 1, 28, 28) uint8 test digits, ten of each in order, 255 is ink. labels: (100,) int64.

    average: (1, 28, 28) float32 in [0, 1], the mean of all training digits. trained_on: how many those are.
    """

    images: np.ndarray
    labels: np.ndarray
    average: np.ndarray
    trained_on: int

    def digit(self, label: int, which: int = 0) -> np.ndarray:
        """(1, 1, 28, 28) uint8, one of the ten of that digit. Raises IndexError outside 0 .. 9."""
        if not (0 <= label <= 9 and 0 <= which < OF_EACH):
            raise IndexError(f"digit {label}, example {which}: both are 0 to 9")
        return self.images[label * OF_EACH + which][None]


@cache
def shown_digits() -> Shown:
    """Raises: LessonsError if the file is missing or broken."""
    try:
        with np.load(PATH, allow_pickle=False) as f:
            return Shown(f["images"], f["labels"], f["average"], int(f["trained_on"]))
    except (OSError, ValueError, KeyError, EOFError) as e:
        raise LessonsError(f"The lessons' digits in {PATH.name} cannot be read: restore them with `git checkout cache`.") from e
