"""Check a student's own functions from arrays alone: no uploaded code is ever run.

The student runs check_my_code.py beside their own functions (`script()`), which saves what each of them asked, was handed and
returned in one .npz file, and uploads that. `check()` tries every right way to write each function, and every classic
mistake, on what was seen, and says which it is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lessons_lib.checking import check_my_code, part_a, part_b
from lessons_lib.checking.judging import Verdict
from lessons_lib.checking.reading import read
from lessons_lib.checking.traces import BROKEN, trace_of
from lessons_lib.errors import LessonsError
from lessons_lib.files import kept

CHECKS = {**part_a.CHECKS, **part_b.CHECKS}
MODELS = ()  # the stand-ins alone
RIGHT_FILM = "bugs-right-sample-02358-10-5-0"
FUNCTIONS = tuple(check_my_code.MINE)  # in the course's order


def script() -> str:
    """The program that is handed out, as text."""
    return Path(check_my_code.__file__).read_text(encoding="utf-8")


def known_names() -> list[tuple[str, tuple[str, ...]]]:
    """What the script looks for: (part of the course, the names of functions and classes that it knows)."""
    parts: dict[str, list[str]] = {"Part A": [], "Part B": []}
    for function, names in check_my_code.MINE.items():
        parts["Part A" if function in part_a.CHECKS else "Part B"].append(names[0])
    return [(part, tuple(names)) for part, names in parts.items()]


def check(file: bytes) -> list[Verdict]:
    """A verdict for every function, in the course's order.

    Raises: LessonsError if the file is none that the script made, or too large.
    """
    arrays, runs = read(file)
    divides = part_b.divides_time(runs)
    told = {name: {**run, "divides": divides} for name, run in runs.items()}
    return [_verdict(name, told.get(name), arrays) for name in FUNCTIONS]


def first_wrong(verdicts: list[Verdict]) -> Verdict | None:
    """The first function that is wrong. Those that are missing or did not run are no mistakes."""
    return next((v for v in verdicts if v.state == "wrong"), None)


def missing(verdicts: list[Verdict]) -> list[tuple[str, list[str]]]:
    """(part of the course, functions not in the file), of those parts of which some are."""
    parts: dict[str, list[Verdict]] = {"Part A": [], "Part B": []}
    for v in verdicts:
        parts["Part A" if v.function in part_a.CHECKS else "Part B"].append(v)
    absent = [(part, [v.function for v in of if v.state == "missing"]) for part, of in parts.items()]
    return [(part, names) for part, names in absent if names and len(names) < len(parts[part])]


def headline(verdicts: list[Verdict]) -> str:
    """How many of the functions in the file are right, in a sentence."""
    seen = [v for v in verdicts if v.state != "missing"]
    right, failed = sum(v.right for v in seen), sum(v.state == "failed" for v in seen)
    if right == len(seen):
        return "It is right." if right == 1 else f"All {right} are right." if right > 2 else "Both are right."
    said = f"{right} of {len(seen)} are right"
    return f"{said}, {failed} did not run." if failed else f"{said}."


def _verdict(name: str, told: dict | None, arrays: dict) -> Verdict:
    if told is None:
        return Verdict(name, "missing", "Not in the file yet.")
    if told.get("error"):
        return Verdict(name, "failed", f"It did not run: {str(told['error'])[:300]}")
    try:
        if name in part_b.NETWORKS:
            return part_b.network(name, told)
        trace = trace_of(name, told, arrays)
        verdict = CHECKS[name](name, trace)
        for other in trace.others:
            if verdict.right:
                break
            verdict = max(verdict, CHECKS[name](name, replace(trace, out=other)), key=_explains)
        return verdict
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as e:  # numbers that the script never writes
        raise LessonsError(BROKEN) from e


def _explains(verdict: Verdict) -> int:
    """Of several pictures returned, the one is meant that is right, or else the one whose mistake has a name."""
    return 2 if verdict.right else 1 if verdict.mistakes else 0


def card() -> kept.Card:
    """A 5 as it should be, as it came out with a bug, and the difference."""
    right, wrong = (kept.film(name, "mnist").final[3] for name in (RIGHT_FILM, "bugs-no_sqrt"))
    difference = np.abs(right.astype(int) - wrong).astype(np.uint8)
    return kept.Card("a 5 as it should be, as it came out, and the difference", [right, wrong, difference])
