"""Solvers: the same network and noise under better and worse rules, at equal calls; and the walk backwards, from a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, noise, seeds_of, settings
from lessons_lib.lessons._digits import DIGITS, SHAPE, of_digits, readings, shared, some_digits
from lessons_lib.maths import metrics
from lessons_lib.maths.flow import euler
from lessons_lib.maths.samplers import Step
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.maths.solvers import DDIM, DPM, HEUN, SOLVERS, invert, moves_of, solve
from lessons_lib.models.digits import last_epoch
from lessons_lib.models.model import Model

MODELS = ("mnist",)
NETWORK, FLOW = "class_conditioned", "flow_matching"
FLOW_EULER = "Euler, flow network"
ALL = (*SOLVERS, FLOW_EULER)
CALLS = (1, 3, 5, 9, 15, 25, 51)
"""Odd, so that Heun can use them all up: two a move, and one for the last."""
OPENINGS = {DDIM: "solvers_ddim", HEUN: "solvers_heun", DPM: "solvers", FLOW_EULER: "solvers_flow"}


def about(solver: str = DPM, **chosen) -> dict:
    """The settings of one solver's walk: calls, guidance_scale, seed. Raises ValueError for another solver."""
    if solver not in ALL:
        raise ValueError(f"solver must be one of {', '.join(ALL)}; got {solver!r}")
    network = FLOW if solver == FLOW_EULER else NETWORK
    same = {"calls": 5, "guidance_scale": 1.0, "seed": SEED}
    return settings({"network": network, "epoch": last_epoch(network), "solver": solver, **same}, chosen)


def descending(schedule: Schedule, moves: int) -> list[int]:
    """So many moves evenly spread from T - 1 down, the last to CLEAN from where the network still has something to say.

    As diffusers' "trailing" spacing has it. Schedule.spaced_timesteps() ends at t = 0, where nearly nothing is left to do: with few
    calls that would be one call wasted.
    """
    T = schedule.T
    return [round(T * (moves - i) / moves) - 1 for i in range(moves)] + [CLEAN]


def by_solver(
    solver: str,
    calls: int,
    *,
    labels: Sequence[int] = DIGITS,
    guidance_scale: float = 1.0,
    seed: int = SEED,
    clip_x0: bool = True,
) -> Iterator[Step]:
    """One picture a label, by one solver, with so many calls of the network a picture (twice as many under guidance)."""
    net, trained = shared(FLOW if solver == FLOW_EULER else NETWORK, last_epoch(FLOW if solver == FLOW_EULER else NETWORK))
    denoiser = of_digits(net, labels, guidance_scale)
    x, _ = noise(SHAPE, seeds_of(seed, len(labels)))
    if solver == FLOW_EULER:
        return euler(denoiser, x, calls)
    timesteps = descending(trained.schedule, moves_of(solver, calls))
    return solve(denoiser, trained.schedule, x, timesteps, solver, clip_x0=clip_x0)


def walk(about: dict) -> Iterator[Step]:
    """The page's walk: one of each digit."""
    return by_solver(about["solver"], about["calls"], guidance_scale=about["guidance_scale"], seed=about["seed"])


def there(x0: Tensor, labels: Sequence[int], num_inference_steps: int, looks: int = 1) -> Iterator[Step]:
    """From digits x0 (B, 1, 28, 28) in [-1, 1] to the noise that they are walked to from: DDIM backwards, at guidance 1."""
    net, trained = shared(NETWORK, last_epoch(NETWORK))
    return invert(
        of_digits(net, labels, 1.0), trained.schedule, x0, descending(trained.schedule, num_inference_steps), looks=looks
    )


def back(xt: Tensor, labels: Sequence[int], num_inference_steps: int) -> Iterator[Step]:
    """DDIM from that noise, at guidance 1 and without clipping."""
    net, trained = shared(NETWORK, last_epoch(NETWORK))
    return solve(of_digits(net, labels, 1.0), trained.schedule, xt, descending(trained.schedule, num_inference_steps))


