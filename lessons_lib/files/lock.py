"""A lock that dies with its process: no clock, no process number that another process could have by now.

It holds between processes as between the threads of one, since each take() opens the file anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lessons_lib.errors import LessonsError

try:
    import fcntl

    INHERITED = True  # a child that is handed the open file holds the lock too, until it ends

    def _take(file) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look(file) -> None:  # shared, so that two who look at once do not take each other for a holder
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

except ImportError:  # Windows
    import msvcrt

    INHERITED = False

    def _take(file) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    _look = _take

TRIES = 20  # before a lock counts as held: somebody may be looking at it with is_held(), which takes microseconds


def take(path: Path):
    """The open, locked file, to be kept while the work lasts; None if another holds it. Raises OSError if it cannot be written."""
    file = open(path, "a+")  # noqa: SIM115, it stays open: closing it lets the lock go
    if _within(TRIES, _take, file):
        return file
    file.close()
    return None


def is_held(path: Path) -> bool:
    """True while a living process holds the lock."""
    try:
        with open(path, "r" if INHERITED else "r+") as file:
            return not _within(1 if INHERITED else TRIES, _look, file)
    except OSError:  # not there: nobody ever took it
        return False


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Wait for the lock and hold it inside the block. Raises LessonsError if its file cannot be written."""
    try:
        while (file := take(path)) is None:
            time.sleep(0.01)
    except OSError as e:
        raise LessonsError(f"{path.parent} cannot be written ({e.strerror}): make it writable, or free some disk space.") from e
    with file:
        yield


def _within(tries: int, lock, file) -> bool:
    for _ in range(tries):
        try:
            lock(file)
            return True
        except OSError:
            time.sleep(0.001)
    return False
