"""A server's memory: many threads share few heaps, so what one leaves free the others use."""

import gc
import subprocess
import sys
import weakref

import pytest

from lessons_lib import memory

HEAPS = """
import ctypes, sys, threading
if sys.argv[1] == "few":
    from lessons_lib.memory import few_heaps
    few_heaps()
libc = ctypes.CDLL(None)
for name, answers in ("malloc", ctypes.c_void_p), ("fopen", ctypes.c_void_p):
    getattr(libc, name).restype = answers
together = threading.Barrier(12)
def work():
    together.wait()
    libc.malloc(ctypes.c_size_t(1000))
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for t in threads: t.start()
for t in threads: t.join()
out = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, out)
libc.fclose(out)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_threads_share_two_heaps():
    def heaps(how: str) -> int:
        told = subprocess.run([sys.executable, "-c", HEAPS, how], capture_output=True, text=True, check=True)
        return told.stdout.count("<heap nr=")

    many = heaps("as they come")
    if not many:
        pytest.skip("malloc is not glibc's")
    assert many > 4
    assert heaps("few") <= 3  # the two, and the main one where it had been there before


class Session:
    """Something that holds itself, as what a session leaves behind does."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def thawed(monkeypatch):
    monkeypatch.setattr(memory, "_set_aside", None)
    yield
    gc.unfreeze()


def test_what_a_session_held_when_a_model_opened_is_freed_later(thawed, monkeypatch):
    session = Session()
    memory.after_opening()
    gone = weakref.ref(session)
    del session
    memory.before_run()
    assert gone() is not None, "set aside: a collection does not look at it"
    monkeypatch.setattr(memory, "THAW", -1)
    memory.before_run()
    assert gone() is None


def test_opening_another_model_frees_it_too(thawed):
    session = Session()
    memory.after_opening()
    gone = weakref.ref(session)
    del session
    memory.after_opening()
    assert gone() is None
    assert gc.get_freeze_count() > 0


def test_what_came_after_the_opening_is_freed_before_the_next_run(thawed):
    memory.after_opening()
    session = Session()
    gone = weakref.ref(session)
    del session
    memory.before_run()
    assert gone() is None
