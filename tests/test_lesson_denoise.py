"""Three ways to denoise: what its page claims, on the kept films and the kept measure; its walk; its page."""

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.lessons import denoise
from lessons_lib.lessons._common import made_so, picture_of
from lessons_lib.maths import metrics
from lessons_lib.maths.images import blur, from_uint8
from lessons_lib.models.judge import open_judge
from lessons_lib.models.opening import open_model
from tests.pages import captions, opened, press

MODELS = ("emoji", "mnist")


def test_one_step_is_a_blur_and_the_walk_a_picture():
    """The opening: one step nearer in MSE, the walk as sharp as the original, both read as what they are asked for."""
    film = kept.film("denoise", "emoji")
    x0, one, many = torch.from_numpy(film.x0)[None], *(from_uint8(torch.from_numpy(x)) for x in (film.x0_hat[0], film.final))
    assert metrics.mse(one, x0) < metrics.mse(many, x0)
    sharp = [metrics.sharpness(x).item() for x in (one, many, x0)]
    assert sharp[0] < 0.9 * sharp[1]
    assert abs(sharp[1] - sharp[2]) < 0.2 * sharp[2]
    judge = open_judge("emoji")
    label = open_model("emoji").class_of(film.about["prompt"])
    assert judge.rank(many, label).item() == 0


def test_the_opening_has_the_courses_stills():
    assert kept.film("denoise", "emoji").t == [690, 540, 390, 240, 90]
    assert kept.film("denoise_three", "emoji").t == [250, 500, 750]


@pytest.mark.parametrize("model", MODELS)
def test_the_opening_is_what_the_page_would_make(model):
    opened_model = open_model(model)
    about = denoise.about(opened_model)
    assert made_so(kept.film("denoise", model), about, picture_of(opened_model, about["picture"]))
    assert made_so(kept.film("denoise_three", model), denoise.about_three(opened_model))


@pytest.mark.parametrize("model", MODELS)
def test_one_step_has_the_least_mse_and_the_walk_the_sharpness_of_the_originals(model):
    """T7, on the kept measure: MSE at every noise level; sharpness from much noise on, below which they hardly differ."""
    for row in kept.measure("denoise", model)["rows"]:
        ways = {w: row[f"{w} mse"] for w in ("blur", "one step", "iterative")}
        assert min(ways, key=ways.get) == "one step", row
        if row["t"] / open_model(model).schedule.T > 0.65:
            gaps = {w: abs(row[f"{w} sharpness"] - row["sharpness of the originals"]) for w in ways}
            assert min(gaps, key=gaps.get) == "iterative", row


def test_blur_is_of_a_picture_as_bright_as_the_original():
    """T7: without dividing by sqrt(alpha_bar) most of blur's error is darkness."""
    model = open_model("emoji")
    about = denoise.about(model)
    x0 = picture_of(model, about["picture"])
    xt, t = denoise.noisy(model, about, x0), about["t"]
    sigma = denoise.best_sigma(model.schedule, xt, t, x0)
    ours = metrics.mse(denoise.blurred(model.schedule, xt, t, sigma), x0).item()
    assert ours < 0.6 * min(metrics.mse(blur(xt, s), x0).item() for s in denoise.SIGMAS)
    assert all(ours <= metrics.mse(denoise.blurred(model.schedule, xt, t, s), x0).item() for s in denoise.SIGMAS)


def test_a_seed_is_a_picture_whatever_else_is_asked():
    model = open_model("mnist")
    about = denoise.about(model, seed=7)
    x0 = picture_of(model, about["picture"])
    first, *_, last = denoise.walk(model, about, x0)
    *_, again = denoise.walk(model, about, x0)
    assert torch.equal(last.x_prev, again.x_prev)
    assert torch.equal(first.x0_hat, denoise.one_step(model, about, x0))
    *_, other = denoise.walk(model, {**about, "seed": 8}, x0)
    assert not torch.equal(last.x_prev, other.x_prev)


def test_three_timesteps_at_once_are_each_one_step():
    model = open_model("mnist")
    about = denoise.about_three(model, seed=7)
    x0 = picture_of(model, about["picture"])
    for step in denoise.three(model, about, x0):
        alone = denoise.one_step(model, {**about, "t": step.t}, x0)
        assert torch.equal(step.x0_hat, alone)
        assert torch.equal(step.xt, denoise.noisy(model, about, x0, step.t))


def test_run_follows_the_sliders():
    at = press(opened("denoise", model="mnist", denoise_t_fraction="0.5", seed="7"), "Run")
    assert not at.exception
    assert not at.error
    film = at.session_state["denoise_film_mnist"]
    assert film.finished
    assert (film.about["t"], film.about["seed"], film.about["prompt"]) == (150, 7, "3")
    assert "iterative" in captions(at)


def test_noise_and_blur_follow_t_at_once_and_the_walk_asks_for_run():
    at = opened("denoise", model="mnist")
    assert "iterative" in captions(at)
    at = opened("denoise", model="mnist", denoise_t_fraction="0.3")
    assert "iterative: press Run" in captions(at)
    assert "noisy, t = 90" in captions(at)


def test_without_a_prompt_the_network_is_not_told():
    model = open_model("emoji")
    assert denoise.about(model)["prompt"] == "a penguin"
    assert denoise.about(model, picture="photo cat")["prompt"] == ""
    assert denoise.about(open_model("mnist"), picture="digit 7b")["prompt"] == "7"
