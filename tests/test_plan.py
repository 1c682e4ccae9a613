"""What a lecturer takes along: the plan, the notes of a lesson, and its worksheet."""

import io

import numpy as np
import pytest
from PIL import Image

from lessons_lib.catalogue import lesson, written
from lessons_lib.files.worksheet import worksheet
from lessons_lib.places import ROOT
from lessons_lib.plan import notes, plan
from lessons_lib.questions import QUESTIONS
from tests.pages import opened


def test_the_plan_in_docs_is_the_one_of_today():
    assert (ROOT / "docs" / "lesson_plan.md").read_text(encoding="utf-8") == plan(), "run python docs/plan.py"


def test_the_plan_has_every_lesson_in_order_with_its_minutes_and_what_is_right():
    said = plan()
    at = [said.index(f"### {x.title} ({x.minutes} minutes)") for x in written()]
    assert at == sorted(at)
    assert all(f"**{q.right}**" in notes(lesson(slug)) for slug, three in QUESTIONS.items() for q in three)


def test_notes_are_shown_when_asked_for_and_never_on_a_projector():
    mark = "Notes for the lecturer"
    assert any(mark in e.label for e in opened("forward", notes="1").expander)
    assert not any(mark in e.label for e in opened("forward").expander)
    assert not any(mark in e.label for e in opened("forward", notes="1", present="1").expander)


def png(n: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), n, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("how_many", [0, 1, 3, 20])
def test_a_worksheet_is_one_page_whatever_the_lesson_shows(how_many):
    pictures = [(png(20 * i % 255), f"picture {i}, costs $5 or x_t^2") for i in range(how_many)]
    pdf = worksheet("A lesson", "http://localhost:8501/x?t=5", pictures, QUESTIONS["forward"])
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page ") == 1
    assert pdf.count(b"/Subtype /Image") >= min(how_many, 1)


def test_the_same_lesson_gives_the_same_worksheet():
    how = ("A lesson", "http://x", [(png(5), "one")], QUESTIONS["forward"])
    assert worksheet(*how) == worksheet(*how)
