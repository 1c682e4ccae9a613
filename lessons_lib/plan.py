"""The plan of a course with these lessons, as markdown: minutes, order, what to ask and what is right. Without torch."""

from __future__ import annotations

from lessons_lib.catalogue import PARTS, Lesson, lesson, written
from lessons_lib.questions import QUESTIONS


def plan() -> str:
    """All lessons in order, one after the other."""
    lessons = written()
    hours, minutes = divmod(sum(x.minutes for x in lessons), 60)
    parts = [
        "# Lesson plan",
        f"{len(lessons)} lessons, {hours} hours {minutes} minutes of a learner's time. Each can be opened on a projector with **Present**; "
        "there its three questions are a poll of hands. What is right stands in bold.",
    ]
    for part, title in PARTS.items():
        mine = [x for x in lessons if x.part == part]
        parts.append(f"## {title} ({sum(x.minutes for x in mine)} minutes)")
        parts += [f"### {x.title} ({x.minutes} minutes)\n\n{notes(x)}" for x in mine]
    return "\n\n".join(parts) + "\n"


def notes(this: Lesson) -> str:
    """What a lecturer wants to know of one lesson."""
    said = [this.summary]
    if this.needs:
        said.append(f"It builds on {' and '.join(lesson(slug).title for slug in this.needs)}.")
    said = [" ".join(said)]
    if this.seen:
        said.append(f"At its end they should have seen: {this.seen}")
    asked = QUESTIONS.get(this.slug, ())
    if asked:
        lines = [
            f"{i}. {q.text} {', '.join(f'**{o}**' if o == q.right else o for o in q.options)}. {q.why}"
            for i, q in enumerate(asked, 1)
        ]
        said.append("Ask:\n\n" + "\n".join(lines))
    return "\n\n".join(said)
