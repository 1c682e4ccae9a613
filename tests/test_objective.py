"""What the digits networks learn: the losses by their equations, what an answer means, and where the walks go."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import mse_loss

from lessons_lib.maths.denoisers import Conditioned, Prediction
from lessons_lib.maths.flow import euler
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.models.digits import COURSE, KINDS, NETWORKS, condition_of, make_unet
from lessons_lib.models.objective import Eps, Flow, OneStep

DIFFUSION = [n for n in NETWORKS if isinstance(COURSE[n].objective, Eps)]
FLOWS = [n for n in NETWORKS if isinstance(COURSE[n].objective, Flow)]


class Told(torch.nn.Module):
    """A network that answers zeros and keeps what it was told."""

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes

    def forward(self, x, t=None, c=None):
        self.x, self.t, self.c = x, t, c
        return torch.zeros_like(x)


def told(network, x, labels, seed=0, **changed):
    net = Told(KINDS[network].conditions["num_classes"])
    loss = replace(COURSE[network], **changed).objective.loss(net, x, labels, torch.Generator().manual_seed(seed))
    return net, loss, torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def x():
    return torch.rand(500, 1, 28, 28, generator=torch.Generator().manual_seed(9))


LABELS = torch.arange(500) % 10


def test_every_network_is_one_of_the_three():
    assert set(DIFFUSION) == {"time_conditioned", "class_conditioned"}
    assert set(FLOWS) == {"time_flow", "class_flow", "flow_matching"}
    assert {n for n in NETWORKS if isinstance(COURSE[n].objective, OneStep)} == {"one_step", "pure_noise"}


def test_the_one_step_loss_is_the_mse_to_the_clean_digit(x):
    net, loss, eps = told("one_step", x, LABELS)
    torch.testing.assert_close(net.x, x + 0.5 * eps)
    assert loss.item() == pytest.approx(mse_loss(torch.zeros_like(x), x).item())
    assert (net.t, net.c) == (None, None)


def test_pure_noise_shows_nothing_of_the_digit_and_its_best_answer_is_their_mean(x):
    net, loss, eps = told("pure_noise", x, LABELS)
    assert torch.equal(net.x, eps)
    assert loss.item() == pytest.approx((x**2).mean().item(), rel=1e-5)
    objective = COURSE["pure_noise"].objective

    def mean_loss(answer):
        class Constant(Told):
            def forward(self, z, t=None, c=None):
                return answer.expand_as(z)

        return objective.loss(Constant(0), x, LABELS, torch.Generator().manual_seed(0)).item()

    best = mean_loss(x.mean(0))
    assert best < mean_loss(x.mean(0) + 0.01) and best < mean_loss(x[0])  # noqa: PT018


@pytest.mark.parametrize("network", DIFFUSION)
def test_the_diffusion_loss_is_ddpm_eq_14(network, x):
    net, loss, eps = told(network, x, LABELS)
    t = (net.t * 300).round().long()
    assert 0 <= t.min() < 5 and 295 <= t.max() < 300  # noqa: PT018, every timestep may be drawn, no other
    torch.testing.assert_close(net.t, t / 300)
    torch.testing.assert_close(net.x, COURSE[network].schedule.add_noise(2 * x - 1, t, eps))
    assert loss.item() == pytest.approx((eps**2).mean().item(), rel=1e-5)


@pytest.mark.parametrize("network", FLOWS)
def test_the_flows_loss_is_the_mse_to_the_velocity(network, x):
    """Lipman et al. 2022, eq. 23 at sigma_min = 0, digits in [-1, 1]."""
    net, loss, eps = told(network, x, LABELS)
    assert 0 <= net.t.min() < 0.01 and 0.99 < net.t.max() <= 1  # noqa: PT018
    t = net.t.view(-1, 1, 1, 1)
    torch.testing.assert_close(net.x, (1 - t) * eps + t * (2 * x - 1))
    assert loss.item() == pytest.approx(((2 * x - 1 - eps) ** 2).mean().item(), rel=1e-5)


@pytest.mark.parametrize("network", [n for n in NETWORKS if KINDS[n].classes])
@pytest.mark.parametrize("dropout", [0.0, 0.1, 1.0])
def test_the_class_is_hidden_as_often_as_said(dropout, network):
    labels = torch.arange(3000) % 10
    net, _, _ = told(network, torch.zeros(3000, 1, 2, 2), labels, class_dropout=dropout)
    hidden = net.c.sum(1) == 0
    assert hidden.float().mean().item() == pytest.approx(dropout, abs=0.02)
    assert torch.equal(net.c[~hidden].argmax(1), labels[~hidden])
    assert set(net.c.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("network", [n for n in NETWORKS if not KINDS[n].classes])
def test_a_network_without_classes_is_told_none(network, x):
    assert told(network, x, LABELS)[0].c is None


@pytest.mark.parametrize("network", NETWORKS)
def test_the_right_answer_means_the_clean_digit(network, x):
    """At every time the objective has but the one where nothing of the digit is left; and its loss is then 0."""
    objective = COURSE[network].objective
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    for t in objective.times:
        given, answer = objective.given(x, eps, t), objective.target(x, eps)
        torch.testing.assert_close(objective.guess(answer, given, t), 2 * x - 1, rtol=0, atol=2e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_walk_is_one_of_the_samplers_and_ends_in_a_picture(network):
    settings = replace(COURSE[network], num_hiddens=4)
    unet, objective = make_unet(settings).eval(), settings.objective
    denoiser = Conditioned(objective.network(unet), condition_of([3, 8]))
    digits = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    start, again = (objective.start(digits, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(start, again)
    *_, last = objective.walk(denoiser, start, 4, generator=torch.Generator().manual_seed(7))
    if network in DIFFUSION:
        g = torch.Generator().manual_seed(7)
        *_, expected = sample(denoiser, settings.schedule, start, settings.schedule.spaced_timesteps(4), generator=g)
    elif network in FLOWS:
        *_, expected = euler(denoiser, start, 4)
    else:
        with torch.no_grad():
            answer = unet((start + 1) / 2)
        torch.testing.assert_close(last.x_prev, 2 * answer - 1)
        torch.testing.assert_close(objective.given((last.x0_hat + 1) / 2, last.eps), (start + 1) / 2, rtol=1e-4, atol=1e-5)
        assert (last.total, last.t_prev) == (1, CLEAN)
        return
    assert torch.equal(last.x_prev, expected.x_prev)
    assert last.total == 4


def test_a_walk_begins_where_the_network_was_trained():
    """The one-step denoiser with a digit under its own noise, all others with noise that knows nothing of the digit."""
    digits, other = torch.rand(2, 50, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    for network in NETWORKS:
        objective = COURSE[network].objective
        one, two = (objective.start(d, torch.Generator().manual_seed(5)) for d in (digits, other))
        assert torch.equal(one, two) == (network != "one_step")
        z = (one + 1) / 2 if isinstance(objective, OneStep) else one
        rest = z - digits if network == "one_step" else z
        assert rest.std().item() == pytest.approx(0.5 if network == "one_step" else 1, abs=0.02)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_as_the_lessons_ask_it_is_the_unet_told_what_it_was_trained_with(network):
    settings = replace(COURSE[network], num_hiddens=4)
    unet, objective, kind = make_unet(settings).eval(), settings.objective, KINDS[network]
    xt, c = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)), condition_of([1, 2])
    t = torch.tensor([30, 270]) if network in DIFFUSION else torch.tensor([0.1, 0.9])
    whole = 300 if network in DIFFUSION else 1
    with torch.no_grad():
        answer = objective.network(unet)(xt, t, c)
        plain = unet(xt, t / whole, c if kind.classes else None) if kind.time else 2 * unet((xt + 1) / 2) - 1
    assert isinstance(answer, Prediction)
    torch.testing.assert_close(answer.eps, plain, rtol=1e-4, atol=1e-5)


def test_settings_make_their_schedule_once():
    settings = COURSE["time_conditioned"]
    assert settings.schedule is settings.schedule
    assert settings.objective.schedule is settings.schedule
    assert replace(settings, T=100).schedule.T == 100
    assert isinstance(settings.schedule, Schedule)
