"""What a page still waits for: a picture or a drawing, which no link can hold. While it waits, Run does too."""

from __future__ import annotations

from contextvars import ContextVar

_for: ContextVar[str] = ContextVar("waiting_for", default="")


def begin() -> None:
    """A page starts: nothing is missing yet."""
    _for.set("")


def wait(sentence: str) -> None:
    """The page misses something; the sentence says what, and how to give it."""
    _for.set(sentence)


def reason() -> str:
    """Why Run cannot be pressed; "" if it can."""
    return _for.get()
