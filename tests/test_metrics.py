"""Each measure on cases with a known answer."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lessons_lib.images import lowpass
from lessons_lib.metrics import diversity, mse, psnr, sharpness, ssim


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


def test_ssim_is_skimages():
    expected = [structural_similarity(a, b, data_range=2, channel_axis=0) for a, b in zip(X.numpy(), Y.numpy(), strict=True)]
    assert ssim(X, Y).tolist() == pytest.approx(expected)
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
