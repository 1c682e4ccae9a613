"""The walk: parity with diffusers, its known answers, inpainting and SDEdit, and what it refuses."""

import math
from itertools import islice

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from lessons_lib.maths.denoisers import Conditioned, Prediction, perfect
from lessons_lib.maths.samplers import inpaint, move, sample
from lessons_lib.maths.schedule import CLEAN, Schedule

COSINE, LINEAR = Schedule.cosine(1000), Schedule.linear(300)
BETAS = {COSINE: "squaredcos_cap_v2", LINEAR: "linear"}
XT = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
X0 = torch.linspace(-1, 1, 64, dtype=torch.float64).view(1, 1, 8, 8).expand(2, 3, 8, 8)


def ids(value):
    return "cosine" if value is COSINE else "linear" if value is LINEAR else None


def wrong(xt, t):
    """An eps estimate that is far enough off to make x0_hat leave [-1, 1], different at every t and pixel."""
    return Prediction(torch.sin(3 * xt + t / 50) + 0.3 * xt.roll(1, -1))


def wrong_with_variance(xt, t):
    return Prediction(wrong(xt, t).eps, torch.cos(2 * xt + t / 70))


def end_of(walk):
    *_, last = walk
    return last.x_prev


def seeded(seed=7):
    return torch.Generator().manual_seed(seed)


# --- parity with diffusers, in float64, move by move --------------------------------------------------------------------


def theirs(kind, schedule, **config):
    """diffusers' scheduler on our float64 alphas_cumprod (its own are float32)."""
    scheduler = kind(schedule.T, beta_schedule=BETAS[schedule], **config)
    scheduler.alphas_cumprod = schedule.alphas_cumprod
    return scheduler


def assert_same_walk(ours, denoiser, scheduler, generator, **step_args):
    """Their loop, as their pipelines write it, beside our generator."""
    sample_, moves = XT, 0
    for step in ours:
        t = scheduler.timesteps[step.index]
        assert t == step.t
        eps, variance = denoiser(sample_, int(t))
        output = eps if variance is None else torch.cat([eps, variance], 1)
        answer = scheduler.step(output, t, sample_, generator=generator, **step_args)
        off = torch.stack([step.x0_hat - answer.pred_original_sample, step.x_prev - answer.prev_sample]).abs().max().item()
        assert off < 1e-5
        assert step.x_prev.dtype == torch.float64
        sample_, moves = answer.prev_sample, moves + 1
    assert moves == len(scheduler.timesteps) == step.total
    return sample_


WALKS = [(COSINE, 1), (COSINE, 30), (LINEAR, 1), (LINEAR, 10)]


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("variance_type", ["fixed_small", "fixed_large"])
@pytest.mark.parametrize(("schedule", "stride"), WALKS, ids=ids)
def test_ddpm_is_diffusers_ddpm(schedule, stride, variance_type, clip):
    scheduler = theirs(DDPMScheduler, schedule, variance_type=variance_type, clip_sample=clip)
    timesteps = schedule.timesteps(stride)
    scheduler.set_timesteps(timesteps=timesteps)
    ours = sample(
        wrong, schedule, XT, [*timesteps, CLEAN], clip_x0=clip, variance_type=variance_type, generator=seeded()
    )  # their last move, from 0, ends at alpha_cumprod = 1: our CLEAN
    end = assert_same_walk(ours, wrong, scheduler, seeded())
    if clip:
        assert end.abs().max() == 1, "the case is one where clipping works"


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize(("schedule", "stride"), WALKS, ids=ids)
def test_learned_variance_is_diffusers_learned_range(schedule, stride, clip):
    """DDPMScheduler(variance_type="learned_range"); its variance is right only with its timesteps set."""
    scheduler = theirs(DDPMScheduler, schedule, variance_type="learned_range", clip_sample=clip)
    timesteps = schedule.timesteps(stride)
    scheduler.set_timesteps(timesteps=timesteps)
    ours = sample(wrong_with_variance, schedule, XT, [*timesteps, CLEAN], clip_x0=clip, generator=seeded())
    assert_same_walk(ours, wrong_with_variance, scheduler, seeded())


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("schedule", "steps"), [(COSINE, 1000), (COSINE, 50), (LINEAR, 300), (LINEAR, 30)], ids=ids)
def test_ddim_is_diffusers_ddim(schedule, steps, eta, clip):
    scheduler = theirs(DDIMScheduler, schedule, clip_sample=clip, set_alpha_to_one=True)
    scheduler.set_timesteps(steps)
    ours = sample(wrong, schedule, XT, [*scheduler.timesteps.tolist(), CLEAN], eta=eta, clip_x0=clip, generator=seeded())
    assert_same_walk(ours, wrong, scheduler, seeded(), eta=eta, use_clipped_model_output=True)


