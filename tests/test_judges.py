"""The judges' trainer: what is distorted, what is nothing, how sureness is set right; and what a judge says."""

import json

import pytest
import torch

from lessons_lib.mnist import load_digits
from lessons_lib.models import judge as judges_opened
from lessons_lib.models import prompts
from lessons_lib.models.judge import Judge, open_judge
from lessons_lib.training import emoji, judges, loop
from lessons_lib.training.judges import Examples, JudgeTraining, Settings

TINY = Settings("tiny", width=8, layers=1, size=16, seed=1, steps=40, batch_size=32)


@pytest.fixture(scope="module")
def few() -> Examples:
    """Four things by two artists, 16 pixels a side."""
    made = [emoji.halved(emoji.halved(emoji.halved(emoji.sheet(word)[0][40:60:5]))) for word in ("noto", "twemoji")]
    return Examples(torch.cat(made), torch.arange(4).repeat(2), ("a", "b", "c", "d"))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_distorted_stays_in_range_and_near_and_differs_each_time(few):
    x = few.images.float() / 127.5 - 1
    y = judges.distorted(x.repeat(50, 1, 1, 1), generator())
    assert y.shape == (400, 3, 16, 16)
    assert y.min() >= -1
    assert y.max() <= 1
    assert torch.equal(y, judges.distorted(x.repeat(50, 1, 1, 1), generator()))
    far = (y - x.repeat(50, 1, 1, 1)).square().mean((1, 2, 3)).view(50, 8)
    other = (x - x.roll(1, 0)).square().mean((1, 2, 3))
    assert bool((far > 1e-4).all())
    assert (far.median(0).values < other).float().mean() > 0.8


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_is_none_of_the_pictures(channels):
    x = torch.rand(25, channels, 16, 16, generator=generator()) * 2 - 1
    x[:, :, 4:12, 4:12] = 1
    made = judges.nothing(x, generator(1))
    assert made.shape == x.shape
    assert made.abs().max() <= 1
    near = (made[:, None] - x[None]).square().mean((2, 3, 4)).amin(1)
    assert bool((near > 1e-3).all())


def test_shuffled_has_the_same_pixels_elsewhere(few):
    x = few.images.float()
    y = judges._shuffled(x, torch.arange(8), generator())
    assert torch.equal(y.flatten(2).sort(2).values, x.flatten(2).sort(2).values)
    assert bool((y != x).flatten(1).any(1).all())


def test_a_fifth_of_a_batch_is_nothing(few):
    x, y = judges.batch(few, 40, generator())
    assert x.shape == (40, 3, 16, 16)
    assert (y == 4).sum() == 8
    assert bool((y[:8] == 4).all())


def test_a_judge_learns_and_goes_on_to_the_bit(few, tmp_path):
    told = list(loop.run(JudgeTraining(TINY, few), tmp_path / "whole"))
    assert told[-1].loss < told[0].loss
    first = loop.run(JudgeTraining(TINY, few), tmp_path / "parts")
    for _ in range(15):
        next(first)
    first.close()
    parts, whole = JudgeTraining(TINY, few), JudgeTraining(TINY, few)
    list(loop.run(parts, tmp_path / "parts"))
    list(loop.run(whole, tmp_path / "whole"))  # nothing left to do: it is restored
    for a, b in zip(parts.judge.state_dict().values(), whole.judge.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_best_temperature_is_that_of_the_logits():
    g = generator(3)
    true = torch.randn(4000, 5, generator=g) * 2
    labels = torch.multinomial(true.softmax(1), 1, generator=g)[:, 0]
    assert judges.best_temperature(true * 3, labels) == pytest.approx(3, rel=0.1)
    assert judges.best_temperature(true / 2, labels) == pytest.approx(0.5, rel=0.1)


def test_the_verdict_counts_what_is_right_unsure_and_off():
    logits = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 0, 9], [9, 0, 0], [0.1, 0, 0.1]])
    told = judges.verdict(logits, torch.tensor([0, 1, 2, 1, 2]), 2)
    assert told["pictures"] == 3
    assert told["top1"] == pytest.approx(2 / 3)
    assert told["unsure_of_pictures"] == 0
    assert told["of_nothing"] == 2
    assert told["unsure_of_nothing"] == 1
    sure = torch.tensor([[3.0, 0, 0]]).softmax(1)[0, 0].item()
    alike = judges.verdict(torch.tensor([[3.0, 0, 0]] * 10), torch.tensor([0] * 5 + [1] * 5), 2)
    assert alike["calibration_error"] == pytest.approx(sure - 0.5, abs=1e-5)


