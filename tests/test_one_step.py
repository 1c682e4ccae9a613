"""The one-step denoiser's formulas, on cases with known answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lessons_lib.files.curves import thinned
from lessons_lib.files.test_digits import shown_digits
from lessons_lib.lessons import one_step
from lessons_lib.lessons import out_of_its_depth as depth
from lessons_lib.models import digits as networks
from lessons_lib.models.digits import COURSE, make_unet, save_weights
from lessons_lib.models.unet import UNet
from tests.part_b import ship


def test_noised_adds_sigma_times_one_and_the_same_eps():
    x = torch.rand(2, 1, 28, 28)
    a, b = one_step.noised(x, 0.2), one_step.noised(x, 1.0)
    torch.testing.assert_close((a - x) / 0.2, b - x, rtol=0, atol=1e-5)
    assert torch.equal(one_step.noised(x, 0.0), x)
    assert abs((b - x).std().item() - 1) < 0.05
    assert not torch.equal(one_step.noised(x, 1.0, seed=7), b)


@pytest.mark.parametrize("sigma", [-0.1, float("nan")])
def test_noised_refuses_what_is_no_noise(sigma):
    with pytest.raises(ValueError, match="sigma"):
        one_step.noised(torch.zeros(1, 1, 28, 28), sigma)


def test_error_is_mse_and_psnr_of_pixels_in_0_to_1():
    e = one_step.error(torch.full((3, 1, 28, 28), 0.5), torch.ones(3, 1, 28, 28))
    assert e.mse == pytest.approx(0.25)
    assert e.psnr == pytest.approx(10 * np.log10(1 / 0.25), abs=1e-4)


def test_the_noisy_error_against_sigma_is_sigma_squared():
    x = torch.from_numpy(shown_digits().images).float() / 255
    unet = UNet(2).eval()
    for point in depth.error_against_sigma(unet, x, (0.0, 0.3, 1.0)):
        assert point.noisy.mse == pytest.approx(point.sigma**2, rel=0.03)


def test_no_blind_guess_is_nearer_than_the_mean(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1,))
    b = depth.blind(n=5)
    x = torch.from_numpy(shown_digits().images).float() / 255
    spread = ((x - x.mean(0)) ** 2).mean().item()  # E|x - E[x]|^2
    for guess, name in ((b.average_digit, "the average training digit"), (b.mean_answer, "the network's mean answer")):
        off = ((guess - x.mean(0)) ** 2).mean().item()  # |c - E[x]|^2
        assert b.errors[name] == pytest.approx(off + spread, rel=1e-4)
    assert b.errors["a test digit for another"] == pytest.approx(2 * spread * len(x) / (len(x) - 1), rel=1e-3)
    assert min(b.errors, key=b.errors.get) == "the average training digit"
    assert torch.equal(depth.both_means(b), torch.cat([b.mean_answer, b.average_digit]))


def test_the_network_trained_on_noise_is_asked_at_its_own_sigma(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1,))
    assert depth.blind(n=2).from_noise is None
    (tmp_path / "pure_noise").mkdir()
    settings = replace(COURSE["one_step"], num_hiddens=4, sigma=100.0)
    unet = make_unet(settings).eval()
    save_weights(tmp_path / "pure_noise" / "epoch-02.safetensors", unet, settings, 10)
    b = depth.blind(n=2)
    with torch.no_grad():
        torch.testing.assert_close(b.from_noise, unet(100 * b.noise), rtol=0.05, atol=0.05)  # weights in half precision
    assert "each answer of the one trained on noise" in b.errors


def test_the_shown_digits_are_ten_of_each_and_the_average_is_one_of_digits():
    s = shown_digits()
    assert s.images.shape == (100, 1, 28, 28)
    assert s.labels.tolist() == [k for k in range(10) for _ in range(10)]
    assert s.trained_on == 60000
    assert 0.12 < s.average.mean() < 0.14  # MNIST's mean brightness is 0.1307
    with pytest.raises(IndexError):
        s.digit(10)


def test_moments_are_the_untrained_network_and_what_ships(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, one_step=(1, 5), time_conditioned=(3,))
    assert networks.epochs_of("one_step") == [0, 1, 5]
    assert networks.compared("one_step") == [1, 5]
    assert networks.compared("time_conditioned") == [0, 3]
    assert networks.epochs_of("class_conditioned") == networks.compared("class_conditioned") == []
    assert (networks.step_of("one_step", 5), networks.step_of("one_step", 0)) == (500, 0)
    untrained, settings = networks.network_at("one_step", 0)
    assert torch.equal(untrained.out.weight, make_unet(settings).out.weight)
    assert not untrained.training


def test_smoothed_keeps_the_mean_and_the_ends():
    xs, ys = thinned(list(range(1, 1001)), [float(i) for i in range(1, 1001)], points=100)
    assert len(xs) == 100
    assert xs == ys
    assert (xs[0], xs[-1]) == (5.5, 995.5)
    assert thinned([], []) == ([], [])
