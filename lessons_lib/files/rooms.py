"""Rooms: a class gets a code. Who has it is in the room; the teacher's own key pauses the class, stops trainings and sees counts.

A room is a folder beside the trainings, so that every replica knows it:
    key      SHA-256 of the teacher's key
    paused   there while the class is to look up
    marks    a line for each: LESSON started|done WHO, where WHO is a hash that only tells two browsers apart
    runs     trainings that were started in the room, a line each
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import shutil

from lessons_lib.errors import LessonsError
from lessons_lib.files import lock
from lessons_lib.files.links import LENGTH, LETTERS
from lessons_lib.places import ROOMS

FOLDER = ROOMS
MOST = 500  # rooms that are kept, the newest
MOST_BYTES = 2_000_000  # of a room's marks: a thousand people in all lessons
STATES = ("started", "done")


def begin() -> tuple[str, str]:
    """Open a room: (its code, the teacher's key). Raises LessonsError where it cannot be written."""
    code, key = "".join(secrets.choice(LETTERS) for _ in range(LENGTH)), secrets.token_urlsafe(16)
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        with lock.holding(FOLDER / "lock"):
            (FOLDER / code).mkdir()
            (FOLDER / code / "key").write_text(_hash(key))
            found = sorted((p for p in FOLDER.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
            for old in found[:-MOST]:
                shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        raise LessonsError(f"No room can be opened: {FOLDER} cannot be written ({e.strerror}).") from e
    return code, key


def exists(code: str) -> bool:
    """True for the code of a room, in small letters."""
    return re.fullmatch(f"[{LETTERS}]{{{LENGTH}}}", code) is not None and (FOLDER / code / "key").exists()


def teaches(code: str, key: str) -> bool:
    """True if this is the key of the room's teacher."""
    try:
        return exists(code) and hmac.compare_digest((FOLDER / code / "key").read_text(), _hash(key))
    except (OSError, ValueError):
        return False


def pause(code: str, key: str, on: bool) -> None:
    """Let the class look up, or go on. Raises LessonsError for a key that is not the teacher's."""
    if not teaches(code, key):
        raise LessonsError(f"Only the teacher of room {code} can pause it.")
    try:
        if on:
            (FOLDER / code / "paused").touch()
        else:
            (FOLDER / code / "paused").unlink(missing_ok=True)
    except OSError as e:
        raise LessonsError(f"Room {code} cannot be written ({e.strerror}).") from e


def paused(code: str) -> bool:
    """True while the class of a room is to look up. A few microseconds: a walk asks at every step."""
    return bool(code) and exists(code) and (FOLDER / code / "paused").exists()


def mark(code: str, who: str, lesson: str, state: str) -> None:
    """Note that somebody started a lesson or has done it. who: a secret of that browser, of which a hash is kept."""
    if state not in STATES:
        raise ValueError(f"{state!r} is none of {', '.join(STATES)}")
    _add(code, "marks", f"{lesson} {state} {_hash(code + who)[:16]}")


def counts(code: str) -> dict[str, tuple[int, int]]:
    """{lesson: (how many started it, how many have done it)}. Who has done one has started it."""
    seen: dict[str, tuple[set, set]] = {}
    for words in map(str.split, _lines(code, "marks")):
        if len(words) == 3 and words[1] in STATES:
            started, done = seen.setdefault(words[0], (set(), set()))
            started.add(words[2])
            if words[1] == "done":
                done.add(words[2])
    return {lesson: (len(started), len(done)) for lesson, (started, done) in seen.items()}


def add_run(code: str, run: str) -> None:
    """A training was started in the room."""
    _add(code, "runs", run)


def runs_of(code: str) -> list[str]:
    """The trainings that were started in the room, newest first."""
    return list(dict.fromkeys(reversed(_lines(code, "runs"))))


def _add(code: str, name: str, line: str) -> None:
    """Append a line, whole: a short write to a file opened for appending is one. What cannot be written is not counted."""
    path = FOLDER / code / name
    try:
        if exists(code) and (not path.exists() or path.stat().st_size < MOST_BYTES):
            with open(path, "ab", buffering=0) as file:
                os.write(file.fileno(), line.encode() + b"\n")
    except OSError:
        pass  # a full disk must not stop a lesson


def _lines(code: str, name: str) -> list[str]:
    try:
        return (FOLDER / code / name).read_text(encoding="utf-8", errors="replace").splitlines() if exists(code) else []
    except OSError:
        return []


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