def test_finished_it_opens_as_it_was(few, tmp_path, monkeypatch):
    training = JudgeTraining(TINY, few)
    list(loop.run(training, tmp_path / "run"))
    monkeypatch.setitem(judges_opened.FOLDERS, "tiny", tmp_path / "tiny")
    told = judges.finish(training.judge, TINY, few, few, tmp_path / "tiny")
    opened = open_judge("tiny")
    assert opened.nothing
    assert opened.temperature == told["temperature"] == training.judge.temperature
    x = few.images.float() / 127.5 - 1
    p = opened.read(x)
    assert p.shape == (8, 4)
    assert bool((p.sum(1) < 1).all())
    torch.testing.assert_close(p, training.judge.read(x), atol=0.02, rtol=0.05)
    assert json.loads((tmp_path / "tiny" / "judge.json").read_text())["never_seen"]["pictures"] == 8


def test_what_a_judge_says():
    judge = Judge(("cat", "dog"), 3, 16, 8, nothing=True).eval()
    logits = torch.tensor([[4.0, 0, 0], [0, 0, 4], [0.2, 0, 0]])
    judge.net = torch.nn.Module()
    judge.net.forward = lambda x: logits
    assert judge.says(torch.zeros(3, 3, 16, 16)) == ["cat 96%", "unsure", "unsure"]
    assert judge.rank(torch.zeros(3, 3, 16, 16), 1).tolist() == [1, 0, 1]


def test_the_judge_of_digits_reads_digits_and_nothing_in_noise():
    digits, judge = load_digits("test"), open_judge("digits")
    x, labels = digits.images[:500].float() / 127.5 - 1, digits.labels[:500]
    p = judge.read(x)
    assert (p.argmax(1) == labels).float().mean() > 0.98
    assert (p.amax(1) >= 0.5).float().mean() > 0.97
    noise = torch.randn(100, 1, 28, 28, generator=generator())
    for nothing in (noise, noise.clamp(-1, 1), 0.3 * noise - 0.5, -torch.ones(1, 1, 28, 28), (x[:100] + x[100:200]) / 2 - 0.5):
        assert judge.says(nothing.clamp(-1, 1)).count("unsure") >= 0.75 * len(nothing)


def test_the_reporting_judge_reads_what_it_never_saw_and_nothing_in_noise():
    judge = open_judge("reporting")
    assert judge.classes == tuple(c.name for c in prompts.concepts())
    images, concept = emoji.sheet("noto")
    never = emoji.held_out(concept, torch.zeros_like(concept))
    x = emoji.halved(images[never]).float() / 127.5 - 1
    assert (judge.rank(x, concept[never]) < 1).float().mean() > 0.8
    noise = torch.randn(50, 3, 64, 64, generator=generator()).clamp(-1, 1)
    assert judge.says(noise) == ["unsure"] * 50


def test_a_judge_that_must_choose_is_as_before():
    judge = Judge(("cat", "dog"), 3, 16, 8).eval()
    assert judge.read(torch.zeros(2, 3, 16, 16)).sum(1).tolist() == pytest.approx([1, 1])


def test_no_judge_learns_from_what_is_held_out_nor_from_colours_that_are_not_there(monkeypatch):
    names = [c.name for c in prompts.concepts()]
    heart, dog = names.index("red heart"), names.index("dog")
    concept = torch.tensor([heart, heart, heart, dog, dog, dog, dog + 16])
    style = torch.tensor([0, 6, 8, 6, 8, 1, 2])
    held = torch.tensor([False, False, False, False, False, True, True])
    of = emoji.Pictures(torch.arange(7), concept, style, style, held)
    monkeypatch.setattr(emoji, "pictures", lambda size: of)
    learned, calibration, test = judges.emoji_examples()
    assert learned.images.tolist() == [0, 3, 4]
    assert sorted([*calibration.images.tolist(), *test.images.tolist()]) == [5, 6]
    assert len(calibration.labels) == len(test.labels) == 1


def test_calibration_and_test_have_every_style(monkeypatch):
    concept, style = (x.flatten() for x in torch.meshgrid(torch.arange(314), torch.arange(9), indexing="ij"))
    of = emoji.Pictures(style, concept, style, style, emoji.held_out(concept, style))
    monkeypatch.setattr(emoji, "pictures", lambda size: of)
    for part in judges.emoji_examples()[1:]:
        assert set(part.images.tolist()) == set(range(9))
        assert len(part.labels) > 60
