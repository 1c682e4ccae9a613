"""Inpainting: what its page claims, on the kept films; its walk, on a network whose answer is known; its page."""

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.lessons import inpainting
from lessons_lib.lessons._common import denoiser_of, made_so, picture_of
from lessons_lib.maths.images import from_uint8
from lessons_lib.models.opening import open_model
from tests.known_model import TARGET, X0, last, towards
from tests.pages import captions, opened, press

MODELS = ("emoji", "mnist")


def painted(model, mask, seeds=(7,), **how):
    return last(inpainting.painted_in(model, denoiser_of(model, "it"), X0, mask, seeds, **how))


@pytest.mark.parametrize("model", MODELS)
def test_the_opening_is_what_the_page_would_make_and_keeps_the_original(model):
    m, film = open_model(model), kept.film("inpainting", model)
    about = inpainting.about(m)
    x0 = picture_of(m, about["picture"])
    assert made_so(film, about, x0)
    kept_part = inpainting.preset_mask(about["mask"], m.shape[1])[0, 0] == 0
    for picture in from_uint8(torch.from_numpy(film.final)):
        assert (picture - x0[0])[:, kept_part].abs().max() < 1 / 127
    assert len({p.tobytes() for p in film.final}) == 5


@pytest.mark.parametrize("resamplings", [1, 3])
@pytest.mark.parametrize("name", inpainting.MASKS)
def test_new_inside_the_mask_and_the_original_outside(name, resamplings):
    mask = inpainting.preset_mask(name, 16)
    x = painted(towards(TARGET), mask, (7, 8), resamplings=resamplings)
    new, old = mask.expand_as(x) == 1, mask.expand_as(x) == 0
    torch.testing.assert_close(x[new], TARGET.expand_as(x)[new], rtol=0, atol=0.05)
    assert torch.equal(x[old], X0.expand_as(x)[old]), "kept to the bit"


def test_an_empty_mask_gives_the_original():
    assert torch.equal(painted(towards(TARGET), torch.zeros(1, 1, 16, 16)), X0)


def test_resampling_asks_the_network_that_often_and_noises_back_by_one_move():
    """RePaint, algorithm 1: x_t = sqrt(alpha) x_t' + sqrt(1 - alpha) z between two times of the same move."""
    model, mask = towards(TARGET), inpainting.preset_mask("centre", 16)
    once = list(inpainting.painted_in(model, denoiser_of(model, "it"), X0, mask, [7]))
    often = list(inpainting.painted_in(model, denoiser_of(model, "it"), X0, mask, [7], resamplings=3))
    assert len(often) == 3 * (len(once) - 1) + 1
    assert [s.t for s in often[:4]] == [once[0].t] * 3 + [once[1].t]
    assert [s.index for s in often] == list(range(often[0].total))
    assert torch.equal(often[0].x_prev, once[0].x_prev)
    alpha, beta = model.schedule.move(often[0].t, often[0].t_prev)
    z = (often[1].xt - alpha**0.5 * often[0].x_prev) / beta**0.5
    assert abs(z.std().item() - 1) < 0.1


def test_often_it_does_not_fit_and_resampling_mends_the_seam():
    """2b, on the kept measure: pasting alone does not harmonise, which is RePaint's very point."""
    rows = kept.measure("inpainting", "emoji")["rows"]
    assert [r["resamplings"] for r in rows] == [1, 2, 4]
    assert rows[0]["seam"] > 2 * rows[0]["original"]
    assert rows[2]["seam"] < 0.7 * rows[0]["seam"]


def test_a_mask_that_is_none_is_refused():
    with pytest.raises(ValueError, match="the moon"):
        inpainting.preset_mask("the moon", 16)


@pytest.mark.parametrize("resamplings", [1, 2])
def test_a_seed_is_a_picture_alone_and_among_five(resamplings):
    """All its noise, the constraint's too, is of its own generator."""
    model = open_model("mnist")
    about = inpainting.about(model, seed=7, resamplings=resamplings)
    x0, mask = picture_of(model, about["picture"]), inpainting.preset_mask("top half", 28)
    five = last(inpainting.walk(model, about, x0, mask))
    alone = last(inpainting.walk(model, {**about, "seed": 9}, x0, mask, num_images=1))
    torch.testing.assert_close(five[2:3], alone, rtol=0, atol=1e-4)
    assert (five[1] - five[2]).abs().max() > 0.2


def test_seam_is_zero_where_neighbours_agree_and_the_step_where_not():
    mask = inpainting.preset_mask("top half", 8)
    flat = torch.zeros(1, 3, 8, 8)
    assert inpainting.seam(flat, mask).item() == 0
    assert inpainting.seam(flat + mask * 0.5, mask).item() == pytest.approx(0.5)


def test_run_shows_five_seeds_in_order_and_sorts_by_a_switch_only():
    at = press(opened("inpainting", model="mnist", seed="7"), "Run")
    assert not at.exception
    assert not at.error
    shown = [c.replace("\\", "") for c in captions(at) if "seed " in c]
    assert [c.split(":")[0] for c in shown] == [f"{i + 1}. seed {7 + i}" for i in range(5)]


def test_an_empty_mask_is_said_in_one_sentence():
    at = opened("inpainting", model="mnist", inpainting_mask="paint it")
    at = press(at, "Run")
    assert not at.exception
    assert any("The mask is empty" in e.value for e in at.error)
