"""Loss curves: read from a losses.csv, and thinned for a plot. Without torch."""

from __future__ import annotations

from pathlib import Path


def read_losses(path: str | Path) -> tuple[list[int], list[float]]:
    """(steps, losses) of a losses.csv; a half-written last line is left out."""
    steps, losses = [], []
    for line in Path(path).read_text().splitlines()[1:]:
        step, _, loss = line.partition(",")
        try:
            pair = int(step), float(loss)
        except ValueError:
            continue
        steps.append(pair[0])
        losses.append(pair[1])
    return steps, losses


def thinned(steps: list[int], values: list[float], points: int = 300) -> tuple[list[float], list[float]]:
    """A curve thinned to at most so many points, each the mean of the steps it stands for.

    >>> thinned([1, 2, 3, 4, 5], [5.0, 3.0, 2.0, 2.0, 1.0], points=3)
    ([1.5, 3.5, 5.0], [4.0, 2.0, 1.0])
    """
    if points < 1:
        raise ValueError(f"points must be at least 1, got {points}")
    width = max(1, -(-len(steps) // points))
    groups = [slice(i, i + width) for i in range(0, len(steps), width)]
    return ([sum(steps[g]) / len(steps[g]) for g in groups], [sum(values[g]) / len(values[g]) for g in groups])
