"""What Part B's pages open with: small, readable, and of the settings the pages have by default."""

import json

import pytest

from lessons_lib import film
from lessons_lib.lessons import digits_errors as errors
from lessons_lib.lessons import digits_openings as openings
from lessons_lib.lessons import measures, one_step
from tests.pages import opened
from tests.part_b import ship, shown


@pytest.fixture
def kept(tmp_path, monkeypatch):
    (tmp_path / "networks").mkdir()
    folder = tmp_path / "openings"
    monkeypatch.setattr(film, "OPENINGS", folder)
    monkeypatch.setattr(measures, "OPENINGS", folder)
    ship(monkeypatch, tmp_path / "networks", one_step=(1, 5), time_conditioned=(1, 5), class_conditioned=(1, 5))
    monkeypatch.setattr("sys.argv", ["openings"])
    return folder


def few(monkeypatch):
    """The measures with few digits, so that the test is quick."""
    monkeypatch.setitem(
        openings.MEASURES, "out_of_its_depth", {"out_of_its_depth": lambda: one_step.out_of_its_depth(10, (0, 0.5))}
    )
    monkeypatch.setitem(openings.MEASURES, "time", {"time_lie": lambda: errors.told_times(10, 3)})
    monkeypatch.setitem(openings.MEASURES, "class", {"class_told": lambda: errors.told_classes(10, 2)})


def test_every_page_opens_with_its_own_settings(kept, monkeypatch):
    few(monkeypatch)
    openings.main()
    names = {p.name for p in kept.glob("*.npz")}
    assert names == {f"{n}-mnist.npz" for n in (
        "unet", "one_step", "out_of_its_depth", "time", "time_lie", "class", "class_epoch_0", "class_epoch_1",
    )}  # fmt: skip
    assert all(p.stat().st_size <= film.MAX_KEPT for p in kept.iterdir())
    for name in names:
        assert film.Film.load(kept / name).final is not None
    rows = json.loads((kept / "measure-time_lie-mnist.json").read_text())["rows"]
    assert [r["told"] for r in rows] == [1, 150, 299]
    for slug in ("time", "class"):
        at = opened(slug)
        assert not at.exception
        assert "kept from an earlier run" in shown(at)
        assert "changed since" not in shown(at)
    assert any("kept from" in e.value and "--only time" in e.value for e in opened("time").caption)


def test_without_weights_it_says_so_and_ends_well(tmp_path, monkeypatch, capsys):
    ship(monkeypatch, tmp_path)
    monkeypatch.setattr(film, "OPENINGS", tmp_path / "openings")
    monkeypatch.setattr(measures, "OPENINGS", tmp_path / "openings")
    monkeypatch.setattr("sys.argv", ["openings"])
    openings.main()
    assert capsys.readouterr().out.count("No weights of") == len(openings.LESSONS)
    assert not (tmp_path / "openings").exists()


def test_a_film_too_large_keeps_fewer_frames(tmp_path):
    import torch

    from lessons_lib.samplers import Step

    film_ = film.Film({})
    for i in range(12):
        x = torch.randn(10, 1, 28, 28)
        film_.record(Step(i, 12, 12 - i, 11 - i, x, x, x, x))
    assert film.keep(film_, tmp_path / "a.npz", frames=12, max_bytes=60_000) <= 60_000
    assert 1 <= len(film.Film.load(tmp_path / "a.npz")) < 12
