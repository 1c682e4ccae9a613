"""Which pieces a student's function is made of: every right one and every classic mistake is tried on what it did."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lessons_lib.checking.mistakes import MISTAKES, Mistake, Pieces

UNIT = {"float32": 6e-8, "float16": 4.9e-4, "bfloat16": 3.9e-3}  # half a unit in the last place of 1
CLEARLY = 0.4  # a mistake is named only if what is left unexplained falls to less than this share

NEAR = 3  # how many times what rounding may do: nearer than this, two right ways are hard to tell apart


@dataclass(frozen=True)
class Verdict:
    """What is said of one function.

    state: "right"; "wrong"; "failed", it did not run; "missing", it is not in the file. said: in plain sentences.
    mistakes: names in MISTAKES of what was found. error: the largest difference from the right one, where it can be told.
    """

    function: str
    state: str
    said: str
    mistakes: tuple[str, ...] = ()
    error: float | None = None

    @property
    def right(self) -> bool:
        return self.state == "right"


@dataclass(frozen=True)
class Guess:
    """Pieces that a student may have written: right in one of its ways (words says which), or with mistakes.

    context: what else is guessed, and is no piece: which noise went where, which table was read. alone: no mistakes are
    looked for on top of it.
    """

    pieces: Pieces
    words: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    context: object = None
    alone: bool = False


@dataclass(frozen=True)
class Fit:
    """How well a guess explains what was seen, in units of what rounding may do: worst of all places, and their mean square."""

    guess: Guess
    worst: float
    total: float


def right_ways(ways: dict[str, Sequence[tuple[Callable, str]]]) -> list[Guess]:
    """Every combination of the right ways to write each piece: {piece: [(function, a word about it or "")]}."""
    made = []
    for chosen in itertools.product(*ways.values()):
        pieces = {piece: function for piece, (function, _) in zip(ways, chosen, strict=True)}
        made.append(Guess(replace(Pieces(), **pieces), tuple(word for _, word in chosen if word)))
    return made


def with_mistakes(guess: Guess, names: Sequence[str], pieces: Sequence[str]) -> Iterator[Guess]:
    """A guess with these mistakes in those of the pieces that matter here, in each of their ways."""
    touched: set[str] = set()
    ways: list[list[tuple[str, Callable]]] = []
    for name in names:
        functions = {p: f for p, f in MISTAKES[name].functions.items() if p in pieces}
        if touched & set(functions):
            return  # two mistakes cannot be in one piece
        touched |= set(functions)
        ways += [[(piece, f) for f in alternatives] for piece, alternatives in functions.items()]
    for chosen in itertools.product(*ways):
        yield replace(guess, pieces=replace(guess.pieces, **dict(chosen)), mistakes=tuple(names))


def that_matter(pieces: Sequence[str], without: Sequence[str] = ()) -> list[str]:
    """The mistakes that can be made in these pieces."""
    return [m.name for m in MISTAKES.values() if set(m.wrong) & set(pieces) and m.name not in without]


def find(
    rights: list[Guess], pieces: Sequence[str], fit: Callable[[Guess], Fit], *, without: Sequence[str] = (), most: int = 2
) -> Fit:
    """The likeliest guess: right, else with one mistake, else with two; at worst the nearest, whose `worst` is above 1.

    Half precision blurs: a right guess that fits gives way to a mistake that explains clearly more.
    """
    names = that_matter(pieces, without)
    tried = [fit(r) for r in rights]
    right = min(tried, key=_rank)
    if most < 1 or right.worst <= 1 and right.total < 1e-4:
        return right
    if right.worst <= 1:  # is there a mistake so small that it hides in the rounding? Then its other pieces fit as well
        near = [f.guess for f in tried if f.worst <= NEAR]
        one = _best(fit, (g for n in names for g in _changed(near, [n], pieces)))
        return one if one.worst <= 1 and one.total < CLEARLY * right.total else right
    one = _best(fit, (g for n in names for g in _changed(rights, [n], pieces)))
    if one.worst <= 1 or most < 2:
        return min((one, right), key=_rank)
    two = _best(fit, (g for n in itertools.combinations(names, 2) for g in _changed(rights, n, pieces)))
    return min((two, one, right), key=_rank)


def _changed(rights: list[Guess], names: Sequence[str], pieces: Sequence[str]) -> Iterator[Guess]:
    """Every right way with these mistakes, each once: ways that differ only in a piece that is mistaken are the same."""
    seen = set()
    for right in (r for r in rights if not r.alone):
        for guess in with_mistakes(right, names, pieces):
            key = (guess.pieces, guess.context)
            if key not in seen:
                seen.add(key)
                yield guess


def _rank(fit: Fit) -> tuple[bool, float]:
    return fit.worst > 1, fit.total


def _best(fit: Callable[[Guess], Fit], guesses) -> Fit:
    return min(map(fit, guesses), key=_rank, default=Fit(Guess(Pieces()), float("inf"), float("inf")))


def apart(x: Tensor, y: Tensor) -> float:
    """RMS of the difference; infinite where it is not finite."""
    d = (x - y).square().mean().sqrt().item()
    return d if d == d else float("inf")


def rms(x: Tensor) -> float:
    return x.square().mean().sqrt().item()


def fit_of(guess: Guess, errors: Sequence[float], allowed: Sequence[float]) -> Fit:
    """errors and what rounding may make of them, one of each a place."""
    ratios = [e / a for e, a in zip(errors, allowed, strict=True)]
    return Fit(guess, max(ratios), sum(min(r, 1e6) ** 2 for r in ratios) / len(ratios))


def why(names: Sequence[str]) -> str:
    """The mistakes as sentences: title and reason."""
    found: list[Mistake] = [MISTAKES[n] for n in names]
    return " ".join(f"{'And' if i else 'Found'}: **{m.title}**. {m.why}" for i, m in enumerate(found))


def precision(dtype: str) -> str:
    """What is said about half precision, or nothing."""
    if dtype == "float16":
        return "It computes in float16: agreement is to three digits."
    if dtype == "bfloat16":
        return "It computes in bfloat16, two to three digits: an index off by one could hide in that, run it once in float32."
    return ""


UNIFORM = "**uniform noise** (torch.rand) where normal noise (torch.randn) belongs."
NONE_FITS = "It differs, and none of the classic mistakes explains it."
GROWS = "Its pictures grow from move to move, until they are infinite or NaN: something is divided by 0, or a weight is far too large."


def of_uniform(noises: Sequence[Tensor]) -> list[Tensor]:
    """What a student may make of torch.rand's numbers in [0, 1): as they are, centred, from -1 to 1, with variance 1."""
    return [m for u in noises for m in (u, u - 0.5, 2 * u - 1, (u - 0.5) * 12**0.5)]


def told_by_weights(x_next: Tensor, parts: dict[str, Tensor], right: dict[str, float]) -> tuple[str, float]:
    """(the weights with which x_next is made of these parts, against the right ones; how far off the worst of them is).

    ("", 0) if it is not made of them, or if two of them are so much alike that their weights cannot be told.
    """
    columns = torch.stack(list(parts.values()), 1)
    spread = torch.linalg.svdvals(columns / columns.norm(dim=0))
    if not spread[-1] > 0.02 * spread[0]:
        return "", 0.0
    weights = torch.linalg.lstsq(columns, x_next[:, None]).solution[:, 0]
    if not apart(columns @ weights, x_next) < 0.02 * rms(x_next):
        return "", 0.0
    told = dict(zip(parts, weights.tolist(), strict=True))
    off = max(abs(w - right[k]) / (abs(right[k]) + 0.01) for k, w in told.items())
    return ", ".join(f"{k} {w:.3f} (right: {right[k]:.3f})" for k, w in told.items()), off


def all_finite(x: Tensor | None) -> bool:
    return x is None or bool(torch.isfinite(x).all())
