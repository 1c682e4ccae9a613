"""Classifier-free guidance: at its defaults, after Run, and with bad values in the link."""

import json
from dataclasses import replace

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.files.film import Film, opening_path
from lessons_lib.lessons import guidance, keep
from lessons_lib.lessons._common import from_noise
from lessons_lib.lessons.guidance import SCALES, over_scales
from lessons_lib.models.names import available
from lessons_lib.models.opening import open_model
from tests.pages import captions, opened, press

MODELS = [pytest.param(m, marks=[] if m == "mnist" else [pytest.mark.slow]) for m in available()]


@pytest.mark.parametrize("model", MODELS)
def test_run_shows_a_picture_for_every_scale_and_what_the_judge_reads(model):
    at = press(opened("guidance", model=model, seed="7"), "Run")
    assert not at.exception
    assert not at.error
    shown = captions(at)
    for scale in SCALES:
        assert any(c.startswith(f"scale {scale:g}: ") and c.endswith(("%", "unsure")) for c in shown), (scale, shown)
    film = at.session_state[f"guidance_film_{model}"]
    assert film.finished
    assert film.about["seed"] == 7
    assert len(film.final) == len(SCALES)
    assert any("**live**" in m.value for m in at.caption)


def test_five_pictures_at_the_chosen_scale():
    at = opened("guidance", model="mnist", guidance_guidance_scale="3")
    at = [b for b in at.button if b.label == "Run"][1].click().run()
    assert not at.exception
    film = at.session_state["guidance_five_mnist"]
    assert film.finished
    assert len(film.final) == 5
    assert film.about["guidance_scale"] == 3
    assert "t = 290" in captions(at)
    assert "t = 240" in captions(at)  # every fifth of the strided timesteps
    assert "x0_hat at 3" in captions(at)


def test_opening_is_labelled_and_a_changed_setting_is_said():
    if not opening_path("guidance", "mnist").exists():
        pytest.skip("no opening was kept in this checkout: python -m lessons_lib.lessons.keep guidance")
    at = opened("guidance", model="mnist")
    assert any("kept from an earlier run" in m.value for m in at.caption)
    assert not any("changed since" in m.value for m in at.caption)
    at = opened("guidance", model="mnist", seed="3")
    assert any("seed changed since" in m.value for m in at.caption)


def test_a_stopped_walk_stays_as_far_as_it_came():
    at = opened("guidance", model="mnist")
    film = Film({"prompt": "3"})
    for _ in zip(range(4), film.record_all(over_scales(open_model("mnist"), "3", 180)), strict=False):
        pass
    at.session_state["guidance_film_mnist"] = film  # what Stop leaves behind
    at.run()
    assert not at.exception
    assert any(f"stopped after {len(film)} of 29 steps" in m.value for m in at.caption)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("guidance_guidance_scale", "-5"),
        ("guidance_guidance_scale", "inf"),
        ("guidance_t_fraction", "NaN"),
        ("seed", "1e999"),
        ("guidance_prompt_digit", "eleven"),
        ("guidance_clip_x0", "perhaps"),
    ],
)
def test_bad_values_in_the_link_do_no_harm(name, bad):
    at = opened("guidance", model="mnist", **{name: bad})
    assert not at.exception
    assert not at.error


def test_kept_measure_says_when_how_many_and_by_what(tmp_path, monkeypatch):
    """`python -m lessons_lib.lessons.keep guidance --only measures`: the JSON that the page draws."""
    monkeypatch.setattr(kept, "OPENINGS", tmp_path)
    rows = iter([{"guidance_scale": 0.0, "accuracy": 0.1, "top5": 0.5, "diversity": 0.9}])
    monkeypatch.setitem(guidance.MEASURES, "guidance", lambda model, num_images=60: rows)
    monkeypatch.setattr("sys.argv", ["keep", "guidance", "--only", "measures", "--models", "mnist", "--num-images", "20"])
    keep.main()
    report = json.loads((tmp_path / "measure-guidance-mnist.json").read_text())
    assert report["rows"][0]["diversity"] == 0.9
    assert "--num-images 20" in report["command"]
    assert report["made"]


