"""From noise to image: what its page claims, on what is kept; its walks; its page after Run and with bad links."""

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.lessons import guidance, sampling
from lessons_lib.lessons._common import from_noise, made_so
from lessons_lib.maths.denoisers import perfect
from lessons_lib.maths.images import from_uint8
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models.names import available
from lessons_lib.models.opening import open_model
from lessons_lib.models.upscaler import Upscaler
from tests.pages import captions, opened, press

MODELS = [pytest.param(m, marks=[] if m == "mnist" else [pytest.mark.slow]) for m in available()]


def last(walk) -> torch.Tensor:
    *_, step = walk
    return step.x_prev


@pytest.mark.parametrize("model", ["emoji", "mnist"])
def test_the_openings_are_what_the_page_would_make(model):
    m = open_model(model)
    for steps, name in ((20, "sampling"), (50, "sampling50")):
        assert made_so(kept.film(name, model), sampling.about(m, num_inference_steps=steps))
    assert made_so(kept.film("sampling_free", model), sampling.about_five(m))
    assert made_so(kept.film("sampling_guided", model), sampling.about_five(m, guidance_scale=m.guidance_scale))
    if model == "emoji":
        for steps, name in ((20, "sampling_stage2"), (50, "sampling_stage250")):
            assert made_so(kept.film(name, model), sampling.about_large(m, num_inference_steps=steps))


def test_the_noise_on_the_way_decides_at_eta_1_and_the_first_noise_at_eta_0():
    """T1, on the kept measure: of two pictures, who shares what with whom."""
    at_1, at_0 = kept.measure("sampling_noise", "emoji")["rows"]
    assert (at_1["eta"], at_0["eta"]) == (1, 0)
    assert at_1["the noise on the way"] < 0.4 * at_1["the first noise"]
    assert at_1["the first noise"] > 0.8 * at_1["neither"]
    assert at_0["the first noise"] == 0
    assert at_0["the noise on the way"] == at_0["neither"] > 0


@pytest.mark.parametrize("model", ["emoji", "mnist"])
def test_more_steps_buy_nothing_the_judge_sees_and_refine_only_without_fresh_noise(model):
    """T9: distances to the 50-step picture, another seed's among them. Twenty pictures: the share read is good to 0.1."""
    rows = sorted(kept.measure("sampling", model)["rows"], key=lambda r: r["num_inference_steps"])
    assert rows[-1]["accuracy"] <= rows[2]["accuracy"] + 0.05
    assert rows[-1]["same seed, eta 1"] == rows[-1]["same seed, eta 0"] == 0
    assert rows[-1]["another seed"] > 0.2
    for row in rows[:-1]:
        assert row["another seed"] > row["same seed, eta 1"] > 0.5 * row["another seed"]
        assert row["same seed, eta 0"] < 0.6 * row["same seed, eta 1"]
    assert rows[0]["same seed, eta 0"] > rows[1]["same seed, eta 0"] > rows[2]["same seed, eta 0"]


def test_the_kept_pictures_say_so_too():
    """At eta = 1, 20 and 50 steps of one seed are two pictures of the same thing."""
    twenty, fifty = (from_uint8(torch.from_numpy(kept.film(n, "emoji").final)) for n in ("sampling", "sampling50"))
    assert sampling.rms(twenty, fifty) > 0.2
    model = open_model("emoji")
    labels = torch.tensor([model.class_of(p) for p in model.prompts[:3]])
    assert (model.judge.rank(fifty, labels) < 5).all()


def test_a_seed_is_a_picture_alone_in_any_row_and_on_another_page():
    model = open_model("mnist")
    row = last(sampling.walk(model, sampling.about(model, seed=7)))
    alone = last(sampling.walk(model, sampling.about(model, seed=7, prompts=model.prompts[1])))
    assert torch.equal(row[1:2], alone)
    five = last(sampling.walk_five(model, sampling.about_five(model, seed=7, guidance_scale=7.0)))
    assert torch.equal(five[2:3], last(from_noise(model, model.prompts[0], [9], guidance_scale=7.0)))
    assert torch.equal(five, last(guidance.walk_five(model, guidance.about_five(model, seed=7))))
    assert not torch.equal(five[0], five[1])


