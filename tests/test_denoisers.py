"""Guidance, anagrams and hybrids: cases with a known answer, and one call of the network a step."""

import pytest
import torch

from lessons_lib.denoisers import Conditioned, Prediction, anagram, ask, guided, hybrid
from lessons_lib.images import lowpass
from lessons_lib.views import VIEWS, Jigsaw


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
