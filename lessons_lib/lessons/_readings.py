"""Two prompts in one picture: how well both are read in it, and which pairs of prompts a model can put into one.

The judge reads a picture seen in both ways: an anagram as it is and through its view, a hybrid from afar and from near.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from lessons_lib.maths.samplers import Step
from lessons_lib.models.model import Model


@dataclass(frozen=True)
class Readings:
    """One picture, read as each of its two prompts. ranks: 0 is the judge's first reading. sure: its probabilities."""

    ranks: tuple[int, int]
    sure: tuple[float, float]

    @property
    def score(self) -> float:
        """Higher is better. The worse of the two readings counts: its rank, then its probability."""
        return min(self.sure) - max(self.ranks)

    @property
    def both(self) -> bool:
        """True if the judge reads both prompts among its first five."""
        return max(self.ranks) < 5


def read_both(model: Model, one: Tensor, two: Tensor, prompt: str, other: str) -> list[Readings] | None:
    """Read pictures seen in two ways, one as prompt, two as other: (B, C, H, W) each. None if the judge knows no such thing."""
    labels = model.class_of(prompt), model.class_of(other)
    if model.judge is None or None in labels:
        return None
    ranks = [model.judge.rank(x, label).tolist() for x, label in zip((one, two), labels, strict=True)]
    sure = [model.judge.read(x)[:, label].tolist() for x, label in zip((one, two), labels, strict=True)]
    return [Readings(r, s) for r, s in zip(zip(*ranks, strict=True), zip(*sure, strict=True), strict=True)]


def quality(found: Sequence[Readings]) -> tuple[int, float]:
    """Higher is better: in how many pictures both prompts are among the judge's first five, then the best picture's score."""
    return sum(r.both for r in found), max((r.score for r in found), default=-math.inf)


def by_quality(
    model: Model,
    pairs: Sequence[tuple[str, str]],
    walk: Callable[[tuple[str, str]], Iterator[Step]],
    seen: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> Iterator[dict]:
    """What the judge reads in each pair's pictures: a measure.

    Args: walk: a pair -> the page's walk of it. seen: pictures -> the two ways they are looked at.
    Rows: pair, "prompt / other"; both, the share of pictures in which both prompts are among the judge's first five; score, the
    best picture's.
    """
    for pair in pairs:
        *_, last = walk(pair)
        found = read_both(model, *seen(last.x_prev.clamp(-1, 1)), *pair) or []
        both, score = quality(found)
        yield {"pair": " / ".join(pair), "both": both / max(1, len(found)), "score": score}
