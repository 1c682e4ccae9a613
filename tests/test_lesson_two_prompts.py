"""Anagrams, hybrids and mixtures: cases with a known answer, one call of the network a step, one seed a picture; what is kept."""

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.lessons import anagrams, home, hybrids, prompts, sampling
from lessons_lib.lessons._common import denoiser_of, from_noise, made_so, noise
from lessons_lib.lessons._readings import Readings, by_quality, quality, read_both
from lessons_lib.maths.denoisers import Prediction, anagram, hybrid
from lessons_lib.maths.images import blur, from_uint8, lowpass
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.views import VIEWS
from lessons_lib.models.opening import open_model
from tests.known_model import CLEAN, SCHEDULE, SIZE, Knowing, knowing, last

MODELS = ("emoji", "mnist")


@pytest.fixture
def network():
    return Knowing()


@pytest.fixture
def model(network):
    return knowing(network)


@pytest.mark.parametrize("name", MODELS)
def test_the_openings_are_what_the_pages_would_make(name):
    m = open_model(name)
    abouts = {
        "anagrams": anagrams.about(m),
        "hybrids": hybrids.about(m),
        "prompts": prompts.about(m),
        "logo": prompts.about_logo(m),
        "hero": home.about(m),
    }
    for opening, about in abouts.items():
        assert made_so(kept.film(opening, name), about), opening
    assert len(kept.film("logo", name).final) == prompts.LOGOS == 5


@pytest.mark.parametrize("name", MODELS)
def test_one_anagram_is_read_both_ways(name):
    film = kept.film("anagrams", name)
    made = from_uint8(torch.from_numpy(film.final))
    turned = VIEWS[film.about["view"]].there(made)
    read = read_both(open_model(name), made, turned, film.about["prompt"], film.about["turned_prompt"])
    assert any(r.both for r in read), [r.ranks for r in read]


@pytest.mark.parametrize("name", MODELS)
def test_one_hybrid_is_read_from_afar_and_from_near(name):
    film = kept.film("hybrids", name)
    made = from_uint8(torch.from_numpy(film.final))
    far = blur(made, film.about["sigma"])
    read = read_both(open_model(name), far, made, film.about["far_prompt"], film.about["near_prompt"])
    assert any(r.both for r in read), [r.ranks for r in read]


def test_a_mixture_begins_and_ends_with_its_prompts():
    film = kept.film("prompts", "emoji")
    m = open_model("emoji")
    read = m.judge.read(from_uint8(torch.from_numpy(film.final)))
    assert read[0].argmax() == m.class_of(film.about["from_prompt"])
    assert read[-1].argmax() == m.class_of(film.about["to_prompt"])


def test_anagram_of_one_symmetric_picture_is_that_picture(model):
    for name in ("turn 180", "flip", "quarter turn"):
        x = last(anagrams.seen_twice(model, "ring", "ring", VIEWS[name], [1, 2], guidance_scale=1.0))
        alone = last(from_noise(model, "ring", [1], guidance_scale=1.0))
        assert (x - CLEAN["ring"]).abs().max() < 0.1, name
        assert (alone - CLEAN["ring"]).abs().max() < 0.1


def test_anagram_of_two_pictures_is_their_mean_seen_from_both_sides(model):
    x = last(anagrams.seen_twice(model, "right", "down", VIEWS["quarter turn"], [1], guidance_scale=1.0))
    both = (CLEAN["right"] + VIEWS["quarter turn"].back(CLEAN["down"][None])[0]) / 2
    assert (x - both).abs().max() < 0.1


def test_hybrid_whose_prompts_are_the_same_is_that_prompt(model):
    x = last(hybrids.near_and_far(model, "ring", "ring", [1, 2], kernel_size=9, sigma=1.5, guidance_scale=1.0))
    assert (x - CLEAN["ring"]).abs().max() < 0.1


def test_hybrid_has_the_far_prompt_low_and_the_near_one_high(model):
    x = last(hybrids.near_and_far(model, "right", "ring", [1], kernel_size=9, sigma=1.5, guidance_scale=1.0))
    low, high = CLEAN["right"][None], CLEAN["ring"][None]
    expected = lowpass(low, 9, 1.5) + high - lowpass(high, 9, 1.5)
    assert (x - expected.clamp(-1, 1)).abs().max() < 0.1


def test_a_guided_anagram_asks_four_things_in_one_batch_and_a_hybrid_three(model, network):
    steps = len(list(anagrams.seen_twice(model, "right", "down", VIEWS["flip"], [1, 2], guidance_scale=3.0)))
    assert network.calls == [8] * steps
    network.calls.clear()
    steps = len(list(hybrids.near_and_far(model, "right", "ring", [1, 2], guidance_scale=3.0)))
    assert network.calls == [6] * steps


