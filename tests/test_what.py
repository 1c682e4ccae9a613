"""What a diffusion model is: what its page claims, on what is kept; the machine in one line on every lesson."""

import re

import numpy as np
import pytest
import torch

from lessons_lib.catalogue import PIPELINE, lesson, written
from lessons_lib.files import kept
from lessons_lib.lessons import what
from lessons_lib.lessons._common import made_so, noise, picture_of
from lessons_lib.maths.images import eps_picture, to_uint8
from lessons_lib.models.opening import open_model
from lessons_lib.ui.page import in_one_line
from tests.pages import opened

MODELS = ["emoji", "mnist"]


@pytest.mark.parametrize("model", MODELS)
def test_the_openings_are_what_the_lesson_makes_and_every_step_is_kept(model):
    m = open_model(model)
    walk, training = (kept.film(name, model) for name in ("what", "what_training"))
    assert made_so(walk, what.about(m))
    assert made_so(training, what.about_training(m))
    assert len(walk) == walk.total == what.STEPS
    assert len(training) == what.QUESTIONS


@pytest.mark.parametrize("model", MODELS)
def test_every_picture_is_read_as_what_was_asked_for_and_other_noise_makes_another(model):
    m = open_model(model)
    film = kept.film("what", model)
    prompts = film.about["prompts"].split(", ") * what.NOISES
    final = torch.from_numpy(film.final).float() / 127.5 - 1
    assert (m.judge.rank(final, torch.tensor([m.class_of(p) for p in prompts])) < 5).all()
    first, other = film.final[0].astype(int), film.final[len(what.PROMPTS)].astype(int)
    assert np.abs(first - other).mean() > 5
    assert np.array_equal(film.xt[0][0], film.xt[0][1])  # the same noise, other words
    assert not np.array_equal(film.xt[0][0], film.xt[0][len(what.PROMPTS)])


@pytest.mark.parametrize("model", MODELS)
def test_training_shows_the_noise_that_really_was_added_and_a_guess_near_it(model):
    m = open_model(model)
    film = kept.film("what_training", model)
    for i, name in enumerate(film.about["pictures"].split(", ")):
        eps, _ = noise(m.shape, [film.about["seed"] + i])
        assert np.array_equal(film.eps[i][1:], to_uint8(eps_picture(eps)).numpy())
        assert np.array_equal(film.xt[i][1:], to_uint8(picture_of(m, name)).numpy())
    steps = list(what.training(m, what.about_training(m)))
    errors = [(s.eps[0] - s.eps[1]).square().mean().item() for s in steps]
    assert max(errors) < 0.5  # guessing nothing at all would err by 1
    assert all(a.t > b.t for a, b in zip(steps, steps[1:], strict=False))


def test_the_page_has_no_symbol_before_its_end():
    at = opened("what")
    words = " ".join(m.value for m in at.markdown) + " ".join(c.value for c in at.caption)
    for symbol in ("alpha", "eps", "sigma", "x_t", "x_0", "timestep", "$"):
        assert not re.search(rf"(?<!\w){re.escape(symbol)}", words), symbol


@pytest.mark.parametrize("page", written(), ids=lambda p: p.slug)
def test_every_lesson_says_what_it_is_about_how_long_it_takes_and_what_was_to_be_seen(page):
    assert page.minutes > 0
    assert page.seen.endswith(".")
    assert page.seen.count(". ") == 1  # two sentences
    assert set(page.parts) <= set(PIPELINE)
    line = in_one_line(page)
    assert bool(line) == bool(page.parts) == (page.slug != "hand_in")
    assert line.count('class="lit"') == len(page.parts)
    assert all(PIPELINE[part] in line for part in page.parts)


def test_nothing_is_needed_before_it_is_taught():
    order = [x.slug for x in written()]
    assert order[:2] == ["what", "plane"]
    for x in written():
        assert all(order.index(needed) < order.index(x.slug) for needed in x.needs), x.slug
        assert all(lesson(needed) for needed in x.needs)
    taught = ["one_step", "out_of_its_depth", "time", "class", "unet", "train", "flow", "bugs", "check", "hand_in"]
    assert [slug for slug in order if slug in taught] == taught


def test_the_end_of_a_lesson_says_what_was_to_be_seen_and_what_comes_next():
    at = opened("one_step")
    assert any(lesson("one_step").seen in m.value for m in at.markdown)
    assert any(p.proto.label.startswith("Next: **Out of its depth**") for p in at.get("page_link"))
