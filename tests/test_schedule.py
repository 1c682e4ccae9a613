"""Every formula of the schedule, by algebra and against diffusers, and what it refuses."""

import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from lessons_lib.maths.schedule import CLEAN, Schedule

COSINE, LINEAR = Schedule.cosine(1000), Schedule.linear(300)
A_FEW = [(s, t) for s in (COSINE, LINEAR) for t in (0, 1, s.T // 2, s.T - 2)]


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X0, EPS = randn(2, 3, 8, 8).clamp(-1, 1), randn(2, 3, 8, 8, seed=1)


def ids(value):
    return "cosine" if value is COSINE else "linear" if value is LINEAR else None


# --- the schedules themselves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "betas"), [(Schedule.linear(1000), "linear"), (COSINE, "squaredcos_cap_v2")])
def test_alphas_cumprod_are_diffusers(ours, betas):
    theirs = DDPMScheduler(1000, beta_schedule=betas)
    torch.testing.assert_close(ours.alphas_cumprod, theirs.alphas_cumprod.double(), rtol=2e-4, atol=1e-6)  # theirs: float32
    previous = torch.cat([torch.ones(1, dtype=torch.float64), ours.alphas_cumprod[:-1]])
    torch.testing.assert_close(1 - ours.alphas_cumprod / previous, theirs.betas.double(), rtol=1e-4, atol=1e-6)


def test_cosine_is_the_course_part_a():
    rounded = [round(COSINE.alpha_bar(t), 3) for t in (250, 500, 750)] + [round(COSINE.alpha_bar(990), 4)]
    assert rounded == [0.846, 0.492, 0.143, 0.0002]


def test_linear_is_the_course_part_b():
    previous = torch.cat([torch.ones(1, dtype=torch.float64), LINEAR.alphas_cumprod[:-1]])
    torch.testing.assert_close(1 - LINEAR.alphas_cumprod / previous, torch.linspace(1e-4, 0.02, 300, dtype=torch.float64))
    assert round(LINEAR.alpha_bar(299), 3) == 0.048


def test_snr_falls_and_is_infinite_at_the_clean_image():
    snrs = [LINEAR.snr(t) for t in range(CLEAN, LINEAR.T)]
    assert snrs[0] == math.inf
    assert snrs == sorted(snrs, reverse=True)
    assert LINEAR.snr(100) == pytest.approx(LINEAR.alpha_bar(100) / (1 - LINEAR.alpha_bar(100)))


@pytest.mark.parametrize(
    ("alphas_cumprod", "said"),
    [
        ([], r"\(0,\)"),
        ([[0.9, 0.5]], r"\(1, 2\)"),
        ([0.9, 0.9], "0.9 at t = 1"),
        ([0.9, 0.5, 0.7], "0.7 at t = 2"),
        ([1.0, 0.5], "1"),
        ([0.9, 0.0], "0"),
        ([0.9, -0.5], "-0.5"),
        ([0.9, math.nan], "nan"),
    ],
)
def test_what_is_no_schedule_is_refused(alphas_cumprod, said):
    with pytest.raises(ValueError, match=said):
        Schedule(torch.tensor(alphas_cumprod))


@pytest.mark.parametrize("make", [Schedule.linear, Schedule.cosine])
@pytest.mark.parametrize("T", [0, -5, 2.5, math.nan])
def test_a_schedule_of_no_length_is_refused(make, T):
    with pytest.raises(ValueError, match=str(T)):
        make(T)


# --- x0, xt and eps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("schedule", "t"), A_FEW, ids=ids)
def test_add_noise_is_ddpm_eq_4(schedule, t):
    a = schedule.alphas_cumprod[t]
    torch.testing.assert_close(schedule.add_noise(X0, t, EPS), a.sqrt() * X0 + (1 - a).sqrt() * EPS)


def test_add_noise_is_diffusers():
    theirs = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2")
    theirs.alphas_cumprod = COSINE.alphas_cumprod
    t = torch.tensor([3, 990])
    torch.testing.assert_close(COSINE.add_noise(X0, t, EPS), theirs.add_noise(X0, EPS, t))


def test_add_noise_keeps_a_standard_normal_image_standard_normal():
    x, eps = randn(1, 1, 300, 300), randn(1, 1, 300, 300, seed=1)
    assert LINEAR.add_noise(x, 150, eps).std().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("schedule", "t"), A_FEW, ids=ids)
def test_predict_x0_is_ddpm_eq_15_and_undoes_add_noise(schedule, t):
    xt = schedule.add_noise(X0, t, EPS)
    torch.testing.assert_close(schedule.predict_x0(xt, t, EPS), X0)
    a = schedule.alphas_cumprod[t]
    torch.testing.assert_close(schedule.predict_x0(EPS, t, X0), (EPS - (1 - a).sqrt() * X0) / a.sqrt())


@pytest.mark.parametrize(("schedule", "t"), A_FEW, ids=ids)
def test_predict_eps_is_add_noise_solved_for_eps(schedule, t):
    torch.testing.assert_close(schedule.predict_eps(schedule.add_noise(X0, t, EPS), t, X0), EPS)


@pytest.mark.parametrize(("schedule", "t"), A_FEW, ids=ids)
def test_velocity_is_salimans_and_ho_and_gives_eps_back(schedule, t):
    a = schedule.alphas_cumprod[t]
    v = schedule.velocity(X0, t, EPS)
    torch.testing.assert_close(v, a.sqrt() * EPS - (1 - a).sqrt() * X0)
    torch.testing.assert_close(schedule.eps_from_velocity(schedule.add_noise(X0, t, EPS), t, v), EPS)


def test_velocity_is_diffusers():
    theirs = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2")
    theirs.alphas_cumprod = COSINE.alphas_cumprod
    t = torch.tensor([3, 990])
    torch.testing.assert_close(COSINE.velocity(X0, t, EPS), theirs.get_velocity(X0, EPS, t))


def test_a_batch_of_timesteps_is_each_by_itself():
    t = torch.tensor([3, 990])
    both = COSINE.add_noise(X0, t, EPS)
    for i in range(2):
        torch.testing.assert_close(both[i : i + 1], COSINE.add_noise(X0[i : i + 1], int(t[i]), EPS[i : i + 1]))


def test_the_clean_image_is_alpha_bar_1():
    assert COSINE.alpha_bar(CLEAN) == 1
    assert torch.equal(COSINE.add_noise(X0, CLEAN, EPS), X0)
    assert torch.equal(COSINE.predict_x0(X0, CLEAN, EPS), X0)
    with pytest.raises(ValueError, match="-1"):
        COSINE.predict_eps(X0, CLEAN, X0)  # there is no noise to tell


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_half_precision_images_keep_their_dtype_and_the_noise_of_t_990(dtype):
    xt = COSINE.add_noise(X0.to(dtype), 990, EPS.to(dtype))
    assert xt.dtype == dtype
    assert (xt - EPS.to(dtype)).abs().max() > 0, "alpha_bar is not rounded to 0"
    assert COSINE.add_noise(X0.to(dtype), torch.tensor([1, 2]), EPS.to(dtype)).dtype == dtype


# --- moves --------------------------------------------------------------------------------------------------------------

MOVES = [(COSINE, 990, 960), (COSINE, 30, 0), (COSINE, 0, CLEAN), (LINEAR, 299, 298), (LINEAR, 1, 0), (LINEAR, 290, CLEAN)]


@pytest.mark.parametrize(("schedule", "t", "t_prev"), MOVES, ids=ids)
def test_move_is_one_noising_from_t_prev_to_t(schedule, t, t_prev):
    alpha, beta = schedule.move(t, t_prev)
    assert alpha + beta == pytest.approx(1)
    # noising to t_prev, then by this move, is noising to t: the variances add up (DDPM, eq. 2 and 4)
    a, a_prev = schedule.alpha_bar(t), schedule.alpha_bar(t_prev)
    assert alpha * a_prev == pytest.approx(a)
    assert alpha * (1 - a_prev) + beta == pytest.approx(1 - a)


@pytest.mark.parametrize(("schedule", "t", "t_prev"), MOVES, ids=ids)
def test_posterior_mean_and_variance_are_ddpm_eq_7(schedule, t, t_prev):
    """Bayes, from the two Gaussians themselves: q(x_t' | x_t, x0) ~ q(x_t | x_t') q(x_t' | x0)."""
    alpha, beta = schedule.move(t, t_prev)
    a_prev = schedule.alpha_bar(t_prev)
    xt = schedule.add_noise(X0, t, EPS)
    if t_prev == CLEAN:
        torch.testing.assert_close(schedule.posterior_mean(X0, xt, t, t_prev), X0)
        assert schedule.posterior_variance(t, t_prev) == 1e-20
        return
    precision = alpha / beta + 1 / (1 - a_prev)
    mean = (math.sqrt(alpha) / beta * xt + math.sqrt(a_prev) / (1 - a_prev) * X0) / precision
    torch.testing.assert_close(schedule.posterior_mean(X0, xt, t, t_prev), mean)
    assert schedule.posterior_variance(t, t_prev) == pytest.approx(1 / precision)


@pytest.mark.parametrize(("schedule", "t", "t_prev"), MOVES, ids=ids)
def test_learned_log_variance_is_eq_15_of_improved_ddpm(schedule, t, t_prev):
    _, beta = schedule.move(t, t_prev)
    low, high = math.log(schedule.posterior_variance(t, t_prev)), math.log(beta)
    v = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    found = schedule.learned_log_variance(v, t, t_prev).flatten()
    torch.testing.assert_close(found, torch.tensor([low, (low + high) / 2, high], dtype=torch.float64))


# --- timesteps ----------------------------------------------------------------------------------------------------------


def test_strided_timesteps_are_the_course_34():
    timesteps = COSINE.timesteps(30)
    assert len(timesteps) == 34
    assert timesteps == list(range(990, -1, -30))
    assert timesteps[10] == 690
    assert LINEAR.timesteps(1) == list(range(299, -1, -1))
    assert LINEAR.timesteps(299) == [299, 0]


def test_strided_timesteps_are_ddims_leading_ones():
    theirs = DDIMScheduler(1000)
    theirs.set_timesteps(50)
    assert COSINE.timesteps(20) == theirs.timesteps.tolist()


@pytest.mark.parametrize("schedule", [LINEAR, COSINE], ids=ids)
def test_spaced_timesteps_descend_for_every_number_of_steps(schedule):
    for n in range(1, schedule.T + 1):
        timesteps = schedule.spaced_timesteps(n)
        assert len(timesteps) == n + 1
        assert timesteps[0] == schedule.T - 1
        assert timesteps[-1] == CLEAN
        assert all(a > b for a, b in zip(timesteps, timesteps[1:], strict=False)), n
        assert n == 1 or timesteps[-2] == 0
    assert schedule.spaced_timesteps(schedule.T) == list(range(schedule.T - 1, -2, -1))


@pytest.mark.parametrize("stride", [0, -30, 1000, 2.5, math.nan, math.inf, "many", None])
def test_bad_stride_is_refused(stride):
    with pytest.raises(ValueError, match=str(stride)):
        COSINE.timesteps(stride)


@pytest.mark.parametrize("n", [0, -1, 1001, 2.5, math.nan, math.inf, "many", None])
def test_bad_number_of_steps_is_refused(n):
    with pytest.raises(ValueError, match=str(n)):
        COSINE.spaced_timesteps(n)


# --- what is refused ----------------------------------------------------------------------------------------------------

BAD_T = [-2, 1000, 10**9, 2.5, math.nan, math.inf, "ten", None, True]


@pytest.mark.parametrize("t", [*BAD_T, CLEAN])
def test_bad_timestep_is_refused_with_its_value(t):
    with pytest.raises(ValueError, match=str(t)):
        COSINE.check_timestep(t)


@pytest.mark.parametrize("t", BAD_T)
@pytest.mark.parametrize("formula", ["add_noise", "predict_x0", "predict_eps", "velocity", "eps_from_velocity"])
def test_formulas_refuse_a_bad_timestep(formula, t):
    first, last = (EPS, X0) if formula != "add_noise" else (X0, EPS)
    with pytest.raises(ValueError, match=str(t)):
        getattr(COSINE, formula)(first, t, last)


@pytest.mark.parametrize("t", [torch.tensor([0, 1000]), torch.tensor([-1, 5])])
def test_formulas_refuse_a_batch_with_a_bad_timestep(t):
    with pytest.raises(ValueError, match=f"{t.min().item()} .. {t.max().item()}"):
        COSINE.add_noise(X0, t, EPS)


def test_formulas_refuse_as_many_timesteps_as_there_are_no_images():
    with pytest.raises(ValueError, match="3 timesteps for a batch of 2"):
        COSINE.add_noise(X0, torch.tensor([1, 2, 3]), EPS)


@pytest.mark.parametrize("formula", ["add_noise", "predict_x0", "predict_eps", "velocity", "eps_from_velocity"])
@pytest.mark.parametrize("shape", [(2, 3, 8, 7), (1, 3, 8, 8), (2, 1, 8, 8), (3, 8, 8)])
def test_formulas_refuse_shapes_that_differ(formula, shape):
    with pytest.raises(ValueError, match=rf"\(2, 3, 8, 8\).*\({shape[0]}, {shape[1]}, {shape[2]}"):
        getattr(COSINE, formula)(X0, 10, torch.zeros(shape))


@pytest.mark.parametrize(("t", "t_prev"), [(10, 10), (10, 20), (0, 0), (CLEAN, CLEAN), (1000, 10), (10, -2), (10, 2.5)])
def test_moves_that_do_not_descend_are_refused(t, t_prev):
    bad = t if t in (CLEAN, 1000) else t_prev
    for formula in (COSINE.move, COSINE.posterior_variance):
        with pytest.raises(ValueError, match=str(bad)):
            formula(t, t_prev)
    with pytest.raises(ValueError, match=str(bad)):
        COSINE.posterior_mean(X0, X0, t, t_prev)


def test_posterior_mean_refuses_shapes_that_differ():
    with pytest.raises(ValueError, match=r"\(2, 3, 8, 8\).*\(1, 3, 8, 8\)"):
        COSINE.posterior_mean(X0, X0[:1], 10, 5)
