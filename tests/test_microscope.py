"""The microscope's equations hold: for every eta, for one channel, and in all four languages of the network's answer."""

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from lessons_lib.files.film import Film, opening_path
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import Schedule
from lessons_lib.ui.microscope import four_languages, split_move

SCHEDULE = Schedule.linear(300)


def filmed(*, eta: float = 1.0, clip_x0: bool = True, channels: int = 1, end: int = -1) -> Film:
    """Five moves of a made-up network, of two pictures of 8 x 8."""
    film = Film({})
    generator = torch.Generator().manual_seed(0)
    xt = torch.randn(2, channels, 8, 8, generator=generator)
    timesteps = [240, 192, 144, 96, 48, end]
    walk = sample(lambda xt, t: (0.1 * xt, None), SCHEDULE, xt, timesteps, eta=eta, clip_x0=clip_x0, generator=generator)
    for _ in film.record_all(walk):
        pass
    return film


def rest(film: Film, i: int, eta: float) -> np.ndarray:
    """What split_move() leaves of x_prev, for every pixel of the first picture."""
    xt, x0_hat, _, x_prev = film.numbers[i].reshape(4, -1).astype(float)
    left = []
    for a, b, c in zip(xt, x0_hat, x_prev, strict=True):
        terms, _ = split_move(a, b, SCHEDULE, film.t[i], film.t_prev[i], eta)
        left.append(c - sum(weight * value for weight, value, _ in terms))
    return np.array(left)


def test_at_eta_0_the_line_is_ddims_and_nothing_is_left():
    film = filmed(eta=0.0)
    for i in range(5):
        assert np.abs(rest(film, i, 0.0)).max() < 1e-5
        assert split_move(0.1, 0.2, SCHEDULE, film.t[i], film.t_prev[i], 0.0)[1] == ""
    assert np.abs(rest(film, 0, 1.0)).max() > 0.1, "DDPM's line would leave something that is no noise"


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_what_is_left_is_fresh_noise_of_etas_own_size(eta):
    film = filmed(eta=eta, channels=3)
    for i in range(4):
        left = rest(film, i, eta)
        sigma = eta * SCHEDULE.posterior_variance(film.t[i], film.t_prev[i]) ** 0.5
        assert left.std() == pytest.approx(sigma, rel=0.2)
        for known in film.numbers[i][:3].reshape(3, -1):
            assert abs(np.corrcoef(left, known)[0, 1]) < 0.3
    assert np.abs(rest(film, 4, eta if eta == 1 else 0.0)).max() < 1e-5, "the last move adds none"


def test_each_language_gives_the_other_three():
    film = filmed(clip_x0=False, channels=3)
    at = (2, 3, 5)
    for i, numbers in enumerate(film.numbers):
        a = SCHEDULE.alpha_bar(film.t[i])
        xt, score, eps, x0, v = (s.value for s in four_languages(numbers, a, at))
        assert (xt, x0, eps) == pytest.approx([n[at] for n in numbers[:3]], abs=1e-4)
        assert eps == pytest.approx(-((1 - a) ** 0.5) * score)
        assert x0 == pytest.approx(a**0.5 * xt - (1 - a) ** 0.5 * v, abs=1e-4)
        assert eps == pytest.approx((1 - a) ** 0.5 * xt + a**0.5 * v, abs=1e-4)
        shown = {s.name: s.pixels for s in four_languages(numbers, a, at)}
        np.testing.assert_allclose(shown["score"], -shown["eps"])  # the same picture, dark for bright


def look(path):
    from lessons_lib.files.film import Film
    from lessons_lib.maths.schedule import Schedule
    from lessons_lib.ui.microscope import microscope

    microscope(Film.load(path), Schedule.linear(300), "look")


@pytest.mark.parametrize("clip_x0", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_says_clipped_where_the_channel_in_view_was(channels, clip_x0, tmp_path):
    film = filmed(clip_x0=clip_x0, channels=channels)
    film.save(tmp_path / "film.npz")
    raw = abs((film.numbers[0][0] - (1 - (a := SCHEDULE.alpha_bar(240))) ** 0.5 * film.numbers[0][2]) / a**0.5)
    app = AppTest.from_function(look, kwargs={"path": tmp_path / "film.npz"}, default_timeout=60).run()
    app.select_slider(key="look_step").set_value(1)
    said = set()
    for c in range(channels):
        if channels == 3:
            app.segmented_control(key="look_channel").set_value(("red", "green", "blue")[c])
        for row in range(0, 8, channels):
            app.slider(key="look_row").set_value(row)
            for column in range(0, 8, 2):
                app.slider(key="look_column").set_value(column).run()
                assert not app.exception
                said.add(("inside" if raw[c, row, column] < 1 else "outside", "clipped" in app.latex[0].value))
    assert said == ({("inside", False), ("outside", True)} if clip_x0 else {("inside", False), ("outside", False)})


def test_it_numbers_the_steps_as_the_walk_does_and_shows_ddims_line(tmp_path):
    filmed(eta=0.0).save(tmp_path / "film.npz", frames=3)
    app = AppTest.from_function(look, kwargs={"path": tmp_path / "film.npz"}, default_timeout=60).run()
    assert app.select_slider(key="look_step").options == ["1 of 5", "3 of 5", "5 of 5"]
    assert "epsilon" in app.latex[1].value
    assert "sigma" not in app.latex[1].value
    assert any("eta = 0," in c.value for c in app.caption)


@pytest.mark.parametrize(("name", "eta"), [("prompts", 0.0), ("guidance", 0.0), ("denoise", 1.0)])
def test_kept_films_know_their_eta(name, eta):
    """What their own numbers leave of the move is nothing at eta 0, and noise of the posterior's size at eta 1."""
    film = Film.load(opening_path(name, "mnist"))
    if film is None:
        pytest.skip("nothing kept")
    assert film.eta == eta
    i = len(film) // 2
    left = rest(film, i, eta)
    sigma = SCHEDULE.posterior_variance(film.t[i], film.t_prev[i]) ** 0.5
    assert left.std() < 0.002 if eta == 0 else left.std() == pytest.approx(sigma, rel=0.1)
