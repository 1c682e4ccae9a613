"""When memory is tidied: what makes an app open sooner, and keeps it flat through weeks of lessons and thirty sessions at once."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

M_ARENA_MAX = -8  # malloc.h


def few_heaps() -> None:
    """At the start: let all threads share two heaps, where malloc is glibc's.

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
    """Modules and networks stay: from now on a collection looks at sessions alone and takes milliseconds."""
    gc.freeze()


def before_run() -> None:
    """Free what earlier runs left in cycles, their messages to the browser among it: megabytes each."""
    gc.collect()
