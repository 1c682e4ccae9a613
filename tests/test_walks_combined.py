"""Anagrams, hybrids and blends: cases with a known answer, one call of the network a step, one seed a picture."""

import pytest
import torch

from lessons_lib.denoisers import Conditioned, Prediction, anagram, hybrid
from lessons_lib.images import lowpass
from lessons_lib.lessons import walks
from lessons_lib.models.model import Model
from lessons_lib.models.opening import open_model
from lessons_lib.samplers import sample
from lessons_lib.schedule import Schedule
from lessons_lib.views import VIEWS

SIZE = 16
SCHEDULE = Schedule.cosine(1000)
CLEAN = {  # what each prompt means: a picture, brightness growing to the right or downwards, a ring, nothing
    "right": torch.linspace(-0.9, 0.9, SIZE).expand(1, SIZE, SIZE).clone(),
    "down": torch.linspace(-0.9, 0.9, SIZE).view(1, SIZE, 1).expand(1, SIZE, SIZE).clone(),
    "ring": (0.8 * torch.cos(sum(x**2 for x in torch.meshgrid(*[torch.linspace(-3, 3, SIZE)] * 2, indexing="ij")) / 2))[None],
    "": torch.zeros(1, SIZE, SIZE),
}


class Knowing:
    """A network that knows which picture a condition means, and answers with the noise that leads to it."""

    def __init__(self):
        self.calls = []

    def __call__(self, xt, t, condition):
        self.calls.append(len(xt))
        return Prediction(SCHEDULE.predict_eps(xt, int(t[0]), condition), None)


@pytest.fixture
def network():
    return Knowing()


@pytest.fixture
def model(network):
    def denoiser(prompt):
        each = [prompt] if isinstance(prompt, str) else prompt
        return Conditioned(network, torch.stack([CLEAN[p] for p in each]))

    return Model("test", "test", "", SCHEDULE, (1, SIZE, SIZE), tuple(CLEAN), denoiser, lambda p: None, None, 90, 3.0)


def end_of(walk):
    *_, last = walk
    return last.x_prev


def test_anagram_of_one_symmetric_picture_is_that_picture(model):
    for name in ("turn 180", "flip", "quarter turn"):
        x = end_of(walks.anagrams(model, "ring", "ring", VIEWS[name], num_images=2, guidance_scale=1.0))
        alone = end_of(walks.from_noise(model, "ring", num_images=1, guidance_scale=1.0))
        assert (x - CLEAN["ring"]).abs().max() < 0.1, name
        assert (alone - CLEAN["ring"]).abs().max() < 0.1


def test_anagram_of_two_pictures_is_their_mean_seen_from_both_sides(model):
    x = end_of(walks.anagrams(model, "right", "down", VIEWS["quarter turn"], num_images=1, guidance_scale=1.0))
    both = (CLEAN["right"] + VIEWS["quarter turn"].back(CLEAN["down"][None])[0]) / 2
    assert (x - both).abs().max() < 0.1


def test_hybrid_whose_prompts_are_the_same_is_that_prompt(model):
    x = end_of(walks.hybrids(model, "ring", "ring", kernel_size=9, sigma=1.5, num_images=2, guidance_scale=1.0))
    assert (x - CLEAN["ring"]).abs().max() < 0.1


def test_hybrid_has_the_far_prompt_low_and_the_near_one_high(model):
    x = end_of(walks.hybrids(model, "right", "ring", kernel_size=9, sigma=1.5, num_images=1, guidance_scale=1.0))
    low, high = CLEAN["right"][None], CLEAN["ring"][None]
    expected = lowpass(low, 9, 1.5) + high - lowpass(high, 9, 1.5)
    assert (x - expected.clamp(-1, 1)).abs().max() < 0.1


def test_a_guided_anagram_asks_four_things_in_one_batch_and_a_hybrid_three(model, network):
    network.calls.clear()
    steps = len(list(walks.anagrams(model, "right", "down", VIEWS["flip"], num_images=2, guidance_scale=3.0)))
    assert network.calls == [8] * steps
    network.calls.clear()
    steps = len(list(walks.hybrids(model, "right", "ring", kernel_size=9, sigma=1.5, num_images=2, guidance_scale=3.0)))
    assert network.calls == [6] * steps


def test_sharing_the_unconditional_branch_changes_nothing(model):
    def shared_or_not(shared):
        nothing = model.denoiser("")
        far, near = (walks.denoiser_of(model, p, 3.0, nothing if shared else model.denoiser("")) for p in ("right", "ring"))
        return hybrid(far, near, 9, 1.5)

    xt, _ = walks.noise(model, 2, 7)
    assert torch.equal(shared_or_not(True)(xt, 500).eps, shared_or_not(False)(xt, 500).eps)


def test_one_prompt_a_picture(model):
    x = end_of(walks.anagrams(model, ["ring", "right"], ["ring", "right"], VIEWS["flip"], num_images=2, guidance_scale=1.0))
    assert (x - torch.stack([CLEAN["ring"], CLEAN["right"]])).abs().max() < 0.1  # "right" is its own mirror image
    x = end_of(
        walks.hybrids(model, ["ring", "down"], ["ring", "down"], kernel_size=9, sigma=1.5, num_images=2, guidance_scale=1.0)
    )
    assert (x - torch.stack([CLEAN["ring"], CLEAN["down"]])).abs().max() < 0.1


def test_each_picture_of_a_contact_sheet_can_be_made_again_by_its_own_seed():
    model = open_model("mnist")
    sheet = end_of(walks.anagrams(model, "6", "9", VIEWS["turn 180"], num_images=3, guidance_scale=2.0, seed=180,
                                  timesteps=model.schedule.timesteps(30)))  # fmt: skip
    alone = end_of(walks.anagrams(model, "6", "9", VIEWS["turn 180"], num_images=1, guidance_scale=2.0, seed=182,
                                  timesteps=model.schedule.timesteps(30)))  # fmt: skip
    torch.testing.assert_close(sheet[2:], alone, rtol=0, atol=0.01)
    assert (sheet[1] - sheet[2]).abs().max() > 0.5


def test_a_generator_each_must_be_one_for_every_picture(model):
    xt, generators = walks.noise_of_seeds(model, [1, 2])
    with pytest.raises(ValueError, match="zip"):
        list(sample(model.denoiser("ring"), SCHEDULE, xt, [900, 500, 0], generator=generators[:1]))


@pytest.mark.parametrize("weights", [(0.0, 1.0), (0.0, 0.25, 1.0)])
def test_blends_end_where_the_mixed_condition_says(model, weights):
    x = end_of(walks.blends(model, "right", "down", weights, guidance_scale=1.0))
    for picture, w in zip(x, weights, strict=True):
        assert (picture - ((1 - w) * CLEAN["right"] + w * CLEAN["down"])).abs().max() < 0.1


def test_from_afar_keeps_the_mean_and_loses_the_edges():
    x = CLEAN["right"][None] + 0.1 * torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    far = walks.from_afar(x, 1.0)
    assert abs(far.mean() - x.mean()) < 0.02
    inside = (slice(None), slice(4, -4), slice(4, -4))
    assert (far[0] - CLEAN["right"])[inside].std() < (x[0] - CLEAN["right"])[inside].std() / 2


def test_anagram_of_plain_denoisers_still_works():
    still = anagram(lambda xt, t: Prediction(xt), lambda xt, t: Prediction(3 * xt), VIEWS["negative"])
    torch.testing.assert_close(still(torch.ones(1, 1, 4, 4), 3).eps, 2 * torch.ones(1, 1, 4, 4))
