"""What one visitor may take of a server that others share: files, trainings."""

import json

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from lessons_lib.errors import LessonsError
from lessons_lib.models.digits import Settings
from lessons_lib.training import runs
from lessons_lib.ui import limits
from tests.pages import opened, press

TINY = Settings("class_conditioned", num_hiddens=2, batch_size=100, epochs=1, lr=1e-3, num_digits=200)


@pytest.fixture(autouse=True)
def no_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "FOLDER", tmp_path / "runs")
    monkeypatch.setattr(runs, "_start_waiting", lambda: "")


@pytest.fixture
def manager(monkeypatch):
    monkeypatch.setattr(limits, "SESSION_MB", 3)
    monkeypatch.setattr(limits, "SERVER_MB", 5)
    monkeypatch.setattr(limits, "_refused", {})
    made = MemoryUploadedFileManager("/upload")
    limits._bound(made)
    limits._bound(made)  # every page does
    return made


def give(manager, session: str, name: str, mb: int) -> bool:
    """Upload; True if it was taken."""
    manager.add_file(session, UploadedFileRec(name, name, "image/png", bytes(mb * limits.MB)))
    return bool(manager.get_files(session, [name]))


def test_a_tab_holds_no_more_than_its_share_and_is_told(manager):
    assert give(manager, "me", "a", 2)
    assert not give(manager, "me", "b", 2)
    assert "2 MB of files already, and 3 MB is the most" in limits._refused["me"]
    assert give(manager, "me", "a", 3)  # another in the place of the first
    assert give(manager, "you", "a", 2)
    assert not give(manager, "they", "a", 1)
    assert "5 MB of everybody's files" in limits._refused["they"]
    manager.remove_file("me", "a")
    assert give(manager, "they", "a", 1)


def test_the_page_says_it_once():
    at = opened("forward")
    limits._refused["test session id"] = "This tab holds too much."
    assert [e.value for e in at.run().error] == ["This tab holds too much."]
    assert not at.run().error


def test_another_page_lets_the_files_of_the_one_before_go(monkeypatch):
    gone = []
    monkeypatch.setattr(MemoryUploadedFileManager, "remove_session_files", lambda self, session: gone.append(session))
    at = opened("forward")
    gone.clear()
    at.run()
    assert gone == []
    at.switch_page("pages/Image_to_image.py").run()
    assert "test session id" in gone


def test_one_browser_has_three_trainings_that_are_not_done():
    mine = [runs.start(TINY) for _ in range(runs.EACH)]
    with pytest.raises(LessonsError, match="3 of your trainings are not done yet"):
        runs.start(TINY, own=mine)
    assert len(runs.last_runs(50)) == 3
    runs.start(TINY, own=["r0000000", *mine[1:]])  # another's browser
    (runs.folder_of(mine[0]) / "progress.json").write_text(json.dumps({"status": "finished"}))
    runs.start(TINY, own=mine)


def test_the_page_refuses_the_fourth_in_one_sentence():
    at = opened("train")
    for _ in range(runs.EACH):
        press(at, "Train")
        assert not at.error
    press(at, "Train")
    assert [e.value for e in at.error] == [
        "3 of your trainings are not done yet, and that is the most at once: stop one, or wait for one."
    ]
    assert len(runs.last_runs(50)) == runs.EACH


def test_the_queue_of_all_has_an_end(monkeypatch):
    monkeypatch.setattr(runs, "MOST", 2)
    for _ in range(2):
        runs.start(TINY)
    with pytest.raises(LessonsError, match="2 trainings wait on this server"):
        runs.start(TINY)
