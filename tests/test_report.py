"""The report on the small model, with a model that draws flat pictures."""

import json
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from lessons_lib.lessons import report
from lessons_lib.models import prompts


@pytest.fixture
def flat(monkeypatch):
    """A model whose picture of the i-th prompt asked for has the grey i / 100; what it was asked for is kept."""
    asked = []

    def from_noise(model, part, seeds, *, guidance_scale):
        x = (torch.arange(len(asked), len(asked) + len(seeds)) / 100).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
        asked.extend(part)
        yield SimpleNamespace(x_prev=x)

    monkeypatch.setattr(report, "from_noise", from_noise)
    return SimpleNamespace(about="flat", asked=asked)


def test_a_blind_sheet_is_shuffled_and_its_key_tells(flat, tmp_path):
    sheet, key = report.blind(flat, 45, tmp_path)
    told = json.loads(key.read_text())["pictures"]
    assert list(told.values()) == flat.asked
    assert list(told) == [str(i + 1) for i in range(45)]
    in_order = [prompts.caption(i) for i in report.spread(45)]
    assert sorted(flat.asked) == sorted(in_order)
    assert flat.asked != in_order
    assert Image.open(sheet).size == (10 * 22 + 6, 5 * 38 + 6)
    assert not Image.open(sheet).info  # no name hides in the file


def test_the_same_seed_shuffles_alike(flat, tmp_path):
    keys = [report.blind(flat, 20, tmp_path / str(s), seed=s)[1].read_text() for s in (1, 2)]
    assert json.loads(keys[0])["pictures"] != json.loads(keys[1])["pictures"]
    assert report.blind(flat, 20, tmp_path / "again", seed=1)[1].read_text() == keys[0]


def test_things_are_spread_over_all():
    assert report.spread(4) == [0, 78, 157, 235]
    assert set(report.spread(400)) == set(range(314))


def test_read_counts_first_and_first_five_and_unsure():
    p = torch.tensor([[0.9, 0.05, 0.05], [0.3, 0.4, 0.1], [0.2, 0.3, 0.4]])
    judge = SimpleNamespace(read=lambda x: p, rank=lambda x, y: (p > p.gather(1, y[:, None])).sum(1))
    told = report.read(judge, p, [0, 0, 0])
    assert told == {"pictures": 3, "top1": 0.3333, "top5": 1.0, "unsure": 0.6667}


def test_a_numbered_sheet_keeps_every_pixel():
    x = torch.rand(3, 3, 8, 8) * 2 - 1
    whole = report.numbered(x, columns=2, enlarged=3)
    u8 = report.to_uint8(x)
    assert whole.size == (2 * 30 + 6, 2 * 46 + 6)
    assert whole.getpixel((6, 6)) == tuple(u8[0, :, 0, 0].tolist())
    assert whole.getpixel((6 + 30 + 23, 6 + 23)) == tuple(u8[1, :, 7, 7].tolist())
