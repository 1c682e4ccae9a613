"""How the app's process is set up, which a notebook's is not: many sessions share it for weeks. Without torch."""

from __future__ import annotations

from lessons_lib import log, memory

_many = False


def begin() -> None:
    """This process serves many sessions. Called by the first page, before torch is there; later calls do nothing.

    Threads share few heaps, the log goes to stderr, and the batch worker alone will compute on all cores.
    """
    global _many
    if not _many:
        _many = True
        memory.few_heaps()
        log.set_up()


def many_sessions() -> bool:
    """True in the app, where every thread but the batch worker keeps to one core."""
    return _many
