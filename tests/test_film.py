"""A film takes whole steps, and none after it was ended: a stopped page and its walk are two threads for a moment."""

import pytest
import torch
from streamlit.testing.v1 import AppTest

from lessons_lib.film import CHANNELS, Film
from lessons_lib.samplers import sample
from lessons_lib.schedule import Schedule


def walk(steps: int = 5, *, clip_x0: bool = True):
    schedule = Schedule.linear(300)
    xt = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return sample(lambda xt, t: (0.1 * xt, None), schedule, xt, list(range(240, -1, -240 // steps)), clip_x0=clip_x0)


def lengths(film: Film) -> set[int]:
    return {len(film), len(film.t_prev), len(film.numbers), *(len(getattr(film, c)) for c in CHANNELS)}


def test_an_ended_film_takes_no_step_and_its_walk_ends():
    film, steps = Film({}), walk()
    seen = 0
    for _ in film.record_all(steps):
        seen += 1
        if seen == 2:
            film.end()  # as the page's next run does, while this one is amid its third step
            final = film.final
    assert seen == 2
    assert lengths(film) == {2}
    assert film.final is final
    assert not film.finished
    assert next(steps, None) is None, "the walk goes on unseen"


def test_a_whole_film_is_finished():
    film = Film({})
    for _ in film.record_all(walk()):
        assert lengths(film) == {len(film)}
    assert film.finished
    assert len(film) == film.total == 5


def test_saved_and_loaded(tmp_path):
    film = Film({"prompt": "3"})
    for _ in film.record_all(walk()):
        pass
    film.save(tmp_path / "film.npz", frames=3)
    again = Film.load(tmp_path / "film.npz")
    assert again.kept
    assert again.about["prompt"] == "3"
    assert again.about["steps"] == 5
    assert again.t == [240, 144, 48]
    assert (again.final == film.final).all()
    for channel in CHANNELS:
        assert (again.xt[1] == film.xt[2]).all()
        assert len(getattr(again, channel)) == 3


def test_a_cut_film_is_none(tmp_path):
    film = Film({})
    for _ in film.record_all(walk()):
        pass
    film.save(tmp_path / "film.npz")
    data = (tmp_path / "film.npz").read_bytes()
    (tmp_path / "film.npz").write_bytes(data[: len(data) // 2])
    assert Film.load(tmp_path / "film.npz") is None


def look(path):
    from lessons_lib.film import Film
    from lessons_lib.schedule import Schedule
    from lessons_lib.ui.parts import microscope

    microscope(Film.load(path), Schedule.linear(300), "look")


@pytest.mark.parametrize("clip_x0", [False, True])
def test_the_microscope_says_clipped_where_it_was(clip_x0, tmp_path):
    film = Film({})
    for _ in film.record_all(walk(clip_x0=clip_x0)):
        pass
    film.save(tmp_path / "film.npz")
    inside = abs(film.numbers[0][1]) < 1  # of the first step's x0_hat
    app = AppTest.from_function(look, kwargs={"path": tmp_path / "film.npz"}).run()
    app.slider(key="look_step").set_value(1)
    said = set()
    for row in range(8):
        app.slider(key="look_row").set_value(row)
        for column in range(8):
            app.slider(key="look_column").set_value(column).run()
            said.add(("inside" if inside[0, row, column] else "outside", "clipped" in app.latex[0].value))
    assert said == ({("inside", False), ("outside", True)} if clip_x0 else {("inside", False), ("outside", False)})
