"""The solvers against diffusers' own, against a problem whose answer is known, and the walk back from a picture."""

import math

import pytest
import torch
from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)

from lessons_lib.maths.denoisers import Prediction
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.maths.solvers import DDIM, DPM, HEUN, SOLVERS, invert, moves_of, solve

T, N = 300, 20
SCHEDULE = Schedule.linear(T)
CONFIG = {"num_train_timesteps": T, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
TIMESTEPS = list(range(T - 1, 0, -T // N))  # 299, 284 .. 14: diffusers' "trailing"


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(seed))


def denoiser(xt, t) -> Prediction:
    """Some smooth answer that depends on both and is linear in neither."""
    return Prediction(torch.tanh(xt * (0.5 + t / T)) + 0.1 * torch.roll(xt, 1, -1))


def ours(solver: str, clip: bool = False, x=None) -> torch.Tensor:
    *_, last = solve(denoiser, SCHEDULE, noise() if x is None else x, [*TIMESTEPS, CLEAN], solver, clip_x0=clip)
    assert last.total == N
    return last.x_prev


@pytest.mark.parametrize("clip", [False, True])
def test_ddim_is_diffusers_ddim(clip):
    theirs = DDIMScheduler(**CONFIG, clip_sample=clip, timestep_spacing="trailing")
    theirs.set_timesteps(N)
    assert theirs.timesteps.tolist() == TIMESTEPS
    x = noise()
    for t in theirs.timesteps:
        x = theirs.step(denoiser(x, int(t)).eps, t, x, use_clipped_model_output=clip).prev_sample
    torch.testing.assert_close(ours(DDIM, clip), x, rtol=1e-4, atol=2e-5)


def walked_in_sigma(theirs) -> torch.Tensor:
    """diffusers' Euler and Heun keep x / sqrt(abar), and sigmas instead of alpha_bars."""
    theirs.set_timesteps(timesteps=TIMESTEPS)
    x = noise() / math.sqrt(SCHEDULE.alpha_bar(TIMESTEPS[0]))
    for t in theirs.timesteps:
        x = theirs.step(denoiser(theirs.scale_model_input(x, t), int(t)).eps, t, x).prev_sample
    return x


def test_ddim_is_eulers_method():
    torch.testing.assert_close(ours(DDIM), walked_in_sigma(EulerDiscreteScheduler(**CONFIG)), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("clip", [False, True])
def test_heun_is_diffusers_heun(clip):
    theirs = HeunDiscreteScheduler(**CONFIG, clip_sample=clip)
    torch.testing.assert_close(ours(HEUN, clip), walked_in_sigma(theirs), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_dpm_solver_is_diffusers_dpm_solver(n):
    theirs = DPMSolverMultistepScheduler(**CONFIG, algorithm_type="dpmsolver++", solver_order=2)
    timesteps = TIMESTEPS[:: N // n]
    theirs.set_timesteps(timesteps=timesteps)
    x = noise()
    for t in theirs.timesteps:
        x = theirs.step(denoiser(x, int(t)).eps, t, x).prev_sample
    *_, last = solve(denoiser, SCHEDULE, noise(), [*timesteps, CLEAN], DPM)
    torch.testing.assert_close(last.x_prev, x, rtol=1e-4, atol=2e-5)


def test_the_inversion_is_diffusers_inversion():
    theirs = DDIMInverseScheduler(**CONFIG, clip_sample=False, timestep_spacing="trailing")
    theirs.set_timesteps(N)
    assert theirs.timesteps.tolist() == TIMESTEPS[::-1]
    x = noise(1).clamp(-1, 1)
    *_, last = invert(denoiser, SCHEDULE, x, [*TIMESTEPS, CLEAN])
    for t in theirs.timesteps:
        x = theirs.step(denoiser(x, int(t)).eps, t, x).prev_sample
    torch.testing.assert_close(last.x_prev, x, rtol=1e-4, atol=2e-5)


def gaussian(std: float):
    """The perfect denoiser of data that is N(0, std^2): every walk must end at noise times std (with no prior mismatch)."""

    def answer(xt, t):
        a = SCHEDULE.alpha_bar(t)
        x0 = math.sqrt(a) * std**2 / (a * std**2 + 1 - a) * xt
        return Prediction(SCHEDULE.predict_eps(xt, t, x0))

    return answer


def error(solver: str, moves: int) -> float:
    """Against the true solution of the ODE: x keeps its place in units of the standard deviation it then has."""
    std, x = 0.5, noise().double()
    timesteps = [round(299 - 290 * i / moves) for i in range(moves + 1)]  # down to t = 9, so that orders can be seen
    *_, last = solve(gaussian(std), SCHEDULE, x, timesteps, solver)
    a, b = SCHEDULE.alpha_bar(299), SCHEDULE.alpha_bar(9)
    true = x * math.sqrt((b * std**2 + 1 - b) / (a * std**2 + 1 - a))
    return (last.x_prev - true).abs().max().item()


@pytest.mark.parametrize(("solver", "order"), [(DDIM, 1), (HEUN, 2), (DPM, 2)])
def test_halving_the_moves_costs_what_the_order_says(solver, order):
    ratio = error(solver, 29) / error(solver, 58)
    assert 0.7 * 2**order < ratio < 1.5 * 2**order


def test_calls():
    for solver in SOLVERS:
        asked = []

        def counted(xt, t, asked=asked):
            asked.append(t)
            return denoiser(xt, t)

        list(solve(counted, SCHEDULE, noise(), [*TIMESTEPS, CLEAN], solver))
        assert len(asked) == (2 * N - 1 if solver == HEUN else N)
        assert moves_of(solver, len(asked)) == N


def test_more_moves_and_more_looks_bring_the_picture_back_nearer():
    x0 = noise(2).clamp(-1, 1)

    def off(n: int, looks: int) -> float:
        timesteps = SCHEDULE.spaced_timesteps(n)
        *_, there = invert(gaussian(0.6), SCHEDULE, x0, timesteps, looks=looks)
        *_, back = solve(gaussian(0.6), SCHEDULE, there.x_prev, timesteps)
        return (back.x_prev - x0).abs().max().item()

    assert off(50, 1) < off(10, 1) / 2
    assert off(50, 4) < off(50, 1) / 2


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: list(solve(denoiser, SCHEDULE, noise(), [10, 5], "RK4")), "one of DDIM"),
        (lambda: list(solve(denoiser, SCHEDULE, noise(), [5, 10])), "descend"),
        (lambda: list(solve(denoiser, SCHEDULE, noise(), [5])), "at least two"),
        (lambda: list(invert(denoiser, SCHEDULE, noise(), [10, 5])), "end at CLEAN"),
        (lambda: list(invert(denoiser, SCHEDULE, noise(), [10, CLEAN], looks=0)), "looks"),
        (lambda: moves_of(HEUN, 4), "odd"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()
