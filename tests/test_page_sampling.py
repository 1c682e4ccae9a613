"""From noise to image: at its defaults, after Run, and with bad values in the link."""

import pytest
import torch

from lessons_lib.film import opening_path
from lessons_lib.lessons.walks import from_noise, upscale
from lessons_lib.models.names import available
from lessons_lib.models.opening import open_model
from tests.pages import captions, opened, press

MODELS = [pytest.param(m, marks=[] if m == "mnist" else [pytest.mark.slow]) for m in available()]


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
    assert len(free.final) == len(guided.final) == 5
    assert len({p.tobytes() for p in guided.final}) == 5  # five noises, five pictures


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
    assert any(f"asked for “{drawn[0]}”" in m.value for m in at.markdown)
    changed = any("prompts changed since" in m.value for m in at.caption)  # the opening drew 3, 0, 1
    assert changed == (drawn != "3, 0, 1") or not opening_path("sampling", "mnist").exists()


@pytest.mark.parametrize(("name", "bad"), [("sampling_eta", "2"), ("sampling_eta", "nan"), ("sampling_guidance_scale", "1e9")])
def test_bad_values_in_the_link_do_no_harm(name, bad):
    at = opened("sampling", model="mnist", **{name: bad})
    assert not at.exception
    assert not at.error


def test_a_seed_repeats_the_picture_to_the_bit_and_another_does_not():
    model = open_model("mnist")

    def picture(seed: int):
        *_, last = from_noise(model, "3", num_images=2, seed=seed, timesteps=model.schedule.spaced_timesteps(5))
        return last.x_prev

    assert torch.equal(picture(1), picture(1))
    assert not torch.equal(picture(1), picture(2))


def test_stage_2_starts_from_the_small_picture_and_ends_large():
    """upscale(): the upscaler is given the small picture, its prompts and the noise level, and its own walk makes the large one."""
    from lessons_lib.denoisers import perfect
    from lessons_lib.models.text_to_image import Upscaler
    from lessons_lib.schedule import Schedule

    schedule = Schedule.cosine(1000)
    given = {}

    def denoiser(image, prompt, noise_level, generator):
        given.update(prompt=prompt, noise_level=noise_level)
        large = torch.nn.functional.interpolate(image, scale_factor=2, mode="nearest")
        return perfect(large, schedule)

    small = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    *_, last = upscale(Upscaler(schedule, (3, 16, 16), denoiser), small, ["a cat", "a fire"], noise_level=50)
    assert given == {"prompt": ["a cat", "a fire"], "noise_level": 50}
    assert last.x_prev.shape == (2, 3, 16, 16)
    expected = torch.nn.functional.interpolate(small, scale_factor=2, mode="nearest")
    assert torch.allclose(last.x_prev, expected, atol=0.05)  # a walk to t = 0, which is nearly clean
