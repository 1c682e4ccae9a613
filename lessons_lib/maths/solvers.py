"""The same walk without fresh noise, by better and worse rules: solvers of the probability-flow ODE, and that ODE backwards.

Divide x_t by sqrt(abar_t), and write sigma = sqrt((1 - abar) / abar) for the noise that then is in it. A diffusion model walked
without fresh noise follows one ordinary differential equation:

    d(x_t / sqrt(abar_t)) / d sigma = eps(x_t, t)                     (Song et al. 2020, "DDIM", arXiv:2010.02502, eq. 14)

Solvers differ in how they go from one sigma to the next, and in how often they ask the network for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lessons_lib.maths.denoisers import Denoiser
from lessons_lib.maths.samplers import Step, move
from lessons_lib.maths.schedule import CLEAN, Schedule

DDIM, HEUN, DPM = "DDIM", "Heun", "DPM-Solver++(2M)"
SOLVERS = (DDIM, HEUN, DPM)


def moves_of(solver: str, calls: int) -> int:
    """The moves that a solver makes of so many calls. Raises ValueError for a number that it cannot use up.

    >>> moves_of(DDIM, 9), moves_of(HEUN, 9)
    (9, 5)
    >>> moves_of(HEUN, 8)
    Traceback (most recent call last):
    ValueError: Heun cannot use exactly 8 calls: it needs an odd number
    """
    if calls < 1 or (_known(solver) == HEUN and calls % 2 == 0):
        raise ValueError(f"{solver} cannot use exactly {calls} calls" + (": it needs an odd number" if solver == HEUN else ""))
    return (calls + 1) // 2 if solver == HEUN else calls


@torch.no_grad()
def solve(
    denoiser: Denoiser, schedule: Schedule, xt: Tensor, timesteps: Sequence[int], solver: str = DDIM, *, clip_x0: bool = False
) -> Iterator[Step]:
    """Walk xt along the timesteps without fresh noise, one Step a move.

    DDIM is Euler's method on the equation above: the noise found now is taken for the whole move. Heun goes so, looks again where
    it arrives, and takes the mean of both. DPM-Solver++(2M) draws a line through this x0_hat and that of the move before, and
    follows it in log(alpha / sigma): second order too, at one call a move.

    Args: xt (B, C, H, W), the picture at timesteps[0]. timesteps: strictly descending; the last may be CLEAN, where every solver
        goes straight to x0_hat. clip_x0: keep every x0_hat in [-1, 1]; what is walked is then no longer quite the ODE.
    Yields: Step; eps and x0_hat are of the first call of its move.
    Raises: ValueError for another solver, or timesteps that do not descend.
    Source: Song et al. 2020, eq. 12 (DDIM); Karras et al. 2022, arXiv:2206.00364, algorithm 1 (Heun); Lu et al. 2022,
    "DPM-Solver++", arXiv:2211.01095, algorithm 2.
    """
    _known(solver)
    timesteps = [schedule.check_timestep(t, clean_allowed=i > 0) for i, t in enumerate(timesteps)]
    if len(timesteps) < 2 or any(b >= a for a, b in zip(timesteps, timesteps[1:], strict=False)):
        raise ValueError(f"timesteps must be at least two and descend, got {timesteps}")

    def guess(x: Tensor, t: int) -> Tensor:
        x0_hat = schedule.predict_x0(x, t, denoiser(x, t).eps)
        return x0_hat.clamp(-1, 1) if clip_x0 else x0_hat

    before: tuple[int, Tensor] | None = None  # the timestep and x0_hat of the move before
    total = len(timesteps) - 1
    for index, (t, t_prev) in enumerate(zip(timesteps, timesteps[1:], strict=False)):
        x0_hat = guess(xt, t)
        x_prev = move(schedule, xt, x0_hat, t, t_prev, None, eta=0.0)
        if solver == HEUN and t_prev != CLEAN:
            eps = schedule.predict_eps(xt, t, x0_hat)
            eps_there = schedule.predict_eps(x_prev, t_prev, guess(x_prev, t_prev))
            x_prev = _along(schedule, xt, t, t_prev, (eps + eps_there) / 2)
        elif solver == DPM and t_prev != CLEAN and before is not None:
            there, here, last = (_log_snr(schedule, s) for s in (t_prev, t, before[0]))
            line = x0_hat + (x0_hat - before[1]) * (there - here) / (here - last) / 2
            x_prev = move(schedule, xt, line, t, t_prev, None, eta=0.0)
        yield Step(index, total, t, t_prev, xt, schedule.predict_eps(xt, t, x0_hat), x0_hat, x_prev, eta=0.0)
        xt, before = x_prev, (t, x0_hat)


@torch.no_grad()
def invert(denoiser: Denoiser, schedule: Schedule, x0: Tensor, timesteps: Sequence[int], *, looks: int = 1) -> Iterator[Step]:
    """DDIM backwards: from a picture to the noise that DDIM would walk to it from, one Step a move.

    A move from t_prev up to t has to use the noise that the network finds at its end, where it has not been yet. It is asked
    about the picture that is there now, as if that were at t already, and, with more looks, again about where the last look led.

    Args: x0 (B, C, H, W) in [-1, 1]. timesteps: as for the walk back, descending and ending at CLEAN; gone through upwards.
        looks: at least 1; each is a call of the network.
    Yields: Step with t below t_prev, which here is where it goes. Raises: ValueError for timesteps that do not descend to CLEAN.
    Source: Song et al. 2020, section 4.3 (encoding); looking again: Pan et al. 2023, arXiv:2309.04907, fixed-point iteration.
    """
    upwards = list(timesteps)[::-1]
    if looks < 1:
        raise ValueError(f"looks must be at least 1, got {looks}")
    if len(upwards) < 2 or upwards[0] != CLEAN or any(b <= a for a, b in zip(upwards, upwards[1:], strict=False)):
        raise ValueError(f"timesteps must descend and end at CLEAN (-1), got {list(timesteps)}")
    x, total = x0, len(upwards) - 1
    for index, (t, t_up) in enumerate(zip(upwards, upwards[1:], strict=False)):
        there = x
        for _ in range(looks):
            eps = denoiser(there, t_up).eps
            there = _along(schedule, x, t, t_up, eps)
        yield Step(index, total, t, t_up, x, eps, schedule.predict_x0(there, t_up, eps), there, eta=0.0)
        x = there


def _along(schedule: Schedule, x: Tensor, t: int, t_end: int, eps: Tensor) -> Tensor:
    """From t to t_end in a straight line of x / sqrt(abar) over sigma, whose slope is eps. Upwards or downwards."""
    a, a_end = schedule.alpha_bar(t), schedule.alpha_bar(t_end)
    sigma, sigma_end = math.sqrt((1 - a) / a), math.sqrt((1 - a_end) / a_end)
    return math.sqrt(a_end) * (x / math.sqrt(a) + (sigma_end - sigma) * eps)


def _log_snr(schedule: Schedule, t: int) -> float:
    """log(alpha / sigma), half the logarithm of the signal-to-noise ratio."""
    return math.log(schedule.snr(t)) / 2


def _known(solver: str) -> str:
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}; got {solver!r}")
    return solver
