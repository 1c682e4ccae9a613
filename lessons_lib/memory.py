"""When memory is tidied: what makes an app open sooner, and keeps it flat through weeks of lessons and thirty sessions at once."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

M_ARENA_MAX = -8  # malloc.h
THAW = 1800  # seconds that what was set aside stays out of collections

_set_aside: float | None = None  # when


def few_heaps() -> None:
    """At the start, before threads come: let all of them share two heaps, where malloc is glibc's.

    Every run of a page is a thread of its own. Given up to eight heaps a core, what one thread leaves free no other uses,
    and a server grew by a megabyte a walk though it held no more than before.
    """
    with suppress(OSError, TypeError, AttributeError):  # Windows, macOS, musl
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


@contextmanager
def importing() -> Iterator[None]:
    """While torch, diffusers and transformers are imported: no collections, which find nothing there and take a quarter of the time."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def after_opening() -> None:
    """Modules and networks stay: from now on a collection looks at sessions alone and takes milliseconds.

    What sessions hold at this moment is set aside with them. It is looked at again when the next model opens, and by
    before_run() every THAW seconds, so nothing of theirs stays for ever.
    """
    global _set_aside
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _set_aside = time.monotonic()


def before_run() -> None:
    """Free what earlier runs left in cycles, their messages to the browser among it: megabytes each."""
    if _set_aside is not None and time.monotonic() - _set_aside > THAW:
        after_opening()  # some tenths of a second
    else:
        gc.collect()