def test_stage_2_starts_from_the_small_picture_and_ends_large():
    """The upscaler is given the small picture, its prompts and the noise level; one generator a picture; its own walk."""
    schedule = Schedule.cosine(1000)
    given = {}

    def denoiser(image, prompt, noise_level, generator):
        given.update(prompt=prompt, noise_level=noise_level, generators=len(generator))
        return perfect(torch.nn.functional.interpolate(image, scale_factor=2, mode="nearest"), schedule)

    small = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    large = last(sampling.upscale(Upscaler(schedule, (3, 16, 16), denoiser), small, ["a cat", "a fire"], [1, 2], noise_level=50))
    assert given == {"prompt": ["a cat", "a fire"], "noise_level": 50, "generators": 2}
    expected = torch.nn.functional.interpolate(small, scale_factor=2, mode="nearest")
    assert large.shape == (2, 3, 16, 16)
    assert torch.allclose(large, expected, atol=0.05)  # a walk to t = 0, which is nearly clean


def test_a_seed_is_a_large_picture_alone_and_in_a_row(exact):
    model = open_model("emoji")
    about = sampling.about_large(model, num_inference_steps=3, prompts="a cat, a fire")
    small = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    both = last(sampling.walk_large(model.upscaler(), about, small))
    alone = last(sampling.walk_large(model.upscaler(), {**about, "prompts": "a fire"}, small[1:]))
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_run_walks_both_step_counts_and_nothing_kept_stands_beside(model):
    at = press(opened("sampling", model=model, seed="7"), "Run")
    assert not at.exception
    assert not at.error
    twenty, fifty = at.session_state[f"sampling_film_{model}"]
    assert (len(twenty), len(fifty)) == (20, 50)
    assert twenty.finished
    assert fifty.finished
    assert twenty.about["seed"] == 7
    assert len([m for m in at.caption if "**live**" in m.value]) == 2
    for prompt in open_model(model).prompts[:3]:
        assert len([c for c in captions(at) if c.startswith(f"{prompt}: ")]) >= 2


def test_five_samples_without_guidance_then_with():
    at = opened("sampling", model="mnist", sampling_prompts_digits="4")
    at = [b for b in at.button if b.label == "Run"][1].click().run()
    assert not at.exception
    free, guided = at.session_state["sampling_five_mnist"]
    assert (free.about["guidance_scale"], guided.about["guidance_scale"]) == (1.0, 5.0)
    assert free.about["prompt"] == guided.about["prompt"] == "4"
    assert len({p.tobytes() for p in guided.final}) == 5  # five seeds, five pictures
    assert any(c.startswith("seed 184: ") for c in captions(at))


@pytest.mark.parametrize(
    ("typed", "drawn"),
    [
        ("x, 12, -3", "3, 0, 1"),
        (",,, ,", "3, 0, 1"),
        ("3, cat", "3"),
        ("é" * 190, "3, 0, 1"),
        ("1,2,3,4,5,6,7,8,9", "1, 2, 3, 4, 5"),
    ],
)
def test_prompts_that_are_no_digits_are_left_out(typed, drawn):
    at = opened("sampling", model="mnist", sampling_prompts_digits=typed)
    assert not at.exception
    assert not at.error
    assert any(f"asked for **{drawn[0]}**" in m.value for m in at.markdown)
    assert any("prompts changed since" in m.value for m in at.caption) == (drawn != "3, 0, 1")  # the opening drew 3, 0, 1


@pytest.mark.parametrize(("name", "bad"), [("sampling_eta", "2"), ("sampling_eta", "nan"), ("sampling_guidance_scale", "1e9")])
def test_bad_values_in_the_link_do_no_harm(name, bad):
    at = opened("sampling", model="mnist", **{name: bad})
    assert not at.exception
    assert not at.error
