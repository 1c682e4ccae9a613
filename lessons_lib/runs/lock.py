"""A lock that dies with its process: no clock, no process number that another process could have by now."""

from __future__ import annotations

from pathlib import Path

try:
    import fcntl

    INHERITED = True  # a child that is handed the open file holds the lock too, until it ends

    def _take(file) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

except ImportError:  # Windows
    import msvcrt

    INHERITED = False

    def _take(file) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def take(path: Path):
    """The open, locked file, to be kept while the work lasts; None if another process holds it."""
    file = open(path, "a+")  # noqa: SIM115, it stays open: closing it lets the lock go
    try:
        _take(file)
    except OSError:
        file.close()
        return None
    return file


def is_held(path: Path) -> bool:
    """True while a living process holds the lock."""
    if not path.exists():
        return False
    file = take(path)
    if file is None:
        return True
    file.close()
    return False
