"""What one function of a student's did while the script watched: its questions to the network, its noise, its result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lessons_lib.checking.check_my_code import MOST_PICTURES as MOST
from lessons_lib.errors import LessonsError

BROKEN = "This file is damaged, or was changed after check_my_code.py made it: run the script again."


@dataclass(frozen=True, eq=False)
class Moment:
    """One moment of a walk: what the network was asked, what it said, and the noise drawn before it was asked again.

    x: (P,) the first picture's values. t: as it was told. answers: {who was asked for: (C, P / C ...) flattened per answer}.
    """

    x: Tensor
    t: float
    answers: dict[int, Tensor]
    noises: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Trace:
    """A run of one function. before: the noise drawn before the network was first asked. out: (results, P), or None.

    others: what else it returned, which may be what was meant: each like out.
    """

    moments: tuple[Moment, ...]
    before: tuple[Tensor, ...]
    out: Tensor | None
    about: dict
    arrays: dict[str, np.ndarray]
    others: tuple[Tensor, ...] = ()

    @property
    def dtype(self) -> str:
        """The coarsest float type that was seen."""
        seen = [*self.about["dtypes"], str(self.about.get("out_dtype", ""))]
        return next((d for d in ("bfloat16", "float16") if d in seen), "float32")

    @property
    def uniform(self) -> bool:
        """Whether a picture of uniform random numbers was drawn."""
        return "uniform" in self.about["kinds"]


def trace_of(name: str, told: dict, arrays: dict[str, np.ndarray]) -> Trace:
    """The run called `name`. Raises LessonsError if the file does not hold together."""
    mine = {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}
    try:
        about = {k: list(told[k]) for k in ("t", "who", "ask", "training", "dtypes", "when", "kinds", "z_row", "randint")} | {
            k: told[k] for k in ("out_dtype", "layout", "loss", "divides", "modes", "changed", "has_class") if k in told
        }
        x, answer, z = (mine.get(k) for k in ("x", "answer", "z"))
        rows, drawn = len(about["t"]), len(about["when"])
        if (
            not len(about["who"])
            == len(about["ask"])
            == rows
            == (0 if x is None else len(x))
            == (0 if answer is None else len(answer))
        ):
            raise LessonsError(BROKEN)
        if not len(about["z_row"]) == len(about["kinds"]) == drawn == (0 if z is None else len(z)):
            raise LessonsError(BROKEN)
        noises = [
            (int(w), _flat(v)) for w, v, row in zip(about["when"], z if drawn else (), about["z_row"], strict=True) if row == 0
        ]
        moments = _moments(about, x, answer, noises) if rows else ()
        before = tuple(v for when, v in noises if when == 0)
        outs = [torch.stack([_flat(o) for o in mine[k]]) for k in (f"out{i or ''}" for i in range(MOST)) if k in mine]
        return Trace(moments, before, outs[0] if outs else None, about, mine, tuple(outs[1:]))
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as e:
        raise LessonsError(BROKEN) from e


def _flat(v: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64)).reshape(-1)


def _moments(about: dict, x: np.ndarray, answer: np.ndarray, noises: list[tuple[int, Tensor]]) -> tuple[Moment, ...]:
    """The rows of the first picture, those that belong to the same x and t taken together."""
    made: list[dict] = []
    first_of: dict[int, np.ndarray] = {}
    for row, (t, who, ask) in enumerate(zip(about["t"], about["who"], about["ask"], strict=True)):
        first = first_of.setdefault(int(ask), x[row])
        if not np.array_equal(x[row], first, equal_nan=True):
            continue  # another picture of the batch
        if not made or made[-1]["t"] != t or not np.array_equal(made[-1]["x"], x[row], equal_nan=True):
            made.append({"x": x[row], "t": float(t), "answers": {}, "asks": []})
        made[-1]["answers"].setdefault(int(who), _flat(answer[row]))
        made[-1]["asks"].append(int(ask))
    moments = []
    for i, m in enumerate(made):
        end = made[i + 1]["asks"][0] if i + 1 < len(made) else np.inf
        drawn = tuple(v for when, v in noises if m["asks"][0] < when <= end)
        moments.append(Moment(_flat(m["x"]), m["t"], m["answers"], drawn))
    return tuple(moments)
