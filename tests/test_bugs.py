"""Every bug shows; the right pieces are sample() itself."""

import pytest
import torch

from lessons_lib.denoisers import Conditioned, guided
from lessons_lib.lessons import bugs
from lessons_lib.lessons.inpainting import preset_mask
from lessons_lib.models.digits import COURSE, condition_of, open_network
from lessons_lib.samplers import sample
from lessons_lib.sources import clean_picture


@pytest.fixture(scope="module")
def scene():
    unet, settings = open_network("class_conditioned")
    labels = condition_of([3, 5])
    x_orig = torch.cat([clean_picture("digit", f"{d}a", (1, 28, 28)) for d in (3, 5)])
    return unet, settings.schedule, labels, x_orig, preset_mask("top half", 28)


def made(scene, pieces, task):
    unet, schedule, labels, x_orig, mask = scene
    *_, last = bugs.student_walk(unet, schedule, pieces, task, labels, x_orig, mask, stride=30, i_start=4)
    return last.x_prev


def test_the_right_pieces_are_the_walk_of_the_library(scene):
    unet, schedule, labels, x_orig, _ = scene
    network = COURSE["class_conditioned"].objective.network(unet)
    denoiser = guided(Conditioned(network, labels), Conditioned(network, condition_of(None)), 5.0)
    g = torch.Generator().manual_seed(180)
    xt = torch.randn(x_orig.shape, generator=g)
    *_, last = sample(denoiser, schedule, xt, schedule.timesteps(30), generator=g)
    torch.testing.assert_close(made(scene, bugs.Pieces(), "sample"), last.x_prev, rtol=0, atol=1e-3)


@pytest.mark.parametrize("bug", bugs.BUGS, ids=lambda b: b.name)
def test_every_bug_changes_the_picture(scene, bug):
    right, wrong = made(scene, bugs.Pieces(), bug.task), made(scene, bug.pieces, bug.task)
    assert (right - wrong).abs().mean() > 0.005, bug.title


def test_training_mode_leaves_the_shared_network_alone(scene):
    unet = scene[0]
    before = {k: v.clone() for k, v in unet.state_dict().items()}
    bug = next(b for b in bugs.BUGS if b.name == "training_mode")
    made(scene, bug.pieces, "sample")
    assert not unet.training
    assert all(torch.equal(v, before[k]) for k, v in unet.state_dict().items())
