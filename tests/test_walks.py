"""SDEdit and inpainting on a model with a known answer: a network that always knows the noise leading to one picture."""

import pytest
import torch

from lessons_lib import metrics
from lessons_lib.denoisers import Conditioned, Prediction
from lessons_lib.lessons import walks
from lessons_lib.lessons.openings import i_starts_of
from lessons_lib.models.model import Model
from lessons_lib.schedule import Schedule

SCHEDULE = Schedule.cosine()
TARGET = torch.full((1, 3, 16, 16), 0.5)
X0 = (torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1) * 0.8


def towards(target):
    """A Model whose network believes in one picture only, whatever it is asked."""

    def network(xt, t, condition):
        return Prediction(SCHEDULE.predict_eps(xt, t, target.expand_as(xt)))

    return Model(
        name="known", title="known", about="", schedule=SCHEDULE, shape=(3, 16, 16), prompts=("it",), class_of=lambda p: None,
        denoiser=lambda p: Conditioned(network, torch.zeros(1 if isinstance(p, str) else len(p), 1)), judge_name=None, stride=30,
        guidance_scale=1.0,
    )  # fmt: skip


def last(walk):
    *_, step = walk
    return step.x_prev


def test_from_noise_arrives_where_the_network_points():
    x = last(walks.from_noise(towards(TARGET), "it", num_images=2, guidance_scale=7.0))
    torch.testing.assert_close(x, TARGET.expand_as(x), rtol=0, atol=0.02)


def test_sdedit_starts_from_the_course_timesteps():
    assert i_starts_of(towards(TARGET)) == [1, 3, 5, 7, 10, 20]
    assert [SCHEDULE.timesteps(30)[i] for i in i_starts_of(towards(TARGET))] == [960, 900, 840, 780, 690, 390]


def test_sdedit_holds_each_picture_at_the_noised_original_until_its_start():
    starts = [1, 5, 20]
    timesteps = SCHEDULE.timesteps(30)
    eps = torch.randn(X0.shape, generator=torch.Generator().manual_seed(180))
    for step in walks.image_to_image(towards(TARGET), X0, "", starts):
        for k, i in enumerate(starts):
            if step.t >= timesteps[i]:
                torch.testing.assert_close(step.xt[k], SCHEDULE.add_noise(X0, step.t, eps)[0])


def test_sdedit_at_the_last_index_is_nearly_the_original():
    n = len(SCHEDULE.timesteps(30))
    x = last(walks.image_to_image(towards(X0), X0, "", [n - 2]))
    assert metrics.mse(x, X0).sqrt().item() < 0.02


def test_sdedit_of_a_network_that_knows_the_original_returns_it_from_anywhere():
    x = last(walks.image_to_image(towards(X0), X0, "it", [1, 10, 20], guidance_scale=7.0))
    torch.testing.assert_close(x, X0.expand_as(x), rtol=0, atol=0.03)


@pytest.mark.parametrize("bad", [-1, 33, 34, 100])
def test_sdedit_names_a_start_outside_the_list(bad):
    with pytest.raises(ValueError, match=str(bad)):
        next(walks.image_to_image(towards(X0), X0, "", [bad]))


@pytest.mark.parametrize("name", walks.MASKS)
def test_inpainting_is_new_inside_the_mask_and_the_original_outside(name):
    mask = walks.preset_mask(name, 16)
    x = last(walks.inpainting(towards(TARGET), X0, mask, "it", num_images=2))
    new, old = mask.expand_as(x) == 1, mask.expand_as(x) == 0
    torch.testing.assert_close(x[new], TARGET.expand_as(x)[new], rtol=0, atol=0.05)
    assert torch.equal(x[old], X0.expand_as(x)[old]), "kept to the bit"


def test_inpainting_with_an_empty_mask_is_the_original():
    x = last(walks.inpainting(towards(TARGET), X0, torch.zeros(1, 1, 16, 16), "it", num_images=1))
    assert torch.equal(x, X0)


def test_a_mask_that_is_none():
    with pytest.raises(ValueError, match="the moon"):
        walks.preset_mask("the moon", 16)


def test_every_walk_is_repeated_by_its_seed():
    for walk in (
        lambda seed: walks.from_noise(towards(TARGET), "it", num_images=1, seed=seed, timesteps=[900, 500, 100]),
        lambda seed: walks.inpainting(towards(TARGET), X0, walks.preset_mask("centre", 16), "it", num_images=1, seed=seed),
    ):
        middle = [next(walk(s)).x_prev for s in (7, 7, 8)]
        assert torch.equal(middle[0], middle[1])
        assert not torch.equal(middle[0], middle[2])