def test_sharing_the_unconditional_branch_changes_nothing(model):
    def shared_or_not(shared):
        nothing = model.denoiser("")
        far, near = (denoiser_of(model, p, 3.0, nothing if shared else model.denoiser("")) for p in ("right", "ring"))
        return hybrid(far, near, 9, 1.5)

    xt, _ = noise(model.shape, [7, 8])
    assert torch.equal(shared_or_not(True)(xt, 500).eps, shared_or_not(False)(xt, 500).eps)


@pytest.mark.parametrize("lesson", [anagrams, hybrids, prompts, home])
def test_a_seed_is_a_picture_alone_and_in_a_batch(lesson):
    m = open_model("mnist")
    if lesson is prompts:
        about = prompts.about_logo(m, seed=7)
        batch, alone = last(prompts.walk_logo(m, about)), last(prompts.walk_logo(m, {**about, "seed": 9}))[:1]
        seven = last(prompts.walk(m, prompts.about(m, seed=7)))
        half = last(prompts.mixtures(m, "3", "0", [0.5], 7, guidance_scale=m.guidance_scale))
        torch.testing.assert_close(seven[3:4], half, rtol=0, atol=1e-3)
    elif lesson is home:
        batch = last(home.walk(m, home.about(m, prompts="3, 0, 1")))
        alone = last(from_noise(m, "1", [180], guidance_scale=m.guidance_scale))
    else:
        batch = last(lesson.walk(m, lesson.about(m, seed=7, num_images=3)))
        alone = last(lesson.walk(m, lesson.about(m, seed=9, num_images=1)))
    torch.testing.assert_close(batch[2:3], alone, rtol=0, atol=1e-3)
    assert (batch[1] - batch[2]).abs().max() > 0.5


def test_a_logo_is_the_hybrid_of_its_seed():
    m = open_model("mnist")
    logo = last(prompts.walk_logo(m, prompts.about_logo(m, seed=7)))
    torch.testing.assert_close(logo, last(hybrids.walk(m, hybrids.about(m, seed=7, num_images=5))), rtol=0, atol=1e-4)


def test_a_generator_each_must_be_one_for_every_picture(model):
    xt, generators = noise(model.shape, [1, 2])
    with pytest.raises(ValueError, match="zip"):
        list(sample(model.denoiser("ring"), SCHEDULE, xt, [900, 500, 0], generator=generators[:1]))


@pytest.mark.parametrize("weights", [(0.0, 1.0), (0.0, 0.25, 1.0)])
def test_mixtures_end_where_the_mixed_condition_says(model, weights):
    x = last(prompts.mixtures(model, "right", "down", weights, 7, guidance_scale=1.0))
    for picture, w in zip(x, weights, strict=True):
        assert (picture - ((1 - w) * CLEAN["right"] + w * CLEAN["down"])).abs().max() < 0.1


def test_blur_keeps_the_mean_and_loses_the_edges():
    x = CLEAN["right"][None] + 0.1 * torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    far = blur(x, 1.0)
    assert abs(far.mean() - x.mean()) < 0.02
    inside = (slice(None), slice(4, -4), slice(4, -4))
    assert (far[0] - CLEAN["right"])[inside].std() < (x[0] - CLEAN["right"])[inside].std() / 2


def test_anagram_of_plain_denoisers_still_works():
    still = anagram(lambda xt, t: Prediction(xt), lambda xt, t: Prediction(3 * xt), VIEWS["negative"])
    torch.testing.assert_close(still(torch.ones(1, 1, 4, 4), 3).eps, 2 * torch.ones(1, 1, 4, 4))


def test_the_worse_of_two_readings_counts():
    good, bad = Readings((0, 4), (0.9, 0.1)), Readings((0, 5), (0.99, 0.09))
    assert good.both
    assert not bad.both
    assert good.score > bad.score
    assert quality([good, bad]) == (1, good.score)


def test_pairs_are_measured_by_the_judge():
    m = open_model("mnist")
    walk = lambda pair: from_noise(m, list(pair), [7, 7], guidance_scale=5.0)  # noqa: E731
    (row,) = by_quality(m, [("3", "0")], walk, lambda x: (x[:1], x[1:]))
    assert row == {"pair": "3 / 0", "both": 1.0, "score": pytest.approx(1, abs=0.2)}
    assert read_both(m, torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 28, 28), "", "3") is None


def test_every_pair_can_be_asked_for():
    for name in MODELS:
        m = open_model(name)
        for lesson in ("anagrams", "hybrids"):
            assert all(m.class_of(p) is not None for pair in m.pairs_for(lesson) for p in pair)


def test_stage_2_of_a_logo_is_that_of_its_seed(exact):
    m = open_model("emoji")
    about = prompts.about_large(prompts.about_logo(m), 182)
    small = torch.zeros(1, 3, 32, 32)
    first = next(prompts.walk_large(m.upscaler(), about, small, "a cat"))
    assert torch.equal(first.xt, next(sampling.upscale(m.upscaler(), small, "a cat", [182])).xt)
