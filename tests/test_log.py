"""One format on stderr; causes always, tracebacks where they are wanted."""

import logging
import subprocess
import sys

import pytest

from lessons_lib import log
from lessons_lib.errors import LessonsError

WARN = """
import logging, sys
from lessons_lib import log
from lessons_lib.errors import LessonsError
log.set_up()
log.set_up()
try:
    try:
        open("/no/such/file")
    except OSError as e:
        raise LessonsError("Give another file.") from e
except LessonsError as e:
    logging.getLogger("lessons_lib.some.module").warning("it happened", exc_info=e)
logging.getLogger("lessons_lib.other").debug("a detail")
"""


def said(*args, debug=None):
    import os

    env = {k: v for k, v in os.environ.items() if k != log.DEBUG} | ({log.DEBUG: debug} if debug is not None else {})
    made = subprocess.run([sys.executable, "-c", WARN, *args], capture_output=True, text=True, check=True, env=env)
    assert made.stdout == ""
    return made.stderr.splitlines()


@pytest.mark.parametrize("debug", [None, "", "0"])
def test_a_record_is_one_line_and_a_line_for_each_cause(debug):
    first, *rest = said(debug=debug)
    assert first.endswith("WARNING lessons_lib.some.module [MainThread] it happened")
    assert rest[0] == "    from LessonsError: Give another file."
    assert rest[1].startswith("    from FileNotFoundError: ")
    assert len(rest) == 2, "once, however often it was set up"


@pytest.mark.parametrize(("args", "debug"), [(["--debug"], None), ([], "1")])
def test_with_debugging_on_the_traceback_stands_there_and_details_too(args, debug):
    lines = said(*args, debug=debug)
    assert "Traceback (most recent call last):" in lines
    assert any('File "<string>", line ' in line for line in lines)
    assert lines[-1].endswith("DEBUG lessons_lib.other [MainThread] a detail")


def test_causes_end_where_they_go_round():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert log.causes(one) == [one, two]


def test_what_was_raised_from_none_has_no_cause():
    def raises():
        try:
            raise KeyError("hidden")
        except KeyError:
            raise LessonsError("said") from None

    with pytest.raises(LessonsError) as caught:
        raises()
    assert log.causes(caught.value) == [caught.value]


def test_a_cause_without_words(logged):
    error = LessonsError("Free some memory.")
    error.__cause__ = MemoryError()
    logging.getLogger("lessons_lib.x").error("oh", exc_info=error)
    assert logged.getvalue().splitlines()[1:] == [
        "    from LessonsError: Free some memory.",
        "    from MemoryError: (no message)",
    ]


def test_what_nobody_foresaw_has_its_traceback(logged):
    with pytest.raises(ZeroDivisionError) as caught:
        1 / 0  # noqa: B018
    logging.getLogger("lessons_lib.x").error("oh", exc_info=caught.value)
    assert "Traceback" in logged.getvalue()
    assert "test_log.py" in logged.getvalue()
