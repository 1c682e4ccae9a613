"""The digits the lessons show: a hundred that no network was trained on, and what all the training digits average to.

They lie in cache/mnist/digits.npz, made by `python -m lessons_lib.test_digits --data FOLDER` from all of MNIST, because the
5,000 digits that come along when MNIST cannot be had are all out of its training set: no error measured on them would be
the error on something new. Only numpy, so that a page shows its digits before torch is there.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


def keep(data: Path) -> None:
    """Choose the digits from MNIST in torchvision's layout: the first ten of each in the test set's own order."""
    from lessons_lib.mnist import load_digits

    train, test = load_digits("train", data), load_digits("test", data)
    if not (train.complete and test.complete):
        raise LessonsError(f"{data} does not hold all of MNIST: pass the folder that torchvision downloaded it to.")
    index = np.concatenate([(test.labels == k).nonzero()[:OF_EACH, 0].numpy() for k in range(10)])
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, images=test.images[index].numpy(), labels=test.labels[index].numpy(), trained_on=len(train),
        average=train.images.double().mean(0).div(255).float().numpy(),
    )  # fmt: skip
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.test_digits", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="MNIST in torchvision's layout")
    keep(parser.parse_args().data)
    print(f"{PATH.name}: {PATH.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
