"""Forward noising: the formulas that its page shows, what it claims of spectrum and schedules, and its page."""

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.lessons import forward
from lessons_lib.maths.schedule import Schedule
from lessons_lib.sources import clean_picture
from tests.pages import captions, opened

CAT = clean_picture("photo", "cat", (3, 64, 64))


def test_the_strip_is_one_noise_at_every_t():
    """DDPM, eq. 4, by the seed's own noise; the same alone and in the strip, and for a picture of any model."""
    about = forward.about(seed=7)
    eps = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(7))
    strip = forward.walk(about, CAT, (0, *forward.COURSE))
    for x, t in zip(strip, (0, *forward.COURSE), strict=True):
        torch.testing.assert_close(x[None], Schedule.cosine().add_noise(CAT, t, eps))
        assert torch.equal(x[None], forward.walk(about, CAT, [t]))


def test_the_answer_to_the_question():
    assert Schedule.cosine().alpha_bar(500) == pytest.approx(0.492, abs=5e-4)


def test_a_pictures_own_signal_to_noise_and_correlation():
    """2b: alpha_bar / (1 - alpha_bar) is of a picture of variance 1; the cat has about a tenth."""
    schedule = Schedule.cosine()
    assert schedule.snr(500) == pytest.approx(0.97, abs=0.01)
    own = forward.own_snr(schedule, CAT, 500)
    assert 0.05 < own < 0.2
    xt = forward.walk(forward.about(), CAT, [500])
    assert forward.correlation(CAT, xt) == pytest.approx((own / (1 + own)) ** 0.5, abs=0.05)
    assert forward.correlation(CAT, CAT) == pytest.approx(1)
    assert forward.correlation(torch.zeros_like(CAT), CAT) == 0


def test_power_of_white_noise_is_one_at_every_frequency_and_of_a_wave_in_its_ring():
    eps = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    rings, power = forward.radial_power(eps)
    assert rings == [float(k) for k in range(1, 33)]
    assert all(0.4 < p < 1.8 for p in power)
    assert sum(power[8:]) / len(power[8:]) == pytest.approx(1, abs=0.05)
    wave = torch.sin(2 * torch.pi * 5 * torch.arange(64) / 64).expand(1, 3, 64, 64)
    _, power = forward.radial_power(wave)
    assert max(range(32), key=power.__getitem__) == 4
    assert power[4] > 1000 * power[10]


def test_fine_details_drown_first():
    """The more noise, the lower the frequency from which on it is stronger."""
    schedule = Schedule.cosine()
    _, clean = forward.radial_power(CAT)
    lost = [
        forward.drowned_from([schedule.alpha_bar(t) * p for p in clean], 1 - schedule.alpha_bar(t)) for t in (100, 250, 500, 900)
    ]
    assert lost == sorted(lost, reverse=True)
    assert lost[0] > 2 * lost[2] > 0
    assert forward.drowned_from([2, 2], 1) is None
    assert forward.drowned_from([0, 0], 1) == 0


def test_what_the_caption_counts_of_two_schedules():
    assert int((Schedule.linear().alphas_cumprod < 0.01).sum()) == 327
    assert int((Schedule.cosine().alphas_cumprod < 0.01).sum()) == 65


def test_the_page_shows_t_and_pixels_within_the_picture():
    at = opened("forward", forward_t="300", forward_size="28", forward_row_28="27")
    assert not at.exception
    assert not at.error
    assert "x_t at t = 300" in captions(at)
    assert any("pixel (27, 14)" in c.value for c in at.caption)


@pytest.mark.parametrize(("name", "bad"), [("forward_t", "-3"), ("forward_t", "nan"), ("forward_size", "29"), ("seed", "x")])
def test_bad_values_in_the_link_do_no_harm(name, bad):
    at = opened("forward", **{name: bad})
    assert not at.exception
    assert not at.error


def test_the_card_is_kept():
    assert kept.card("forward") is not None
