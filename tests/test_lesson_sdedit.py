"""Image to image: what its page claims, on the kept films; its walk, on a network whose answer is known; its page."""

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.lessons import sdedit
from lessons_lib.lessons._common import made_so, picture_of
from lessons_lib.maths import metrics
from lessons_lib.maths.images import from_uint8
from lessons_lib.models.opening import open_model
from tests.known_model import SCHEDULE, TARGET, X0, last, towards
from tests.pages import captions, opened, press

MODELS = ("emoji", "mnist")


@pytest.mark.parametrize("model", MODELS)
def test_the_opening_is_what_the_page_would_make(model):
    m = open_model(model)
    about = sdedit.about(m)
    assert made_so(kept.film("sdedit", model), about, picture_of(m, about["picture"]))


@pytest.mark.parametrize("model", MODELS)
def test_the_less_noise_the_nearer_to_the_original(model):
    film = kept.film("sdedit", model)
    made = from_uint8(torch.from_numpy(film.final))
    distance = metrics.mse(made, torch.from_numpy(film.x0)[None].expand_as(made)).sqrt().tolist()
    falls = [a - b for a, b in zip(distance, distance[1:], strict=False)]
    assert min(falls) > -0.05, f"from one start to the next it may hardly rise: {distance}"
    assert distance[-1] < 0.6 * distance[0]


@pytest.mark.parametrize("model", MODELS)
def test_every_start_is_read_as_what_was_asked_for(model):
    m, film = open_model(model), kept.film("sdedit", model)
    ranks = m.judge.rank(from_uint8(torch.from_numpy(film.final)), m.class_of(film.about["prompt"]))
    assert ranks.tolist() == [0] * len(ranks)


def test_starts_are_the_courses():
    model = towards(TARGET)
    assert sdedit.i_starts_of(model) == [1, 3, 5, 7, 10, 20]
    assert [SCHEDULE.timesteps(30)[i] for i in sdedit.i_starts_of(model)] == [960, 900, 840, 780, 690, 390]


def test_each_picture_is_held_at_the_noised_original_until_its_start():
    starts = [1, 5, 20]
    timesteps = SCHEDULE.timesteps(30)
    eps = torch.randn(X0.shape, generator=torch.Generator().manual_seed(180))
    for step in sdedit.from_starts(towards(TARGET), X0, "", starts, 180):
        for k, i in enumerate(starts):
            if step.t >= timesteps[i]:
                torch.testing.assert_close(step.xt[k], SCHEDULE.add_noise(X0, step.t, eps)[0])


def test_at_the_last_index_it_is_nearly_the_original():
    n = len(SCHEDULE.timesteps(30))
    x = last(sdedit.from_starts(towards(X0), X0, "", [n - 2], 180))
    assert metrics.mse(x, X0).sqrt().item() < 0.02


def test_a_network_that_knows_the_original_returns_it_from_anywhere():
    x = last(sdedit.from_starts(towards(X0), X0, "it", [1, 10, 20], 180))
    torch.testing.assert_close(x, X0.expand_as(x), rtol=0, atol=0.03)


@pytest.mark.parametrize("bad", [-1, 33, 34, 100])
def test_a_start_outside_the_list_is_named(bad):
    with pytest.raises(ValueError, match=str(bad)):
        next(sdedit.from_starts(towards(X0), X0, "", [bad], 180))


def test_a_start_is_the_same_picture_alone_and_among_six():
    """The noise on the way begins anew at each picture's own start."""
    model = open_model("mnist")
    about = sdedit.about(model, seed=7)
    x0 = picture_of(model, about["picture"])
    six = last(sdedit.walk(model, about, x0))
    how = {"guidance_scale": about["guidance_scale"]}
    for k in (0, 3, 5):
        alone = last(sdedit.from_starts(model, x0, about["prompt"], [sdedit.i_starts_of(model)[k]], 7, **how))
        torch.testing.assert_close(six[k : k + 1], alone, rtol=0, atol=1e-4)


def test_guidance_is_named_only_where_there_is_a_prompt():
    """T10."""
    model = open_model("mnist")
    assert "guidance_scale" in sdedit.about(model)
    assert "guidance_scale" not in sdedit.about(model, prompt="")
    at = press(opened("sdedit", model="mnist", sdedit_with_prompt="False"), "Run")
    assert not at.exception
    film = at.session_state["sdedit_film_mnist"]
    assert film.about["prompt"] == ""
    assert "guidance_scale" not in film.about
    assert not any("guidance" in c.value for c in at.caption if "**live**" in c.value)


def test_the_page_runs_with_a_prompt_and_shows_every_start():
    at = press(opened("sdedit", model="mnist", seed="7", sdedit_prompt_digit="8"), "Run")
    assert not at.exception
    assert not at.error
    assert at.session_state["sdedit_film_mnist"].about["prompt"] == "8"
    starts = sdedit.i_starts_of(open_model("mnist"))
    assert all(any(c.startswith(f"i_start {i} ") for c in captions(at)) for i in starts)
