"""What one visitor may take of a server that others share, each limit with its one sentence; what is let go while nobody looks.
Trainings have theirs in training/runs.py.

A walk needs none: a tab walks one at a time, since whatever is pressed ends the walk before, and walks of all take turns.
"""

from __future__ import annotations

import threading
import time

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lessons_lib.files import film

MB = 2**20
SESSION_MB = 400  # of uploads that one tab holds: two of the largest kind
SERVER_MB = 4000  # of uploads that all hold

_refused: dict[str, str] = {}  # session -> why its last upload was not taken
_lock = threading.Lock()
_looked: list[float] = [time.monotonic()]  # when idle films were last looked for


def begin(*, another_page: bool) -> None:
    """A page starts: uploads are counted from here on, and those of the page before are let go, which are in no uploader any more.

    Says so, in one sentence, where an upload was not taken.
    """
    ctx = get_script_run_ctx()
    if ctx is None:
        return
    _bound(ctx.uploaded_file_mgr)
    if time.monotonic() - _looked[0] > film.IDLE / 10:  # memory is wanted when somebody comes
        _looked[0] = time.monotonic()
        threading.Thread(target=film.let_idle_rest, daemon=True, name="idle films").start()
    if another_page:
        ctx.uploaded_file_mgr.remove_session_files(ctx.session_id)
    if (why := _refused.pop(ctx.session_id, "")) and not another_page:
        st.error(why, icon=":material/error:")


def _bound(manager) -> None:
    """Let a file manager of Streamlit's refuse what is too much, whoever sends it and whatever page is open."""
    with _lock:
        if hasattr(manager, "unbounded"):
            return
        manager.unbounded = manager.add_file

        def add_file(session_id: str, file) -> None:
            files = {s: dict(held) for s, held in list(manager.file_storage.items())}
            if len(_refused) > 1000:  # tabs that were closed before they could be told
                _refused.clear()
            held = sum(len(f.data) for name, f in files.get(session_id, {}).items() if name != file.file_id)
            everybody = sum(len(f.data) for of in files.values() for f in of.values())
            if held + len(file.data) > SESSION_MB * MB:
                _refused[session_id] = (
                    f"This tab holds {held // MB} MB of files already, and {SESSION_MB} MB is the most: take one away and choose "
                    "the last one again."
                )
            elif everybody + len(file.data) > SERVER_MB * MB:
                _refused[session_id] = (
                    f"This server holds {SERVER_MB} MB of everybody's files, which is the most: try again in some minutes."
                )
            else:
                manager.unbounded(session_id, file)

        manager.add_file = add_file
