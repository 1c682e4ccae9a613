"""Rooms of a class: who may do what, what is counted, and that a pause is seen and waited for."""

import json
import re
import threading
import time

import pytest

from lessons_lib.errors import LessonsError
from lessons_lib.files import rooms
from lessons_lib.models.digits import Settings
from lessons_lib.training import runs
from lessons_lib.ui import room
from tests.pages import address, opened, press

TINY = Settings("class_conditioned", num_hiddens=2, batch_size=100, epochs=1, lr=1e-3, num_digits=200)


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "FOLDER", tmp_path / "rooms")
    monkeypatch.setattr(runs, "FOLDER", tmp_path / "runs")
    monkeypatch.setattr(runs, "_start_waiting", lambda: "")


def test_only_the_teachers_key_pauses_a_room():
    code, key = rooms.begin()
    assert re.fullmatch("[a-z2-9]{6}", code)
    assert rooms.exists(code)
    assert rooms.teaches(code, key)
    for wrong in ("", code, key + "x", key.swapcase()):
        assert not rooms.teaches(code, wrong)
        with pytest.raises(LessonsError, match="Only the teacher"):
            rooms.pause(code, wrong, True)
    assert not rooms.paused(code)
    rooms.pause(code, key, True)
    assert rooms.paused(code)
    rooms.pause(code, key, False)
    assert not rooms.paused(code)
    assert key not in "".join(p.read_text() for p in (rooms.FOLDER / code).iterdir())


@pytest.mark.parametrize("bad", ["", "../..", "abc", "ABCDEF", "a" * 500, "é23456", "aaaaaa"])
def test_a_code_that_is_none_is_no_room(bad):
    rooms.begin()
    assert not rooms.exists(bad)
    assert not rooms.paused(bad)
    assert not rooms.teaches(bad, "key")
    rooms.mark(bad, "me", "forward", "done")
    assert rooms.counts(bad) == {}


def test_each_browser_counts_once_and_has_no_name():
    code, _ = rooms.begin()
    for who in ("ada", "grace"):
        for _ in range(3):
            rooms.mark(code, who, "forward", "started")
    rooms.mark(code, "ada", "forward", "done")
    rooms.mark(code, "edsger", "guidance", "done")  # found in its browser, started on another day
    assert rooms.counts(code) == {"forward": (2, 1), "guidance": (1, 1)}
    assert "ada" not in (rooms.FOLDER / code / "marks").read_text()
    other, _ = rooms.begin()
    rooms.mark(other, "ada", "forward", "started")
    mine, theirs = ((rooms.FOLDER / c / "marks").read_text().split()[2] for c in (code, other))
    assert mine != theirs  # nobody is followed from class to class
    with pytest.raises(ValueError, match="none of started, done"):
        rooms.mark(code, "ada", "forward", "seen")


def test_three_hundred_mark_at_once_and_none_is_lost():
    code, _ = rooms.begin()
    threads = [threading.Thread(target=rooms.mark, args=(code, f"w{i}", "forward", "started")) for i in range(300)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert rooms.counts(code) == {"forward": (300, 0)}


def test_marks_and_rooms_have_an_end(monkeypatch):
    code, _ = rooms.begin()
    monkeypatch.setattr(rooms, "MOST_BYTES", 100)
    for i in range(50):
        rooms.mark(code, f"w{i}", "forward", "started")
    assert (rooms.FOLDER / code / "marks").stat().st_size < 200
    monkeypatch.setattr(rooms, "MOST", 3)
    for _ in range(3):
        time.sleep(0.01)
        last, _ = rooms.begin()
    assert not rooms.exists(code)
    assert rooms.exists(last)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(rooms, "FOLDER", tmp_path / "file" / "rooms")
    with pytest.raises(LessonsError, match="No room can be opened"):
        rooms.begin()


# --- on the page --------------------------------------------------------------------------------------------------------


def warnings(at) -> list[str]:
    return [w.value for w in at.warning]


def member(code: str, slug: str = "forward", **more: str):
    """A learner's page, whose browser has answered what it keeps."""
    at = opened(slug, room=code, **more)
    at.session_state["_kept"].read = "small"
    return at.run()


def test_without_a_code_all_is_as_ever():
    at = opened("forward")
    assert "room" not in address(at)
    assert not [b for b in at.button if b.key and b.key.startswith("room_")]
    assert not rooms.FOLDER.exists()
    lost = opened("forward", room="abcdef")
    assert any("not here any more" in c.value for c in lost.sidebar.caption)
    assert not lost.error


def test_a_member_sees_the_code_and_the_pause_but_no_panel():
    code, key = rooms.begin()
    at = member(code)
    assert any(code in c.value for c in at.sidebar.caption)
    assert warnings(at) == []
    assert not [b for b in at.button if b.key == "room_pause"]
    rooms.pause(code, key, True)
    assert warnings(at.run()) == [room.EYES_UP]
    assert address(at)["room"] == code
    assert rooms.counts(code) == {"forward": (1, 0)}


def test_the_teachers_link_brings_the_panel_and_its_key_stays_out_of_every_link():
    code, key = rooms.begin()
    rooms.mark(code, "ada", "forward", "done")
    at = opened("forward", room=code, teach=key)
    assert any("| Forward noising | 1 | 1 |" in m.value for m in at.sidebar.markdown)
    assert "teach" not in address(at)
    assert key not in json.dumps([link.proto.query_string for link in at.get("page_link")])
    press(at, "Eyes up")
    assert rooms.paused(code)
    assert warnings(at) == []  # the teacher's own walks go on
    press(at, "Go on")
    assert not rooms.paused(code)
    at.session_state["_kept"].read = "small"
    at.run()
    assert rooms.counts(code) == {"forward": (1, 1)}  # the teacher is not counted
    guessed = opened("forward", room=code, teach="guessed")
    assert not [b for b in guessed.button if b.key == "room_pause"]


def test_the_teacher_stops_a_training_of_the_room_and_no_other():
    code, key = rooms.begin()
    learner = press(member(code, "train"), "Train")
    assert not learner.error
    (run,) = runs.last_runs()
    assert rooms.runs_of(code) == [run]
    other = runs.start(TINY, key="somebody else's")
    at = opened("forward", room=code, teach=key)
    assert [b.key for b in at.button if b.key and b.key.startswith("room_stop_")] == [f"room_stop_{run}"]
    room._stop(code, key, other)
    room._stop(code, "guessed", run)
    assert [runs.wanted(runs.folder_of(r)) for r in (run, other)] == ["run", "run"]
    at.button(key=f"room_stop_{run}").click().run()
    assert runs.watch(run).status == "cancelled"
    assert runs.watch(other).status == "queued"


def test_a_walk_waits_while_the_class_is_paused(monkeypatch):
    code, key = rooms.begin()
    rooms.pause(code, key, True)
    said = []
    monkeypatch.setattr(room, "code", lambda: code)
    monkeypatch.setattr(room, "key", lambda: "")

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            rooms.pause(code, key, False)

    room.wait(say)
    assert len(said) == 3
    monkeypatch.setattr(room, "key", lambda: key)
    rooms.pause(code, key, True)
    room.wait(say)  # the teacher's goes on
    assert len(said) == 3