# --- known answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eta", [0, 0.5, 1])
@pytest.mark.parametrize("stride", [1, 30, 299])
def test_a_perfect_denoiser_is_followed_to_its_image(eta, stride):
    steps = list(sample(perfect(X0, LINEAR), LINEAR, XT, [*LINEAR.timesteps(stride), CLEAN], eta=eta))
    for step in steps:
        torch.testing.assert_close(step.x0_hat, X0)
    torch.testing.assert_close(steps[-1].x_prev, X0)


def test_steps_tell_where_they_are():
    timesteps = LINEAR.timesteps(50)
    steps = list(sample(wrong, LINEAR, XT, timesteps))
    assert [s.index for s in steps] == list(range(len(timesteps) - 1))
    assert {s.total for s in steps} == {len(timesteps) - 1}
    assert [(s.t, s.t_prev) for s in steps] == list(zip(timesteps, timesteps[1:], strict=False))
    assert torch.equal(steps[0].xt, XT)
    for one, following in zip(steps, steps[1:], strict=False):
        assert torch.equal(one.x_prev, following.xt)
        assert torch.equal(one.eps, wrong(one.xt, one.t).eps)


@pytest.mark.parametrize("last", [0, 30, CLEAN])
@pytest.mark.parametrize("denoiser", [wrong, wrong_with_variance])
@pytest.mark.parametrize("variance_type", ["fixed_small", "fixed_large"])
@pytest.mark.parametrize("eta", [0.5, 1])
def test_no_noise_on_the_last_move(last, denoiser, variance_type, eta):
    """Wherever the walk ends, its last move is the same whatever the seed, and the one before is not."""
    ends = []
    for seed in (1, 2):
        walk = sample(
            denoiser,
            LINEAR,
            XT,
            [90, 60, last] if last < 60 else [90, 60],
            eta=eta,
            variance_type=variance_type,
            generator=seeded(seed),
        )
        *_, step = walk
        ends.append(step)
    assert not torch.equal(ends[0].x_prev, ends[1].x_prev)
    for step in ends:
        again = move(LINEAR, step.xt, step.x0_hat, step.t, step.t_prev, None, eta=eta)
        assert torch.equal(step.x_prev, again)
    only = [end_of(sample(denoiser, LINEAR, XT, [90, last], eta=eta, generator=seeded(s))) for s in (1, 2)]
    assert torch.equal(*only)


def test_ddim_draws_nothing():
    generator = seeded()
    before = generator.get_state()
    end_of(sample(wrong, LINEAR, XT, LINEAR.timesteps(30), eta=0, generator=generator))
    assert torch.equal(generator.get_state(), before)


def test_variance_types_are_beta_and_the_posterior_variance():
    x0_hat, z = X0, XT.flip(0)
    _, beta = LINEAR.move(90, 60)
    mean = move(LINEAR, XT, x0_hat, 90, 60, None)
    torch.testing.assert_close(move(LINEAR, XT, x0_hat, 90, 60, z, variance_type="fixed_large") - mean, math.sqrt(beta) * z)
    small = math.sqrt(LINEAR.posterior_variance(90, 60))
    torch.testing.assert_close(move(LINEAR, XT, x0_hat, 90, 60, z) - mean, small * z)


def test_ddim_at_eta_0_is_eq_12():
    """x_t' = sqrt(a') x0_hat + sqrt(1 - a') eps, when nothing was clipped (Song et al. 2020)."""
    [step] = sample(wrong, LINEAR, XT, [90, 60], eta=0, clip_x0=False)
    torch.testing.assert_close(step.x_prev, LINEAR.add_noise(step.x0_hat, 60, step.eps))


