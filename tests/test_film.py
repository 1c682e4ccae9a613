"""A film takes whole steps, and none after it was ended: a stopped page and its walk are two threads for a moment."""

import gc
import io
import json
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from lessons_lib.files import film
from lessons_lib.files.film import CHANNELS, Film
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import Schedule


def walk(steps: int = 5, *, clip_x0: bool = True):
    schedule = Schedule.linear(300)
    xt = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return sample(lambda xt, t: (0.1 * xt, None), schedule, xt, list(range(240, -1, -240 // steps)), clip_x0=clip_x0)


def recorded() -> Film:
    film = Film({})
    for _ in film.record_all(walk()):
        pass
    return film


def lengths(film: Film) -> set[int]:
    return {len(film), len(film.index), len(film.t_prev), len(film.numbers), *(len(getattr(film, c)) for c in CHANNELS)}


def test_an_ended_film_takes_no_step_and_its_walk_ends():
    film, steps = Film({}), walk()
    seen = 0
    for _ in film.record_all(steps):
        seen += 1
        if seen == 2:
            film.end()  # as the page's next run does, while this one is in the middle of its third step
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
    assert again.index == [0, 2, 4], "the steps are the walk's own"
    assert again.total == 5
    assert again.finished
    assert (again.final == film.final).all()
    for channel in CHANNELS:
        assert len(getattr(again, channel)) == 3
        assert (getattr(again, channel)[1] == getattr(film, channel)[2]).all()


def test_a_film_that_does_not_say_which_steps_it_kept_kept_them_evenly(tmp_path, monkeypatch):
    film = recorded()
    film.save(tmp_path / "film.npz", frames=3)
    with np.load(tmp_path / "film.npz") as f:
        arrays = dict(f)
    about = json.loads(arrays["about"].tobytes())
    del about["index"]
    np.savez(tmp_path / "old.npz", **{**arrays, "about": np.frombuffer(json.dumps(about).encode(), np.uint8)})
    assert Film.load(tmp_path / "old.npz").index == [0, 2, 4]


def test_a_frame_is_encoded_once_and_stays_grey():
    film = recorded()
    for channel in CHANNELS:
        frames = film.frames(channel)
        assert len(frames) == (6 if channel == "xt" else 5)
        for i, frame in enumerate(frames):
            png = film.png(i, channel, columns=2)
            assert film.png(i, channel, columns=2) is png
            picture = Image.open(io.BytesIO(png))
            assert (picture.mode, picture.size) == ("L", (17, 8))
            assert np.array_equal(np.asarray(picture)[:, 9:], frame[1, 0])
    assert film.png(-1) == film.png(5)
    assert film.png(0, columns=1) != film.png(0, columns=2)
    assert torch.equal(film.final_tensor(), film.final_tensor().clamp(-1, 1))
    assert np.array_equal(((film.final_tensor() + 1) * 127.5).round().numpy(), film.final)
    with pytest.raises(IndexError):
        film.png(6)


def test_the_last_frame_is_drawn_anew_while_the_walk_goes_on():
    film, steps = Film({}), walk()
    seen = [film.png(-1) for _ in film.record_all(steps)]
    assert len(set(seen)) == 5
    assert [film.png(i) for i in range(1, 6)] == seen


def test_what_a_film_holds_on_to_is_bounded(monkeypatch):
    film = recorded()
    monkeypatch.setattr("lessons_lib.files.film.MAX_ENCODED", 3 * len(film.png(0)))
    for i in range(6):
        film.png(i)
    assert 1 <= len(film._encoded) <= 4
    assert film.png(0) == recorded().png(0)


def test_a_cut_film_is_none(tmp_path):
    film = Film({})
    for _ in film.record_all(walk()):
        pass
    film.save(tmp_path / "film.npz")
    data = (tmp_path / "film.npz").read_bytes()
    (tmp_path / "film.npz").write_bytes(data[: len(data) // 2])
    assert Film.load(tmp_path / "film.npz") is None


def test_a_film_that_nobody_looks_at_rests_on_disk_and_comes_back_whole():
    film.let_idle_rest(-1)  # those that other tests left
    made = recorded()
    before = {name: [a.copy() for a in getattr(made, name)] for name in film.HEAVY}
    steps, png, place = len(made), made.png(1), film._resting_place()
    assert film.let_idle_rest(600) == 0
    made.used -= 601
    assert film.let_idle_rest(600) == 1
    assert not set(film.HEAVY) & set(made.__dict__)
    assert len(list(place.glob(f"{made.name}*"))) == 1
    assert film.let_idle_rest(-1) == 0  # it rests already
    assert len(made) == steps
    assert made.finished
    for name, arrays in before.items():
        assert all(np.array_equal(a, b) for a, b in zip(arrays, getattr(made, name), strict=True))
    assert made.png(1) == png
    assert not list(place.glob(f"{made.name}*"))
    assert film.let_idle_rest(600) == 0  # it was looked at only now


def test_a_film_that_is_forgotten_leaves_no_file():
    made = recorded()
    assert made.rest()
    left = list(film._resting_place().glob(f"{made.name}*"))
    assert len(left) == 1
    del made
    gc.collect()
    assert not left[0].exists()


def test_a_film_stays_where_the_disk_is_full(monkeypatch):
    made = recorded()
    monkeypatch.setattr(np, "savez", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("No space left on device")))
    assert not made.rest()
    assert len(made.frames()) == len(made) + 1


def test_a_walk_that_was_paused_for_long_goes_on_into_a_film_that_rests():
    made = Film({})
    for _ in made.record_all(walk()):
        assert made.rest()
    assert [len(getattr(made, name)) for name in film.HEAVY] == [len(made)] * 4
    assert len(made) > 2


def test_ten_threads_wake_one_film():
    made, seen = recorded(), []
    for _ in range(20):
        made.rest()
        threads = [threading.Thread(target=lambda: seen.append(len(made.xt))) for _ in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert seen == [len(made)] * 200
