"""A server's memory: many threads share few heaps, so what one leaves free the others use."""

import subprocess
import sys

import pytest

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