def test_the_seed_is_the_walk():
    ends = [end_of(sample(wrong, LINEAR, XT, LINEAR.timesteps(30), generator=seeded(s))) for s in (1, 1, 2)]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_sdedit_from_the_last_index_is_one_move():
    """timesteps[i_start:] with the last i_start that leaves a move: almost the original comes back."""
    timesteps = [*LINEAR.timesteps(10), CLEAN]
    i_start = len(timesteps) - 2
    xt = LINEAR.add_noise(X0, timesteps[i_start], XT)
    [step] = sample(perfect(X0, LINEAR), LINEAR, xt, timesteps[i_start:])
    assert (step.t, step.t_prev, step.total) == (0, CLEAN, 1)
    torch.testing.assert_close(step.x_prev, X0)
    with pytest.raises(ValueError, match=r"\[-1\]|timestep"):
        next(sample(wrong, LINEAR, xt, timesteps[i_start + 1 :]))  # CLEAN alone: no walk


# --- inpainting ---------------------------------------------------------------------------------------------------------

ORIGINAL = X0[:1].flip(-1)


@pytest.mark.parametrize("eta", [0, 1])
def test_inpaint_with_no_mask_gives_the_original_back(eta):
    constrain = inpaint(LINEAR, ORIGINAL, torch.zeros(1, 1, 8, 8), seeded(1))
    steps = list(sample(wrong, LINEAR, XT, [*LINEAR.timesteps(30), CLEAN], eta=eta, constrain=constrain, generator=seeded()))
    assert torch.equal(steps[-1].x_prev, ORIGINAL.expand_as(XT))
    for step in steps[:-1]:  # on the way it is the original, noised to t_prev
        noise = LINEAR.predict_eps(step.x_prev, step.t_prev, ORIGINAL.expand_as(XT))
        assert noise.mean().abs() < 0.2
        assert 0.85 < noise.std() < 1.15
    almost = end_of(sample(wrong, LINEAR, XT, LINEAR.timesteps(30), constrain=constrain))  # ends at t = 0, not at CLEAN
    torch.testing.assert_close(almost, ORIGINAL.expand_as(XT), rtol=0, atol=0.06)


def test_inpaint_with_a_full_mask_changes_nothing():
    free = sample(wrong, LINEAR, XT, LINEAR.timesteps(30), generator=seeded())
    constrain = inpaint(LINEAR, ORIGINAL, torch.ones(1, 1, 8, 8), seeded(1))
    masked = sample(wrong, LINEAR, XT, LINEAR.timesteps(30), constrain=constrain, generator=seeded())
    for a, b in zip(free, masked, strict=True):
        assert torch.equal(a.x_prev, b.x_prev)


def test_inpaint_keeps_the_original_outside_and_only_there():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:5, 3:7] = 1
    end = end_of(sample(wrong, LINEAR, XT, [*LINEAR.timesteps(30), CLEAN], constrain=inpaint(LINEAR, ORIGINAL, mask, seeded(1))))
    outside = (mask == 0).expand_as(end)
    assert torch.equal(end[outside], ORIGINAL.expand_as(end)[outside])
    assert not torch.equal(end[~outside], ORIGINAL.expand_as(end)[~outside])


@pytest.mark.parametrize(
    ("x_orig", "mask", "said"),
    [
        (ORIGINAL, torch.ones(1, 1, 8, 7), r"\(8, 7\).*\(8, 8\)"),
        (ORIGINAL, torch.full((1, 1, 8, 8), 255.0), "255"),
        (ORIGINAL, torch.full((1, 1, 8, 8), -0.5), "-0.5"),
        (ORIGINAL, torch.full((1, 1, 8, 8), math.nan), "nan"),
        (ORIGINAL * 127.5 + 127.5, torch.ones(1, 1, 8, 8), "255"),
        (ORIGINAL * math.nan, torch.ones(1, 1, 8, 8), "nan"),
        (ORIGINAL[0], torch.ones(1, 1, 8, 8), r"\(3, 8, 8\)"),
    ],
)
def test_inpaint_refuses_bad_masks_and_pictures(x_orig, mask, said):
    with pytest.raises(ValueError, match=said):
        inpaint(LINEAR, x_orig, mask)


@pytest.mark.parametrize(("shape", "said"), [((1, 1, 8, 8), "1, 1, 8, 8"), ((5, 3, 8, 8), "5, 3, 8, 8"), ((1, 3, 9, 9), "9, 9")])
def test_inpaint_refuses_an_original_unlike_the_walk(shape, said):
    constrain = inpaint(LINEAR, torch.zeros(shape), torch.zeros(1, 1, *shape[-2:]))
    with pytest.raises(ValueError, match=said):
        next(sample(wrong, LINEAR, XT, [90, 60], constrain=constrain))


