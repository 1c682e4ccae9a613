"""What Part B's pages open with: small, readable, and of the settings the pages have by default."""

import json

import pytest

from lessons_lib.files import film
from lessons_lib.files import kept as kept_files
from lessons_lib.lessons import class_, keep, out_of_its_depth, time
from lessons_lib.models import used
from tests.pages import opened
from tests.part_b import ship, shown


@pytest.fixture
def kept(tmp_path, monkeypatch):
    (tmp_path / "networks").mkdir()
    folder = tmp_path / "openings"
    monkeypatch.setattr(film, "OPENINGS", folder)
    monkeypatch.setattr(kept_files, "OPENINGS", folder)
    ship(monkeypatch, tmp_path / "networks", one_step=(1, 5), time_conditioned=(1, 5), class_conditioned=(1, 5))
    monkeypatch.setattr("sys.argv", ["keep", *PART_B[:-1]])
    return folder


PART_B = ("one_step", "out_of_its_depth", "time", "class", "unet", "flow")


def few(monkeypatch):
    """The measures with few digits, so that the test is quick."""

    def over_sigma(num_images: int = 10):
        return out_of_its_depth.over_sigma(num_images, (0, 0.5))

    def told_times(num_images: int = 10):
        return time.told_times(num_images, 3)

    def told_classes(num_images: int = 10):
        return class_.told_classes(num_images, 2)

    monkeypatch.setattr(out_of_its_depth, "MEASURES", {"out_of_its_depth": over_sigma})
    monkeypatch.setattr(time, "MEASURES", {"time_lie": told_times})
    monkeypatch.setattr(class_, "MEASURES", {"class_told": told_classes})


def test_every_page_opens_with_its_own_settings(kept, monkeypatch):
    few(monkeypatch)
    keep.main()
    names = {p.name for p in kept.glob("*.npz")}
    assert names == {
        f"{n}-mnist.npz"
        for n in (
            "unet",
            "one_step",
            "out_of_its_depth",
            "time",
            "time_lie",
            "class",
            "class_epoch_0",
            "class_epoch_1",
        )
    }
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
    assert any("kept from" in e.value and "keep time" in e.value for e in opened("time").caption)


def test_without_weights_it_says_so_and_ends_well(tmp_path, monkeypatch, capsys):
    ship(monkeypatch, tmp_path)
    monkeypatch.setattr(film, "OPENINGS", tmp_path / "openings")
    monkeypatch.setattr(kept_files, "OPENINGS", tmp_path / "openings")
    monkeypatch.setattr("sys.argv", ["keep", *PART_B])
    keep.main()
    assert capsys.readouterr().out.count("No weights of") == len(PART_B)
    assert not (tmp_path / "openings").exists()


def test_a_film_too_large_keeps_fewer_frames(tmp_path):
    import torch

    from lessons_lib.maths.samplers import Step

    film_ = film.Film({})
    for i in range(12):
        x = torch.randn(10, 1, 28, 28)
        film_.record(Step(i, 12, 12 - i, 11 - i, x, x, x, x))
    assert film.keep(film_, tmp_path / "a.npz", frames=12, max_bytes=60_000) <= 60_000
    assert 1 <= len(film.Film.load(tmp_path / "a.npz")) < 12


ASKED_NONE = "measure-race-mnist"  # its networks were trained for it, and none of them is kept
MEASURES = sorted(p for p in film.OPENINGS.glob("measure-*.json") if p.stem != ASKED_NONE)


@pytest.mark.parametrize("path", MEASURES, ids=lambda p: p.stem)
def test_no_measure_is_older_than_the_networks_and_the_judge_that_ship(path):
    told = json.loads(path.read_text())["weights"]
    assert told
    assert told == used.hashes(film.OPENINGS.parent / name for name in told)
