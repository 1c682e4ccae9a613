"""The whole machine as one picture: large and moving where it is explained, and one line of it on every lesson."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from lessons_lib.catalogue import PIPELINE, Lesson
from lessons_lib.files.film import Film
from lessons_lib.files.pictures import picture_of, to_data_url
from lessons_lib.ui import save
from lessons_lib.ui.components import component

_PIPELINE = component("pipeline")


def _url(picture: np.ndarray) -> str:
    return to_data_url(picture_of(picture[None], 1))


def pipeline(walk: Film, training: Film, which: int, words: str) -> None:
    """The moving picture: a kept walk from noise, and below it what training asks.

    Args: walk: with all of xt and eps. which: of its pictures. words: that picture's prompt.
    training: a frame a question: xt are the noised picture and the picture, eps the network's answer and the true noise.
    """
    names = [name.partition(" ")[2] for name in training.about["pictures"].split(", ")]
    lessons = [
        {"name": name, "mixed": _url(xt[0]), "real": _url(xt[1]), "guess": _url(eps[0]), "added": _url(eps[1])}
        for name, xt, eps in zip(names, training.xt, training.eps, strict=False)
    ]
    frames = [_url(x[which]) for x in walk.frames()]
    answers = [_url(x[which]) for x in walk.eps]
    for i in sorted({0, len(frames) // 3, len(frames) - 1}):
        said = f"{words}: {'pure noise' if i == 0 else f'after {i} steps'}"
        save.note("picture", frames[i], caption=said, alt=said, width=160)
    data = {"frames": frames, "answers": answers, "index": walk.index, "total": walk.total, "words": words, "lessons": lessons}
    with st.container(key="stage"):
        _PIPELINE(key="pipeline", data=data)


def in_one_line(lesson: Lesson) -> str:
    """The pipeline as one line of HTML, the lesson's parts lit; it says them to a screen reader. "" for a lesson of none."""
    if not lesson.parts:
        return ""
    drawn = ""
    for key, words in PIPELINE.items():
        joint = "" if not drawn else "<i>·</i>" if key == "words" else "<i>→</i>"  # what trains it, and what it then does
        lit = ' class="lit"' if key in lesson.parts else ""
        drawn += f"{joint}<span{lit}>{html.escape(words)}</span>"
    here = " and ".join(PIPELINE[key] for key in lesson.parts)
    return (
        f'<div class="pipeline-line" role="img" aria-label="The part of the machine in this lesson: {html.escape(here, quote=True)}">'
        f'<div aria-hidden="true">{drawn}</div></div>'
    )
