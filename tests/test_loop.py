"""The loop that every training goes through: it stops anywhere and goes on, and loses nothing when it fails."""

import json

import pytest
import torch
from torch import nn

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints
from lessons_lib.training import loop


class Line(loop.Training):
    """Fits a line; every batch is drawn from its step."""

    clip, batch_size = 1.0, 8

    def __init__(self, total_steps: int = 12, *, read_every: int = 1, broken_at: int | None = None, save_at: int | None = None):
        torch.manual_seed(0)
        self.net = nn.Linear(3, 1)
        self.modules, self.optimizer = {"net": self.net}, torch.optim.Adam(self.net.parameters(), 0.1)
        self.total_steps, self.read_every, self.broken_at, self.save_at = total_steps, read_every, broken_at, save_at
        self.steps, self.rests, self.note = [], [], None

    def loss(self, step):
        x = torch.randn(8, 3, generator=loop.generator(180, step))
        loss = (self.net(x) - x.sum(1, keepdim=True)).square().mean()
        return loss * (float("nan") if step == self.broken_at else 1)

    def stepped(self, step):
        self.steps.append(step)

    def rest(self, step, loss):
        self.rests.append((step, loss))

    def wants_saving(self, step):
        return step == self.save_at

    def about(self):
        return {"note": "kept"}

    def restored(self, about):
        self.note = about["note"]


def weights(training) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in training.net.parameters()])


def test_it_learns_and_counts(tmp_path):
    line = Line(200)
    told = list(loop.run(line, tmp_path))
    assert [p.step for p in told] == list(range(1, 201)) == line.steps
    assert told[-1].loss < 0.01 * told[0].loss
    assert told[-1].seconds_left == 0
    assert told[-1].checkpointed
    assert not told[0].checkpointed
    assert all(p.images_per_second > 0 for p in told)


def test_stopped_anywhere_it_goes_on_to_the_bit(tmp_path):
    whole = Line()
    list(loop.run(whole, tmp_path / "whole"))
    for _ in range(3):  # four steps at a time, closed in between
        part = Line()
        run = loop.run(part, tmp_path / "parts")
        for _ in range(4):
            next(run)
        run.close()
    assert part.note == "kept"
    assert part.steps == [9, 10, 11, 12]
    assert torch.equal(weights(part), weights(whole))
    assert list(loop.run(Line(), tmp_path / "parts")) == []


def test_a_time_budget_of_nothing_does_no_step(tmp_path):
    assert list(loop.run(Line(), tmp_path, time_budget=0)) == []
    assert checkpoints.load_checkpoint(tmp_path) is None


def test_a_checkpoint_when_it_is_asked_for(tmp_path):
    run = loop.run(Line(save_at=5), tmp_path)
    told = [next(run) for _ in range(6)]
    assert [p.checkpointed for p in told] == [False, False, False, False, True, False]
    saved = json.loads(checkpoints.checkpoint_files(tmp_path)[0].read_text())
    assert saved["step"] == 5
    run.close()
    assert checkpoints.load_checkpoint(tmp_path)[0]["step"] == 6


@pytest.mark.parametrize("read_every", [1, 4])
def test_a_loss_that_is_nan_is_said_and_never_saved(tmp_path, read_every):
    with pytest.raises(LessonsError, match="The loss became nan at step [78]: try a smaller lr than 0.1"):
        list(loop.run(Line(read_every=read_every, broken_at=7, save_at=4), tmp_path))
    about, tensors = checkpoints.load_checkpoint(tmp_path)
    assert about["step"] == 4
    assert all(bool(torch.isfinite(x).all()) for x in tensors.values())


def test_read_seldom_the_loss_is_the_last_one_read(tmp_path):
    every, seldom = list(loop.run(Line(), tmp_path / "a")), list(loop.run(Line(read_every=4), tmp_path / "b"))
    assert [p.loss for p in seldom[3:7]] == [every[3].loss] * 4
    assert seldom[-1].loss == every[-1].loss


def test_generators_differ_by_seed_number_and_stream():
    drawn = {
        torch.rand(1, generator=loop.generator(*which)).item()
        for which in [(1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0), (1, 2, 1)]
    }
    assert len(drawn) == 5
