"""Two prompts in one picture: how well both are read in it, and which pairs of prompts a model can put into one.

The judge reads a picture seen in both ways: an anagram as it is and through its view, a hybrid from afar and from near.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from lessons_lib.models.model import Model
from lessons_lib.samplers import Step

ANAGRAMS = {  # (prompt, turned prompt): shapes and colours that go together when one of them is turned by 180 degrees
    "mnist": (("6", "9"), ("5", "2"), ("1", "7"), ("8", "3"), ("4", "6"), ("9", "2")),
    "emoji": (
        ("an ice cream cone", "a light bulb"), ("a candle", "an ice cream cone"), ("a penguin", "a skull"), ("an onion", "an egg"),
        ("a nose", "a light bulb"), ("a pear", "a light bulb"), ("a strawberry", "a castle"), ("a hatching chick", "an onion"),
        ("a balloon", "an ice cream cone"), ("a drop of water", "an onion"), ("a banana", "a crescent moon"), ("a wolf", "an elephant"),
    ),
}  # fmt: skip
HYBRIDS = {  # (far prompt, near prompt): of one colour and outline, so that from afar the fine lines of the near one do no harm
    "mnist": (("6", "0"), ("8", "3"), ("9", "4"), ("0", "6"), ("7", "1"), ("3", "5"), ("9", "8"), ("2", "1")),
    "emoji": (
        ("a light bulb", "an ice cream cone"), ("a drop of water", "a dress"), ("an egg", "an onion"), ("a baby", "a full moon"),
        ("an old man", "a baby"), ("a cloud", "a sheep"), ("a pizza", "a cookie"), ("a strawberry", "a ladybug"),
        ("a banana", "a trumpet"), ("a full moon", "an onion"), ("a hatching chick", "an egg"), ("a wolf", "an elephant"),
    ),
}  # fmt: skip


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


def candidates(table: dict[str, tuple[tuple[str, str], ...]], model: Model) -> tuple[tuple[str, str], ...]:
    """The pairs to try with a model; for one that has none of its own, its first two prompts."""
    return table.get(model.name, (tuple(model.prompts[:2]),))


def best_pair(
    model: Model, pairs: Sequence[tuple[str, str]], walk: Callable[..., Iterator[Step]],
    seen: Callable[[Tensor], tuple[Tensor, Tensor]], *, num_images: int = 6, finalists: int = 2,
) -> tuple[str, str]:  # fmt: skip
    """The pair of prompts that the judge reads best in what the model makes of them.

    All pairs in few steps, two pictures each; then the best ones as the page runs them. Of these, the one with most pictures
    in which both prompts are among the judge's first five; between equals, the one with the best picture.

    Args: walk: (prompts, others, num_images=, timesteps=) -> the walk of so many pictures, one pair each. seen: pictures ->
    the two ways they are looked at. Without a judge, the first pair.
    """
    if model.judge is None or len(pairs) == 1:
        return pairs[0]

    def made(pair: tuple[str, str], x: Tensor) -> list[Readings]:
        return read_both(model, *seen(x.clamp(-1, 1)), *pair) or []

    few, each, screened = model.schedule.spaced_timesteps(12), 2, {}
    for i in range(0, len(pairs), 4):
        part = [p for p in pairs[i : i + 4] for _ in range(each)]
        *_, last = walk([a for a, _ in part], [b for _, b in part], num_images=len(part), timesteps=few)
        for k in range(0, len(part), each):
            found = made(part[k], last.x_prev[k : k + each])
            mean = math.exp(sum(math.log(1 + max(r.ranks)) for r in found) / len(found)) if found else math.inf
            screened[part[k]] = mean
            print(
                f"   {' / '.join(part[k])}: worse of the two ranks {mean:.1f} (geometric mean of {each}, few steps)", flush=True
            )
    best: tuple[tuple[int, float], tuple[str, str]] | None = None
    for pair in sorted(pairs, key=screened.get)[:finalists]:
        *_, last = walk(*pair, num_images=num_images, timesteps=None)
        found = made(pair, last.x_prev)
        quality = sum(r.both for r in found), max((r.score for r in found), default=-math.inf)
        ranks = ", ".join(str(max(r.ranks) + 1) for r in found)
        print(f"   {' / '.join(pair)}: both in the top 5 in {quality[0]} of {num_images}; worse ranks {ranks}", flush=True)
        if best is None or quality > best[0]:
            best = quality, pair
    return best[1]
