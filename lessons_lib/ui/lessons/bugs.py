"""The Bug lab's verdicts: hints, the list of bugs, what is said of an answer, and the score of a session."""

from __future__ import annotations

import difflib
import inspect
import random
from collections.abc import Callable

import streamlit as st

from lessons_lib.checking.mistakes import MISTAKES, Pieces
from lessons_lib.lessons.bugs import CASES, Case
from lessons_lib.ui import page, save


def verdict(case: Case, number: int) -> None:
    """Hints, the list to choose from, and what is said of the choice."""
    with st.container(horizontal=True):
        if st.toggle("Where to look", key=f"bugs_hint_{number}"):
            st.markdown(case.hint)
        few = st.toggle("Only four are left", key=f"bugs_few_{number}")
    names = _four(case) if few else _all()
    guess = st.radio(
        "Your verdict",
        names,
        index=None,
        format_func=lambda n: MISTAKES[n].title,
        key=f"bugs_guess_{number}",
        persist_state="session",
        on_change=_count,
        args=(case, number),
    )
    if guess is None:
        return
    mistake = case.mistake
    if guess == case.bug:
        st.success(f"Yes: {mistake.title}. {mistake.why}", icon=":material/check:")
        save.note("text", f"Case {number}: {mistake.title}.")
    else:
        symptom = next(c.symptom for c in CASES if c.bug == guess)
        st.warning(f"Not this one: with “{MISTAKES[guess].title}” you would see {symptom}.", icon=":material/close:")
    if guess == case.bug or st.toggle("Show the answer", key=f"bugs_answer_{number}"):
        st.markdown(f"**{mistake.title}**: {case.symptom}. {mistake.why}")
        if page.solutions():
            _code(case)


def score() -> str:
    """How many cases this session has found, and how many at the first verdict."""
    tries = _found()
    first = sum(n == 1 for n in tries.values())
    return f"Found: {len(tries)} of {len(CASES)}, {first} at the first verdict."


def difference(wrong: Callable, right: Callable) -> str:
    """Both functions in one text: lines of the right one with +, of the wrong one with -, those of both with neither."""
    before, after = ([line.rstrip() for line in inspect.getsource(f).splitlines()] for f in (wrong, right))
    lines = difflib.ndiff(before, after)
    return "\n".join(line.rstrip() for line in lines if not line.startswith("?"))


def _all() -> list[str]:
    """All bugs, by their titles, so that the order says nothing."""
    return sorted((c.bug for c in CASES), key=lambda n: MISTAKES[n].title.lower())


def _four(case: Case) -> list[str]:
    """The right one and three others, the same ones every time."""
    others = [n for n in _all() if n != case.bug]
    few = {case.bug, *random.Random(case.bug).sample(others, 3)}
    return [n for n in _all() if n in few]


def _found() -> dict[str, int]:
    """bug -> at which verdict it was found, in this session."""
    return st.session_state.setdefault("bugs_found", {})


def _count(case: Case, number: int) -> None:
    """A verdict was chosen."""
    tried = st.session_state.setdefault("bugs_tried", {})
    tried[case.bug] = tried.get(case.bug, 0) + 1
    if st.session_state[f"bugs_guess_{number}"] == case.bug:
        _found().setdefault(case.bug, tried[case.bug])


def _code(case: Case) -> None:
    """What was written wrongly, and what it should be."""
    right = Pieces()
    for piece, functions in case.mistake.functions.items():
        if case.task == "sample" and piece in ("forward", "start"):
            continue  # this walk does not use it
        st.code(difference(functions[0], getattr(right, piece)), language="diff", wrap_lines=True)
