"""Guidance, anagrams and hybrids: cases with a known answer, and one call of the network a step."""

import pytest
import torch

from lessons_lib.maths.denoisers import Conditioned, Prediction, anagram, ask, guided, hybrid, perfect
from lessons_lib.maths.images import lowpass
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.maths.views import VIEWS, Jigsaw


class Network:
    """eps = xt * condition, and a count of the calls."""

    def __init__(self, variance=False):
        self.calls, self.variance = [], variance

    def __call__(self, xt, t, condition):
        self.calls.append(len(xt))
        eps = xt * condition.view(-1, 1, 1, 1)
        return Prediction(eps, eps * 0 + 0.25 if self.variance else None)


def conditioned(network, value):
    return Conditioned(network, torch.tensor([float(value)]))


XT = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("scale", "factor"), [(0, 2.0), (1, 5.0), (7, 2 + 7 * 3.0)])
def test_guided_is_eq_6_of_classifier_free_guidance(scale, factor):
    network = Network(variance=True)
    eps, variance = guided(conditioned(network, 5), conditioned(network, 2), scale)(XT, 10)
    torch.testing.assert_close(eps, factor * XT)
    assert network.calls == [4], "both branches of both pictures in one batch"
    assert (variance == 0.25).all()


def test_guided_takes_a_scale_per_picture():
    network = Network()
    scales = torch.tensor([0.0, 1.0]).view(-1, 1, 1, 1)
    eps = guided(conditioned(network, 5), conditioned(network, 2), scales)(XT, 10).eps
    torch.testing.assert_close(eps, torch.stack([2 * XT[0], 5 * XT[1]]))


@pytest.mark.parametrize("view", VIEWS.values(), ids=lambda v: v.name)
@pytest.mark.parametrize("size", [28, 32, 64])
def test_view_and_its_inverse_are_the_identity(view, size):
    x = torch.randn(2, 3, size, size)
    assert torch.equal(view.back(view.there(x)), x)
    assert torch.equal(view.there(view.back(x)), x)
    assert not torch.equal(view.there(x), x)
    torch.testing.assert_close(view.there(x).std(), x.std())  # Gaussian noise stays as strong


def test_jigsaw_says_what_cannot_be_cut():
    with pytest.raises(ValueError, match="30 x 30"):
        Jigsaw().there(torch.zeros(1, 1, 30, 30))


@pytest.mark.parametrize("view", VIEWS.values(), ids=lambda v: v.name)
def test_anagram_of_one_prompt_with_an_even_network_is_that_prompt(view):
    network = Network()  # multiplies pixel by pixel, so turning before or after makes no difference
    eps = anagram(conditioned(network, 3), conditioned(network, 3), view)(XT, 10).eps
    torch.testing.assert_close(eps, 3 * XT)


def test_anagram_averages_two_prompts():
    network = Network()
    eps = anagram(conditioned(network, 1), conditioned(network, 3), VIEWS["turn 180"])(XT, 10).eps
    torch.testing.assert_close(eps, 2 * XT)


def test_hybrid_of_one_prompt_is_that_prompt():
    network = Network()
    eps = hybrid(conditioned(network, 3), conditioned(network, 3), 9, 1.0)(XT, 10).eps
    torch.testing.assert_close(eps, 3 * XT)


def test_hybrid_takes_low_from_one_and_high_from_the_other():
    network = Network()
    eps = hybrid(conditioned(network, 1), conditioned(network, 0), 9, 1.0)(XT, 10).eps
    torch.testing.assert_close(eps, lowpass(XT, 9, 1.0))


def test_guided_anagram_asks_the_network_once():
    network = Network()
    one, two = (guided(conditioned(network, v), conditioned(network, 0), 2.0) for v in (1, 3))
    eps = anagram(one, two, VIEWS["flip"])(XT, 10).eps
    assert network.calls == [8]
    torch.testing.assert_close(eps, 4 * XT)


