"""Flow matching: its formulas by algebra, its walk against diffusers'."""

import pytest
import torch

from lessons_lib.maths import flow
from lessons_lib.maths.denoisers import Prediction, guided
from lessons_lib.maths.schedule import Schedule


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    return torch.randn(3, 1, 8, 8, generator=g, dtype=torch.float64), torch.rand(
        3, 1, 8, 8, generator=g, dtype=torch.float64
    ) * 2 - 1


def test_the_ends_of_the_road(pair):
    noise, picture = pair
    assert torch.equal(flow.between(noise, picture, 0.0), noise)
    assert torch.equal(flow.between(noise, picture, 1.0), picture)


def test_a_time_for_each_picture(pair):
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    x = flow.between(*pair, t)
    for i in range(3):
        torch.testing.assert_close(x[i], flow.between(pair[0][i], pair[1][i], t[i].item()))


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9, 1.0])
def test_one_language_into_the_other_and_back(pair, t):
    noise, picture = pair
    x, u = flow.between(noise, picture, t), flow.velocity(noise, picture)
    torch.testing.assert_close(flow.noise_of(x, u, t), noise)
    torch.testing.assert_close(flow.picture_of(x, u, t), picture)


@pytest.mark.parametrize("num_steps", [1, 2, 7, 50])
def test_on_straight_roads_any_number_of_steps_arrives(pair, num_steps):
    noise, picture = pair
    u = flow.velocity(noise, picture)
    steps = list(flow.euler(lambda x, t: Prediction(u), noise, num_steps))
    torch.testing.assert_close(steps[-1].x_prev, picture)
    assert [s.index for s in steps] == list(range(num_steps))
    for s in steps:
        torch.testing.assert_close(s.x0_hat, picture)
        torch.testing.assert_close(s.eps, noise)
        torch.testing.assert_close(s.xt, flow.between(noise, picture, s.t))
        # the same step as DDIM would say it
        torch.testing.assert_close(s.x_prev, s.t_prev * s.x0_hat + (1 - s.t_prev) * s.eps)


@pytest.mark.parametrize("num_steps", [1, 5, 20])
def test_the_walk_is_diffusers(num_steps):
    from diffusers import FlowMatchEulerDiscreteScheduler

    def bent(x, t):
        return torch.sin(3 * x) - t * x

    x_0 = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    *_, ours = flow.euler(lambda x, t: Prediction(bent(x, t)), x_0, num_steps)
    theirs = FlowMatchEulerDiscreteScheduler()  # sigma = 1 - t, and it predicts noise minus picture
    theirs.set_timesteps(sigmas=[1 - i / num_steps for i in range(num_steps)])
    x = x_0.clone()
    for timestep, sigma in zip(theirs.timesteps, theirs.sigmas, strict=False):
        x = theirs.step(-bent(x, 1 - sigma.double()), timestep, x).prev_sample.double()
    torch.testing.assert_close(ours.x_prev, x, rtol=0, atol=1e-5)


def test_guidance_is_the_same_on_velocities():
    c, u = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), 1.0)
    both = guided(lambda x, t: Prediction(c), lambda x, t: Prediction(u), 5.0)
    *_, last = flow.euler(both, torch.zeros(1, 1, 2, 2), 4)
    torch.testing.assert_close(last.x_prev, torch.full((1, 1, 2, 2), 11.0))


def test_a_walk_left_early_leaves_nothing():
    walk = flow.euler(lambda x, t: Prediction(x), torch.zeros(1, 1, 2, 2), 10)
    next(walk)
    assert torch.is_grad_enabled()
    walk.close()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("answer", "num_steps", "said"),
    [
        (torch.zeros(1, 1, 2, 3), 2, "shape"),
        (torch.full((1, 1, 2, 2), float("nan")), 2, "4 values that are NaN or infinite"),
        (torch.zeros(1, 1, 2, 2), 0, "num_steps must be at least 1, got 0"),
    ],
)
def test_bad_input_is_named(answer, num_steps, said):
    with pytest.raises(ValueError, match=said):
        list(flow.euler(lambda x, t: Prediction(answer), torch.zeros(1, 1, 2, 2), num_steps))


def test_the_timestep_with_as_much_noise():
    schedule = Schedule.linear(300)
    assert flow.timestep_like(1.0, schedule) == 0
    assert flow.timestep_like(0.0, schedule) == 299
    like = flow.timestep_like(0.5, schedule)  # as much noise as picture
    assert schedule.alpha_bar(like) == pytest.approx(0.5, abs=0.01)
    at = [flow.timestep_like(i / 10, schedule) for i in range(11)]
    assert at == sorted(at, reverse=True)
    with pytest.raises(ValueError, match="1.5"):
        flow.timestep_like(1.5, schedule)
