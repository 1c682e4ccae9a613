"""Three questions that judge, at the end of a lesson; on a projector, a poll. All of it in the browser: no choice ends a walk."""

from __future__ import annotations

from dataclasses import asdict

from lessons_lib.questions import QUESTIONS
from lessons_lib.ui import save
from lessons_lib.ui.components import component

_QUIZ = component("quiz")


def quiz(slug: str, *, poll: bool) -> None:
    """Draw a lesson's questions, if it has some. poll: count hands in place of judging one person's choice."""
    questions = QUESTIONS.get(slug, ())
    if not questions:
        return
    for question in questions:
        options = "\n".join(f"- {option}" for option in question.options)
        save.note("text", f"**{question.text}**\n\n{options}")
    _QUIZ(key=f"{slug}_quiz", data={"slug": slug, "poll": poll, "questions": [asdict(q) for q in questions]})
