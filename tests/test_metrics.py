"""Each measure on cases with a known answer."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lessons_lib.maths.images import from_unit, lowpass, to_unit
from lessons_lib.maths.metrics import coarse, diversity, mse, psnr, sharpness, ssim
from lessons_lib.models.judge import open_judge
from lessons_lib.sources import clean_picture


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


X, Y = noise(3, 3, 16, 16), noise(3, 3, 16, 16, seed=1)


def test_mse_is_the_mean_square_per_picture():
    x = torch.zeros(2, 1, 4, 4)
    y = torch.stack([torch.full((1, 4, 4), 0.5), torch.full((1, 4, 4), -2.0)])
    assert mse(x, y).tolist() == [0.25, 4]
    assert mse(X, X).tolist() == [0, 0, 0]


def test_psnr_is_skimages_over_a_range_of_2():
    expected = [peak_signal_noise_ratio(a, b, data_range=2) for a, b in zip(X.numpy(), Y.numpy(), strict=True)]
    assert psnr(X, Y).tolist() == pytest.approx(expected, rel=1e-5)
    assert psnr(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 2.0)).item() == 0  # as far as the range goes
    assert psnr(X, X).tolist() == [math.inf] * 3


def test_ssim_is_the_published_one():
    """torchmetrics prints 0.9219 in its documentation for uniform noise and three quarters of it, in [0, 1]."""
    u = torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(42))
    assert ssim(from_unit(u), from_unit(0.75 * u)).tolist() == pytest.approx([0.9219] * 3, abs=5e-5)


def test_ssim_of_two_greys_and_of_a_darker_photo():
    """Where SSIM on [-1, 1] says -0.85: two greys whose means have different signs there."""
    a, b = (from_unit(torch.full((1, 1, 32, 32), v / 255)) for v in (134, 121))
    m, n = 134 / 255, 121 / 255
    assert ssim(a, b).item() == pytest.approx((2 * m * n + 1e-4) / (m**2 + n**2 + 1e-4), abs=1e-5)
    assert ssim(a, b).item() == pytest.approx(0.995, abs=5e-4)
    x = clean_picture("photo", "cat", (3, 64, 64))
    assert ssim(x, from_unit(0.9 * to_unit(x))).item() == pytest.approx(0.990, abs=2e-3)


def test_ssim_is_skimages_on_the_unit_range():
    how = {"data_range": 1, "channel_axis": 0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [structural_similarity((a + 1) / 2, (b + 1) / 2, **how) for a, b in zip(X.numpy(), Y.numpy(), strict=True)]
    assert ssim(X, Y).tolist() == pytest.approx(expected, abs=1e-5)
    assert ssim(X, X).tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("size", [3, 4, 5, 7, 28])
def test_ssim_of_small_pictures(size):
    x = noise(1, 1, size, size)
    assert ssim(x, x).item() == pytest.approx(1)
    assert ssim(x, noise(1, 1, size, size, seed=1)).item() < 0.5


def test_sharpness_is_the_mean_gradient():
    ramp = torch.arange(8.0).expand(8, 8)[None, None] * 0.3  # 0.3 to the right at every pixel, none down
    assert sharpness(ramp).item() == pytest.approx(0.3, rel=1e-5)
    assert sharpness(3 * ramp + 4 * ramp.mT).item() == pytest.approx(1.5, rel=1e-5)  # 3, 4, 5
    assert sharpness(torch.full((2, 3, 5, 5), 0.7)).tolist() == [0, 0]


def test_blur_lowers_sharpness_and_noise_raises_it():
    blurred = lowpass(X, 5, 1.0)
    assert (sharpness(blurred) < sharpness(X)).all()
    assert (sharpness(blurred + 0.5 * Y) > sharpness(blurred)).all()


def test_diversity_is_the_mean_rms_distance_of_pairs():
    x = torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1, 1).expand(3, 2, 4, 4)
    assert diversity(x) == pytest.approx((1 + 3 + 2) / 3)
    assert diversity(X[:1]) == diversity(X[:1].expand(4, 3, 16, 16)) == 0


def test_clutter_is_no_diversity_of_coarse_shapes_or_features():
    """T6: fine noise on six times the same picture looks manifold in pixels, and in nothing else."""
    same = clean_picture("emoji", "dog", (3, 32, 32)).repeat(6, 1, 1, 1)
    cluttered = same + 0.3 * torch.randn(same.shape, generator=torch.Generator().manual_seed(0))
    others = torch.cat(
        [clean_picture("emoji", n, (3, 32, 32)) for n in ("dog", "cat", "pizza", "penguin", "strawberry", "rocket")]
    )
    features = open_judge("emoji").features
    assert diversity(cluttered) > 0.4 > 0.2 > diversity(coarse(cluttered))
    assert diversity(features(cluttered)) < 0.5 * diversity(features(others))
    assert diversity(coarse(others)) > 5 * diversity(coarse(cluttered))


def test_features_decide_the_reading():
    judge = open_judge("emoji")
    x = clean_picture("emoji", "dog", (3, 32, 32))
    torch.testing.assert_close(judge.net[-1](judge.features(x)).softmax(1), judge.read(x))


@pytest.mark.parametrize("measure", [mse, psnr, ssim])
@pytest.mark.parametrize(("a", "b"), [((1, 3, 8, 8), (1, 3, 8, 7)), ((2, 3, 8, 8), (1, 3, 8, 8)), ((3, 8, 8), (3, 8, 8))])
def test_shapes_that_differ_are_refused(measure, a, b):
    with pytest.raises(ValueError, match=rf"\({', '.join(map(str, a))}\).*\({', '.join(map(str, b))}\)"):
        measure(torch.zeros(a), torch.zeros(b))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 9), (2, 9)])
def test_ssim_refuses_what_is_too_small(size):
    with pytest.raises(ValueError, match=rf"\({size[0]}, {size[1]}\)"):
        ssim(torch.zeros(1, 1, *size), torch.zeros(1, 1, *size))


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (1, 1, 1, 1), (1, 1, 1, 9)])
def test_sharpness_refuses_what_has_no_neighbours(shape):
    with pytest.raises(ValueError, match=rf"\({', '.join(map(str, shape))}\)"):
        sharpness(torch.zeros(shape))


def test_diversity_refuses_what_is_no_batch():
    with pytest.raises(ValueError, match=r"\(3, 8, 8\)"):
        diversity(torch.zeros(3, 8, 8))