def test_ask_keeps_networks_apart():
    a, b = Network(), Network()
    answers = ask([conditioned(a, 2), conditioned(b, 3), conditioned(a, 4)], [XT, XT, XT], 5)
    assert (a.calls, b.calls) == ([4], [2])
    for answer, factor in zip(answers, (2, 3, 4), strict=True):
        torch.testing.assert_close(answer.eps, factor * XT)


@pytest.mark.parametrize(("kernel_size", "sigma"), [(4, 1.0), (0, 1.0), (-3, 1.0), (3, -1.0)])
def test_lowpass_refuses_what_is_no_kernel(kernel_size, sigma):
    with pytest.raises(ValueError, match=str(kernel_size if kernel_size != 3 else sigma)):
        lowpass(XT, kernel_size, sigma)


def test_lowpass_of_a_kernel_larger_than_the_picture():
    assert lowpass(XT, 99, 20.0).shape == XT.shape


def test_anagram_shows_its_second_prompt_the_turned_image_and_turns_the_answer_back():
    """Visual Anagrams, eq. 4, with a tiny view and a network that sees places: eps = xt + where it is."""

    class Roll:
        name = "roll"

        def there(self, x):
            return x.roll(1, -1)

        def back(self, x):
            return x.roll(-1, -1)

    place = torch.arange(16.0).view(1, 1, 1, 16)

    def plain(xt, t):
        return Prediction(xt)

    def places(xt, t):
        return Prediction(xt + place)

    eps = anagram(plain, places, Roll())(XT, 10).eps
    torch.testing.assert_close(eps, (XT + Roll().back(Roll().there(XT) + place)) / 2)
    torch.testing.assert_close(eps, XT + place.roll(-1, -1).expand_as(XT) / 2)


def test_anagram_of_one_symmetric_image_keeps_it():
    """Two denoisers that both know one image, the same upside down: the walk ends there, as with either alone."""
    schedule = Schedule.linear(300)
    x0 = torch.linspace(-1, 1, 8).view(1, 1, 8, 1).abs().expand(1, 1, 8, 8)
    assert torch.equal(x0, VIEWS["flip"].there(x0))
    both = anagram(perfect(x0, schedule), perfect(x0, schedule), VIEWS["flip"])
    xt = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    *_, last = sample(both, schedule, xt, [*schedule.timesteps(30), CLEAN], generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(last.x_prev, x0, rtol=0, atol=1e-4)


def test_hybrid_keeps_the_whole_image_when_nothing_is_blurred():
    network = Network()
    eps = hybrid(conditioned(network, 1), conditioned(network, 5), 1, 0.0)(XT, 10).eps
    torch.testing.assert_close(eps, XT)  # lowpass is the identity: all of it is the low part's


@pytest.mark.parametrize("combine", [lambda a, b: guided(a, b, 3.0), lambda a, b: anagram(a, b, VIEWS["flip"]), hybrid])
def test_combinations_take_the_first_parts_variance(combine):
    def told(value):
        return lambda xt, t: Prediction(xt, torch.full_like(xt, value))

    assert (combine(told(0.5), told(-0.5))(XT, 10).variance == 0.5).all()


def test_a_condition_for_each_picture():
    network = Network()
    eps = Conditioned(network, torch.tensor([2.0, 5.0]))(XT, 10).eps
    torch.testing.assert_close(eps, torch.stack([2 * XT[0], 5 * XT[1]]))
    with pytest.raises(RuntimeError, match="3"):
        Conditioned(network, torch.ones(3))(XT, 10)


def test_the_network_is_told_the_timestep_of_every_picture():
    def network(xt, t, condition):
        assert t.dtype == torch.int64
        return Prediction(xt * 0 + t.view(-1, 1, 1, 1))

    assert (Conditioned(network, torch.zeros(1))(XT, 77).eps == 77).all()


def test_perfect_knows_the_noise_that_leads_to_its_image():
    schedule = Schedule.linear(300)
    eps = XT.flip(0)
    xt = schedule.add_noise(XT, 100, eps)
    torch.testing.assert_close(perfect(XT, schedule)(xt, 100).eps, eps, rtol=1e-4, atol=1e-4)