# --- leaving early ------------------------------------------------------------------------------------------------------


def test_closing_early_leaks_no_grad_mode():
    weight = torch.ones(1, requires_grad=True)

    def learning(xt, t):
        assert not torch.is_grad_enabled()
        return Prediction(xt * weight)

    walk = sample(learning, LINEAR, XT, LINEAR.timesteps(30))
    assert torch.is_grad_enabled()
    for step in islice(walk, 3):
        assert torch.is_grad_enabled(), "between two steps the caller's own mode holds"
        assert not step.x_prev.requires_grad
    walk.close()
    assert torch.is_grad_enabled()
    assert next(walk, None) is None


def test_an_error_in_the_model_leaks_no_grad_mode():
    def failing(xt, t):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        next(sample(failing, LINEAR, XT, [90, 60]))
    assert torch.is_grad_enabled()


# --- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timesteps", "said"),
    [
        ([], r"\[\]"),
        ([90], r"\[90\]"),
        ([CLEAN], "-1"),
        ([CLEAN, -2], "-1"),
        ([300, 90], "300"),
        ([90, -2], "-2"),
        ([90, 60.5], "60.5"),
        ([90, math.nan], "nan"),
        ([90, None], "None"),
        ([60, 90], "60 is followed by 90"),
        ([90, 90], "90 is followed by 90"),
        ([90, 30, 60], "30 is followed by 60"),
        ([90, CLEAN, CLEAN], "-1 is followed by -1"),
    ],
)
def test_bad_timesteps_are_refused(timesteps, said):
    with pytest.raises(ValueError, match=said):
        next(sample(wrong, LINEAR, XT, timesteps))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"eta": -0.1}, "-0.1"),
        ({"eta": 1.5}, "1.5"),
        ({"eta": math.nan}, "nan"),
        ({"variance_type": "learned"}, "'learned'"),
        ({"xt": XT[0]}, r"\(3, 8, 8\)"),
        ({"xt": XT * math.nan}, "384"),
        ({"xt": XT.where(XT < 2, math.inf)}, str(int((XT >= 2).sum()))),
    ],
)
def test_bad_arguments_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        next(sample(**{"denoiser": wrong, "schedule": LINEAR, "xt": XT, "timesteps": [90, 60]} | changed))


def at_60(make):
    """A denoiser that goes wrong on its second step."""
    return lambda xt, t: make(xt) if t == 60 else wrong(xt, t)


@pytest.mark.parametrize(
    ("denoiser", "said"),
    [
        (at_60(lambda x: Prediction(x * math.nan)), "t = 60.*384"),
        (at_60(lambda x: Prediction(x.where(x != x.max(), math.inf))), "t = 60.*1 "),
        (at_60(lambda x: Prediction(x[:1])), r"t = 60.*\(1, 3, 8, 8\).*\(2, 3, 8, 8\)"),
        (at_60(lambda x: Prediction(torch.cat([x, x], 1))), r"t = 60.*\(2, 6, 8, 8\)"),
        (at_60(lambda x: Prediction(x, x * math.nan)), "t = 60.*variance.*384"),
        (at_60(lambda x: Prediction(x, x[:, :1])), r"t = 60.*\(2, 1, 8, 8\)"),
    ],
)
def test_bad_predictions_are_refused_at_their_step(denoiser, said):
    walk = sample(denoiser, LINEAR, XT, [90, 60, 30])
    assert next(walk).t == 90
    with pytest.raises(ValueError, match=said):
        next(walk)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 3, 4, 4)])
def test_a_constraint_that_changes_the_shape_is_refused(shape):
    with pytest.raises(ValueError, match=rf"\({shape[0]}, 3, {shape[2]}, {shape[3]}\)"):
        next(sample(wrong, LINEAR, XT, [90, 60], constrain=lambda x, t: torch.zeros(shape)))


def test_a_guided_walk_asks_the_network_once_a_step():
    from lessons_lib.maths.denoisers import guided

    calls = []

    def network(xt, t, condition):
        calls.append((len(xt), t.tolist()))
        return Prediction(xt * condition.view(-1, 1, 1, 1))

    cond, uncond = (Conditioned(network, torch.tensor([v])) for v in (0.5, 0.25))
    for _ in sample(guided(cond, uncond, 7.0), LINEAR, XT, [90, 60, 30]):
        pass
    assert calls == [(4, [90] * 4), (4, [60] * 4)]