def test_guidance_makes_pictures_alike_and_too_much_of_it_burns_them():
    """T6, on the kept measure: up to 5 pictures grow more alike; beyond, they burn out and fewer are read as asked."""
    rows = {r["guidance_scale"]: r for r in kept.measure("guidance", "emoji")["rows"]}
    assert rows[5]["accuracy"] > rows[0]["accuracy"] + 0.5
    assert rows[15]["accuracy"] < rows[5]["accuracy"] - 0.2
    for seen in ("diversity of shapes", "diversity of features"):
        assert rows[0][seen] > rows[1][seen] > rows[3][seen] > rows[5][seen]
        assert rows[15][seen] < 0.9 * rows[1][seen]
    assert rows[15]["sharpness"] > 1.3 * rows[3]["sharpness"]


def test_the_answers_differ_late_as_noise_and_early_as_pictures():
    """T8, on the kept measure: the same difference, read as eps and as x0_hat."""
    rows = sorted(kept.measure("guidance_answers", "emoji")["rows"], key=lambda r: r["t"])
    assert max(rows, key=lambda r: r["x0_hat"])["t"] > 900
    assert max(rows, key=lambda r: r["eps"])["t"] < 300
    assert rows[0]["x0_hat"] < 0.05 * rows[-1]["x0_hat"]


@pytest.mark.parametrize("model", ["emoji", "mnist"])
def test_the_page_says_of_each_model_where_the_answers_differ_most(model):
    """In eps late for the text-to-image model, early for the digits; in x0_hat early for both."""
    rows = kept.measure("guidance_answers", model)["rows"]
    eps, x0_hat = (max(rows, key=lambda r: r[k])["t"] for k in ("eps", "x0_hat"))
    assert x0_hat == rows[0]["t"] == max(r["t"] for r in rows)
    at = opened("guidance", model=model)
    assert any(f"differ most at t = {eps}, in x0_hat at t = {x0_hat}" in c.value for c in at.caption)
    assert not any("near t = 0 the two noises differ most" in str(m.value).lower() for m in at.markdown)


def test_the_measure_itself_on_a_few_digits():
    model = replace(open_model("mnist"), prompts=tuple("34"))
    free, guided = guidance.measure(model, num_images=12, guidance_scales=(0.0, 5.0))
    assert guided["accuracy"] > free["accuracy"] + 0.4
    assert guided["diversity of shapes"] < free["diversity of shapes"]


def test_guidance_in_an_interval_is_the_conditional_walk_outside_it():
    """Kynkaanniemi et al. 2024: nowhere is gamma 1; everywhere is the plain walk."""
    model = open_model("mnist")
    *_, nowhere = guidance.walk_five(model, guidance.about_five(model, guide_from=0, guide_to=299))
    *_, conditional = guidance.walk_five(model, guidance.about_five(model, guidance_scale=1.0))
    assert torch.equal(nowhere.x_prev, conditional.x_prev)
    first = next(guidance.walk_five(model, guidance.about_five(model, guide_from=100)))
    assert torch.equal(first.eps, next(guidance.walk_five(model, guidance.about_five(model, guidance_scale=1.0))).eps)


def test_the_opening_has_the_courses_stills():
    assert kept.film("guidance_five", "emoji").t[:4] == [990, 840, 690, 540]


def test_a_seed_is_a_picture_alone_and_in_a_batch():
    """The third of five, and the same seed alone, are one picture; and so is a scale alone and among six."""
    model = open_model("mnist")
    *_, five = guidance.walk_five(model, guidance.about_five(model, seed=7))
    *_, alone = from_noise(model, model.prompts[0], [9], guidance_scale=7.0)
    assert torch.equal(five.x_prev[2:3], alone.x_prev)
    *_, six = guidance.over_scales(model, "3", 7)
    *_, one = guidance.over_scales(model, "3", 7, [guidance.SCALES[2]])
    assert torch.equal(six.x_prev[2:3], one.x_prev)


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError, match="unknown settings: sede"):
        guidance.about(open_model("mnist"), sede=3)
