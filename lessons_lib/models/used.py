"""Which weight files answered: a page and a film know by which networks they were really made. Without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from lessons_lib.places import CACHE

_lists: ContextVar[tuple[dict[Path, None], ...]] = ContextVar("used", default=())


def note(*weights: Path) -> None:
    """These files' network was asked, in this thread; every list that is open takes it down."""
    for files in _lists.get():
        files.update(dict.fromkeys(weights))


@contextmanager
def noting() -> Iterator[dict[Path, None]]:
    """The files that are asked in the body, in order, as a dict's keys."""
    files: dict[Path, None] = {}
    before = _lists.get()
    _lists.set((*before, files))
    try:
        yield files
    finally:
        _lists.set(before)


def hashes(files: Iterable[Path]) -> dict[str, str]:
    """{file: its SHA-256, 64 hex digits}, named below cache/ if it lies there; worked out once as long as it stays the same."""
    found = {}
    for path in files:
        about = path.stat()
        name = path.relative_to(CACHE).as_posix() if path.is_relative_to(CACHE) else path.name
        found[name] = _sha256(path, about.st_size, about.st_mtime_ns)
    return found


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, changed: int) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
