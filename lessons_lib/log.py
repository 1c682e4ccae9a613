"""What went wrong and why, on stderr, in one format for the whole library. Without torch.

Each module logs as `log = logging.getLogger(__name__)`. A person sees one sentence (errors.py); the log says what it came from.
What nobody foresaw is logged with its traceback. With debugging on, everything is, and details are logged too:
`streamlit run Home.py -- --debug`, or DIFFUSION_DEBUG=1.
"""

from __future__ import annotations

import logging
import os
import sys
import threading

from lessons_lib.errors import LessonsError

DEBUG = "DIFFUSION_DEBUG"  # environment variable: 1 for tracebacks; the processes that a page starts inherit it
LIBRARY = logging.getLogger("lessons_lib")
_once = threading.Lock()


def set_up() -> None:
    """Let the library log to stderr. May be called at every run of a page: only the first time does something."""
    with _once:
        if "--debug" in sys.argv[1:]:
            os.environ[DEBUG] = "1"
        if not any(isinstance(h.formatter, _Format) for h in LIBRARY.handlers):
            LIBRARY.addHandler(handler(_Stderr()))
            LIBRARY.propagate = False
        LIBRARY.setLevel(logging.DEBUG if debugging() else logging.INFO)


def handler(stream) -> logging.StreamHandler:
    """A handler that writes the library's format to a stream."""
    made = logging.StreamHandler(stream)
    made.setFormatter(_Format("%(asctime)s %(levelname)s %(name)s [%(threadName)s] %(message)s"))
    return made


def debugging() -> bool:
    """True where all tracebacks and details are wanted."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def causes(error: BaseException) -> list[BaseException]:
    """The error and what it came from, the outermost first."""
    found = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


class _Format(logging.Formatter):
    """One line a record, and for a LessonsError one for each of its causes. Other errors have their traceback."""

    def formatException(self, exc_info) -> str:
        if debugging() or not isinstance(exc_info[1], LessonsError):
            return super().formatException(exc_info)
        return "\n".join(f"    from {type(e).__name__}: {_first_line(e)}" for e in causes(exc_info[1]))

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # another handler, such as pytest's, may have written its own
        return super().format(record)


class _Stderr:
    """sys.stderr as it is at the moment of writing, which tests and notebooks replace."""

    def write(self, text: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(text)

    def flush(self) -> None:
        if sys.stderr is not None:
            sys.stderr.flush()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else "(no message)"
