"""The filmstrip sends a frame once, and of a long walk only what is looked at; a rerun of its page costs next to nothing."""

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from benchmarks import rerun
from lessons_lib.ui import filmstrip


def unpacked(message: bytes) -> tuple[dict, dict[tuple[str, int], bytes]]:
    """A message as filmstrip.js reads it: header, and PNGs by channel and frame."""
    (length,) = struct.unpack("<I", message[:4])
    header = json.loads(message[4 : 4 + length])
    at, pngs = 4 + length, {}
    for channel, i, size in header["frames"]:
        pngs[channel, i] = message[at : at + size]
        at += size
    assert at == len(message)
    return header, pngs


def sent(app: AppTest) -> tuple[dict, dict[tuple[str, int], bytes]]:
    (element,) = app.get("bidi_component")
    return unpacked(element.proto.bytes)


def page(pictures: int, steps: int):
    import streamlit as st

    from benchmarks.rerun import film_of
    from lessons_lib.ui.filmstrip import filmstrip

    film = st.session_state.setdefault("film", film_of(pictures, {"prompt": "3"}, steps))
    st.slider("row", 0, 27, 3, key="scope_row")
    st.slider("column", 0, 27, 5, key="scope_column")
    filmstrip(film, "strip", columns=10, alt="digits", scope="scope")


def opened(pictures: int, steps: int) -> AppTest:
    app = AppTest.from_function(page, kwargs={"pictures": pictures, "steps": steps}, default_timeout=60).run()
    assert not app.exception
    return app


def test_a_short_walk_is_sent_whole_and_once():
    app = opened(pictures=6, steps=20)
    header, pngs = sent(app)
    assert set(pngs) == {("xt", i) for i in range(21)} | {(c, i) for c in ("x0_hat", "eps") for i in range(20)}
    film = app.session_state["film"]
    for (channel, i), png in pngs.items():
        picture = Image.open(io.BytesIO(png))
        assert (picture.mode, picture.size) == ("L", (header["width"], header["height"])) == ("L", (173, 28))
        assert np.array_equal(np.asarray(picture)[:, 29:57], film.frames(channel)[i][1, 0])
    again = sent(app.run())
    assert again == ({**header, "frames": []}, {})


def test_it_ends_with_the_clean_picture_and_numbers_the_steps_as_the_walk_does():
    film = rerun.film_of(2, {}, steps=33)
    kept = [0, 9, 18, 32]
    for name in ("t", "t_prev", "index", "xt", "x0_hat", "eps", "numbers"):
        setattr(film, name, [getattr(film, name)[i] for i in kept])
    app = AppTest.from_function(page, kwargs={"pictures": 2, "steps": 33}, default_timeout=60)
    app.session_state["film"] = film
    header, pngs = sent(app.run())
    assert header["step"] == [1, 10, 19, 33]
    assert header["total"] == 33
    assert header["length"] == {"xt": 5, "x0_hat": 4, "eps": 4}
    assert header["end"] == "the clean picture"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(pngs["xt", 4])))[:, :28], film.final[0, 0])


def test_a_stopped_walk_does_not_call_its_last_picture_clean():
    film = rerun.film_of(2, {}, steps=33)
    film.total = 50
    app = AppTest.from_function(page, kwargs={"pictures": 2, "steps": 33}, default_timeout=60)
    app.session_state["film"] = film
    header, _ = sent(app.run())
    assert (header["total"], header["end"]) == (50, f"t = {film.t_prev[-1]}")


def test_of_a_long_walk_the_last_frame_and_some_of_all_come_first():
    app = opened(pictures=40, steps=300)
    header, pngs = sent(app)
    assert sum(map(len, pngs.values())) <= filmstrip.AT_ONCE
    assert list(pngs)[0] == ("xt", 300)
    have = sorted(i for _, i in pngs)
    assert len(have) >= 12
    assert have[0] == 0
    assert max(np.diff(have)) <= 150
    assert header["thumbs"] == filmstrip.spread(301, filmstrip.THUMBS)


def test_frames_are_sent_when_they_are_asked_for_and_nothing_else_is():
    app = opened(pictures=40, steps=300)
    header, _ = sent(app)

    def ask(**request) -> dict:
        app.session_state["strip_asked"] = {"id": header["id"], "channel": "eps", "frames": [7, 8, 299], **request}
        return sent(app.run())[1]

    film = app.session_state["film"]
    assert ask() == {("eps", i): film.png(i, "eps", 10) for i in (7, 8, 299)}
    assert ask(frames=[300, -1, 10**9]) == {}, "frames that are not there"
    assert ask(channel="final") == {}
    assert ask(id="another film's") == {}
    many = ask(channel="xt", frames=list(range(300)))
    assert 10 < len(many) < 60
    assert sum(map(len, many.values())) <= filmstrip.AT_ONCE


def test_another_film_is_sent_anew_and_a_pixel_needs_no_frame():
    app = opened(pictures=2, steps=5)
    header, _ = sent(app)
    assert header["pixel"] == [3, 5]
    app.slider(key="scope_row").set_value(20).run()
    moved, pngs = sent(app)
    assert moved["pixel"] == [20, 5]
    assert not pngs
    app.session_state["film"] = rerun.film_of(2, {}, 5)
    other, pngs = sent(app.run())
    assert other["id"] != header["id"]
    assert len(pngs) == 16


@pytest.mark.alone
@pytest.mark.parametrize(("slug", "most"), [("time", 0.2 / 2.9), pytest.param("class", 0.2 / 7.0, marks=pytest.mark.slow)])
def test_a_widget_touched_after_300_steps_costs_little(slug, most):
    """0.2 s of processor where the filmstrip alone took 2.9 s and 7.0 s, as ratios to that way, and less than 1 MB."""
    key, film, columns = rerun.films()[slug]
    first, *rest = rerun.reruns(slug, key, film, times=3)
    before, now = rerun.every_frame_every_time(film, columns, sample=10), rerun.median(rest)
    assert first.bytes < 1_500_000
    assert now.bytes < 300_000
    assert now.seconds < most * before.seconds, (now, before)
    assert before.bytes > 50 * now.bytes