def there_and_back(x0: Tensor, label: int, num_inference_steps: int, looks: int, back_as: int) -> dict[str, Tensor]:
    """One digit's noise, and what is walked from it: {"noise", "back" (as itself), "as another"}, each (1, 1, 28, 28)."""
    *_, up = there(x0, [label], num_inference_steps, looks)
    *_, down = back(up.x_prev.repeat(2, 1, 1, 1), [label, back_as], num_inference_steps)
    return {"noise": up.x_prev, "back": down.x_prev[:1], "as another": down.x_prev[1:]}


def openings(model: Model) -> Iterator[Opening]:
    """The page's walks, one a solver."""
    for solver, name in OPENINGS.items():
        chosen = about(solver)
        yield Opening(name, chosen, lambda chosen=chosen: walk(chosen), frames=8)


def over_calls(num_images: int = 100, calls: Sequence[int] = CALLS, guidance_scale: float = 1.0) -> Iterator[dict]:
    """How well the judge reads the digits as the calls grow fewer, all from the same noise.

    Rows: calls; for each of ALL the share of pictures read as the digit asked for.
    """
    labels = DIGITS * max(1, num_images // 10)
    asked = torch.tensor(labels)
    for n in calls:
        row: dict = {"calls": n}
        for solver in ALL:
            *_, last = by_solver(solver, n, labels=labels, guidance_scale=guidance_scale)
            row[solver] = (readings(last.x_prev)[0] == asked).float().mean().item()
        yield row


def error_over_calls(num_images: int = 20, calls: Sequence[int] = CALLS, reference: int = 299) -> Iterator[dict]:
    """How far each solver's picture is from where the ODE itself leads, without clipping and guidance, from the same noise.

    The ODE's own picture is Heun's with `reference` calls. The flow network has another ODE, and is left out.
    Rows: calls; for each of SOLVERS the RMS distance, pixels in [-1, 1], mean over the pictures.
    """
    how = {"labels": DIGITS * max(1, num_images // 10), "clip_x0": False}
    *_, true = by_solver(HEUN, reference, **how)
    for n in calls:
        row: dict = {"calls": n}
        for solver in SOLVERS:
            *_, last = by_solver(solver, n, **how)
            row[solver] = metrics.mse(last.x_prev, true.x_prev).sqrt().mean().item()
        yield row


def inversion_over_steps(num_images: int = 20, steps: Sequence[int] = (5, 10, 20)) -> Iterator[dict]:
    """How far a test digit is from what comes back of it: its noise by DDIM backwards, walked forwards again as the same digit.

    Rows: num_inference_steps; "1 look" and "3 looks": RMS distance to the digit, pixels in [-1, 1], mean over the digits; and, with
    one look, "told another": the same distance when the walk forwards is told another digit; "std" of the noise found, and its
    "correlation" with the digit, which for real noise would be 1 and 0.
    """
    x0, labels = some_digits(num_images)
    other = [(label + 5) % 10 for label in labels.tolist()]

    def off(xt: Tensor, told: Sequence[int], n: int) -> float:
        *_, down = back(xt, told, n)
        return metrics.mse(down.x_prev, x0).sqrt().mean().item()

    for n in steps:
        row: dict = {"num_inference_steps": n}
        for looks in (1, 3):
            *_, up = there(x0, labels.tolist(), n, looks)
            row[f"{looks} look{'s' * (looks > 1)}"] = off(up.x_prev, labels.tolist(), n)
            if looks == 1:
                row["told another"] = off(up.x_prev, other, n)
                found = up.x_prev
        row |= {"std": found.std().item(), "correlation": likeness(found, x0).mean().item()}
        yield row


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """The correlation of two pictures' pixels, one a picture: 1 for the same up to brightness and contrast, 0 for unrelated noise."""
    a, b = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (a, b))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


MEASURES = {"solvers": over_calls, "solvers_error": error_over_calls, "solvers_inversion": inversion_over_steps}


def card() -> kept.Card:
    """The same noise, five calls: DDIM, Heun, DPM-Solver++(2M)."""
    films = [kept.film(OPENINGS[solver], "mnist") for solver in SOLVERS]
    return kept.Card("a 2 from the same noise with five calls of the network, by three solvers", [f.final[2] for f in films])
