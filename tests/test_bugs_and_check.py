"""Every bug shows; the right pieces are sample() itself; Check my code names each bug from arrays alone."""

import io

import numpy as np
import pytest
import torch

from lessons_lib.denoisers import Conditioned, guided
from lessons_lib.errors import LessonsError
from lessons_lib.lessons import bugs, check
from lessons_lib.lessons.walks import preset_mask
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


def npz(arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def as_arrays(pieces):
    return {k: v.float().numpy() for k, v in check.answers(pieces).items()}


def test_right_arrays_are_all_right():
    verdicts = check.check(npz(as_arrays(bugs.Pieces())))
    assert all(v.right for v in verdicts), verdicts
    assert check.first_wrong(verdicts) is None


@pytest.mark.parametrize("bug", [b for b in bugs.BUGS if "ask_network" not in b.wrong], ids=lambda b: b.name)
def test_check_names_each_bug(bug):
    first = check.first_wrong(check.check(npz(as_arrays(bug.pieces))))
    assert first is not None
    assert bug.title in first.said


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"forward": np.zeros((3, 3))}, "shape"),
        ({"forward": np.full((2, 3, 16, 16), np.nan)}, "no numbers"),
        ({"forward": np.array(["a"])}, "not numbers"),
        ({"forward": np.zeros((2, 3, 16, 16))}, "none of the classic bugs"),
        ({"cfg": np.zeros((2, 3, 16, 16))}, "not in the file"),
    ],
)
def test_check_says_what_is_wrong_with_an_array(arrays, said):
    assert said in check.first_wrong(check.check(npz(arrays))).said


def test_check_knows_another_value_range():
    arrays = as_arrays(bugs.Pieces())
    arrays["forward"] = (arrays["forward"] + 1) / 2
    assert "value range" in check.first_wrong(check.check(npz(arrays))).said


@pytest.mark.parametrize("file", [b"", b"hello", npz({"other": np.zeros(3)}), npz(as_arrays(bugs.Pieces()))[:500]], ids=range(4))
def test_check_refuses_what_is_no_file_of_arrays(file):
    with pytest.raises(LessonsError, match="file"):
        check.check(file)


def test_check_never_unpickles():
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("code in the file ran",))

    with pytest.raises(LessonsError):
        check.check(npz({"forward": np.array([Trap()], dtype=object)}))
