"""Mixtures of Gaussians in the plane: the data of the lesson "The plane". Numbers only, no torch.

Every p_t of a mixture is again a mixture, so its density, its score and the perfect denoiser are known exactly
(lessons_lib/lessons/plane.py has the formulas). The browser is given the very numbers made here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CLASSES = "AB"


@dataclass(frozen=True, eq=False)
class Mixture:
    """p_0 = sum over k of weights[k] N(means[k], stds[k]^2 I).

    Args:
        means: (K, 2), in the plane's units: the first noise has standard deviation 1.
        stds, weights: (K,), above 0; the weights sum to 1.
        labels: (K,) the class of each Gaussian, 0 for A and 1 for B. Every class is there.
        blobs: (K,) which of the places a person would name it belongs to; a dot takes its colour from where it lands.
    Raises: ValueError for shapes that differ, or numbers that are not as said.
    """

    means: np.ndarray
    stds: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    blobs: np.ndarray

    def __post_init__(self):
        k = len(self.means)
        if self.means.shape != (k, 2) or any(len(x) != k for x in (self.stds, self.weights, self.labels, self.blobs)):
            raise ValueError(f"{k} means of shape {self.means.shape} need as many stds, weights, labels and blobs")
        if not (np.isfinite(self.means).all() and (self.stds > 0).all() and (self.weights > 0).all()):
            raise ValueError("means must be finite, stds and weights above 0")
        if abs(self.weights.sum() - 1) > 1e-9:
            raise ValueError(f"weights must sum to 1, got {self.weights.sum():g}")
        if set(self.labels.tolist()) != set(range(len(CLASSES))):
            raise ValueError(f"labels must name every class, 0 and 1, got {sorted(set(self.labels.tolist()))}")

    def as_lists(self) -> dict[str, list]:
        """The same as plain lists, for the browser."""
        return {name: np.asarray(getattr(self, name)).tolist() for name in ("means", "stds", "weights", "labels", "blobs")}


def mixture(groups: Sequence[tuple[np.ndarray, float, int]], *, blobs: Sequence[int] | None = None) -> Mixture:
    """A mixture of groups (means (n, 2), std, label), each class with half of the weight, equal within it.

    Args: blobs: the blob of each group; its label where not said.
    """
    means = np.concatenate([np.asarray(m, float).reshape(-1, 2) for m, _, _ in groups])
    sizes = [len(np.asarray(m).reshape(-1, 2)) for m, _, _ in groups]
    stds = np.repeat([float(s) for _, s, _ in groups], sizes)
    labels = np.repeat([label for _, _, label in groups], sizes)
    of_group = [label for _, _, label in groups] if blobs is None else list(blobs)
    weights = np.array([0.5 / (labels == label).sum() for label in labels])
    return Mixture(means, stds, weights, labels, np.repeat(of_group, sizes))


def two_blobs() -> Mixture:
    """Two broad blobs that overlap: the simplest place to see what guidance does."""
    return mixture([([[-0.9, 0.0]], 0.5, 0), ([[0.9, 0.0]], 0.5, 1)])


def four_blobs() -> Mixture:
    """Four narrow blobs, A on the left and B on the right: it is easy to say where a dot has landed."""
    corners = [([[x, y]], 0.25, int(x > 0)) for x in (-1.3, 1.3) for y in (1.1, -1.1)]
    return mixture(corners, blobs=range(4))


def two_moons() -> Mixture:
    """Two half circles, one in the other's lap."""
    angle = np.linspace(0, math.pi, 15)
    upper = np.stack([1.35 * np.cos(angle) - 0.65, 1.35 * np.sin(angle) - 0.35], axis=1)
    return mixture([(upper, 0.14, 0), (-upper, 0.14, 1)])


def ring() -> Mixture:
    """A ring of A around a blob of B."""
    angle = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    return mixture([(1.75 * np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.16, 0), ([[0.0, 0.0]], 0.32, 1)])


def letters() -> Mixture:
    """Two letters: class A is an A, class B a B."""
    a = [*_line((-2.25, -1.1), (-1.4, 1.2)), *_line((-1.4, 1.2), (-0.55, -1.1)), *_line((-1.9, -0.3), (-0.9, -0.3), ends=False)]
    stem = _line((0.7, -1.1), (0.7, 1.2))
    upper, lower = _bow((0.7, 1.2), (0.7, 0.1), 1.0), _bow((0.7, 0.1), (0.7, -1.1), 1.25)
    return mixture([(np.array(a), 0.1, 0), (np.array([*stem, *upper, *lower]), 0.1, 1)])


def _line(start, end, *, ends: bool = True, apart: float = 0.22) -> list[tuple[float, float]]:
    """Points on a straight stroke, about `apart` from one another."""
    n = max(2, round(math.dist(start, end) / apart) + 1)
    share = np.linspace(0, 1, n) if ends else np.linspace(0, 1, n + 1)[1:-1]
    return [(start[0] + u * (end[0] - start[0]), start[1] + u * (end[1] - start[1])) for u in share]


def _bow(top, bottom, wide: float) -> list[tuple[float, float]]:
    """Points on a half ellipse that leaves the stem at `top` and comes back to it at `bottom`, `wide` to the right."""
    middle, half = (top[1] + bottom[1]) / 2, (top[1] - bottom[1]) / 2
    n = max(4, round(1.5 * (wide + half) / 0.22))
    return [(top[0] + wide * math.sin(u), middle + half * math.cos(u)) for u in np.linspace(0, math.pi, n)[1:-1]]


PRESETS = {
    "four blobs": four_blobs(),
    "two blobs": two_blobs(),
    "two moons": two_moons(),
    "ring": ring(),
    "letters": letters(),
}
