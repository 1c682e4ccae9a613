"""The plane: its stage is one component that draws, plays and listens by itself; below it stand the measures."""

from __future__ import annotations

import streamlit as st

from lessons_lib.lessons.plane_views import CLAIMS, DEFAULTS, OPTIONS, OWN_DOTS, read, text
from lessons_lib.maths.mixtures import PRESETS
from lessons_lib.ui import controls, page, plots, save, view
from lessons_lib.ui.components import component
from lessons_lib.ui.pictures import card

SLUG = "plane"
_PLANE = component("plane")


def stage() -> None:
    """The stage of the lesson: the picture, its controls and its claims.

    Between two links the browser is ahead: what is set there comes here a moment later, for the address bar and for coming
    back. So a view that the browser sent (`mine`) changes nothing in it; any other does.
    """
    now = {name: controls.of_component(SLUG, name, DEFAULTS[name], *_texts(name)) for name in DEFAULTS if name != "dots"}
    if now["data"] == OWN_DOTS:
        now["dots"] = controls.of_component(SLUG, "dots", DEFAULTS["dots"], *_texts("dots"))
    data = {
        "view": DEFAULTS | now,
        "mine": st.session_state.get(f"{SLUG}_sent") == now,
        "linked": view.view().linked,
        "defaults": DEFAULTS,
        "options": OPTIONS,
        "presets": {name: mixture.as_lists() for name, mixture in PRESETS.items()},
        "claims": [{"question": c.question, "answer": c.answer, "view": dict(c.view)} for c in CLAIMS],
        "lock": view.locks(),
    }
    with st.container(key="stage"):
        _PLANE(key=SLUG, data=data, on_view_change=_moved)
    picture = card(SLUG)
    if picture is not None:
        save.note("picture", picture[0], caption="200 dots at t = 999, nearly clean, and clean", alt=picture[1])
    save.note("text", "\n".join(f"- {c.question} {c.answer}" for c in CLAIMS))


def _texts(name: str) -> tuple:
    """How a setting is read from a link, and how it is written into one."""
    return lambda said: read(name, said), lambda value: text(name, value)


def _moved() -> None:
    """The browser tells what was set there."""
    sent = {name: read(name, text(name, value)) for name, value in (st.session_state[SLUG].view or {}).items()}
    for name, value in sent.items():
        controls.take(SLUG, name, value)
    st.session_state[f"{SLUG}_sent"] = sent
    view.touch()


def who_decides() -> None:
    """The measure behind the claims about noise: over eta, which of the two noises decides where a dot lands."""
    rows = _who_decides()
    etas = [row["eta"] for row in rows]
    lines = {
        "other first noise": (etas, [100 * row["first"] for row in rows]),
        "other noise on the way": (etas, [100 * row["fresh"] for row in rows]),
    }
    plots.line_plot(
        lines, "eta", "% of dots that land in another blob", "plane_noise", markers=True, level=75, level_label="chance"
    )
    st.caption(
        "400 dots, four blobs, 50 steps, computed on this machine: each dot walks again with one of its two noises drawn anew. "
        "Three of four blobs are others, so 75% means that this noise decides everything."
    )


def bends() -> None:
    """The measure behind the claims about paths."""
    rows = _bends()
    names = list(dict.fromkeys(row["walk"] for row in rows))
    table = {name: {row["data"]: f"{100 * abs(row['bend']):.0f}%" for row in rows if row["walk"] == name} for name in names}
    st.table(table)
    st.caption(
        "How much longer the paths of 400 dots are than straight lines between their ends, 50 steps, computed on this machine. The "
        "path to one data point is straight by construction; what a network learns is the mean of all paths through a place, and that "
        "bends. DDIM's paths bend less here, in coordinates of its own: its x_t keeps about the same size all the way, while x_t of "
        "flow matching first shrinks towards the middle."
    )


def overshoots() -> None:
    """The measure behind the claims about guidance."""
    rows = _overshoots()
    scales = [row["guidance_scale"] for row in rows]
    names = {"everywhere": "at all noise levels", "interval": "at noise 20 to 60% only", "fresh": "at all, with eta 1"}
    lines = {name: (scales, [row[key] for row in rows]) for key, name in names.items()}
    plots.line_plot(lines, "guidance_scale", "standard deviations past the middle of A", "plane_guidance", markers=True)
    st.caption(
        "Two blobs, 400 dots asked to walk to A, eta 0 unless said, computed on this machine. At scale 1 they land as A does: the "
        "answers are exact here, so guidance has nothing to mend and only pushes away from B. Real networks are not exact, which is "
        "why guidance helps them, up to a point. Less is pushed where guidance acts at some noise levels only "
        "(Kynkäänniemi et al. 2024), or where fresh noise lets the dots find back."
    )


def formulas() -> None:
    """What the dots follow, as on every page with a network; and the code. Not where solutions are hidden."""
    page.equation(r"p_t(x)=\sum_k w_k\,\mathcal N\!\left(x;\,a\,m_k,\,(a^2c_k^2+s^2)\,I\right)\qquad x_t=a\,x_0+s\,\epsilon")
    page.equation(
        r"\hat x_0=\mathbb E[x_0\mid x_t]=\sum_k r_k\left(m_k+\frac{a\,c_k^2}{a^2c_k^2+s^2}\,(x_t-a\,m_k)\right)\qquad "
        r"r_k=\frac{w_k\,\mathcal N_k(x_t)}{p_t(x_t)}"
    )
    page.equation(
        r"\hat\epsilon=\frac{x_t-a\hat x_0}{s}\qquad \nabla\log p_t=-\frac{\hat\epsilon}{s}\qquad "
        r"v=a\hat\epsilon-s\hat x_0\qquad u=\hat x_0-\hat\epsilon"
    )
    st.caption(
        "m_k, c_k, w_k: mean, standard deviation and weight of each Gaussian of the data; r_k: how likely x_t comes from it. Diffusion "
        "has a = sqrt(alpha_bar), s = sqrt(1 - alpha_bar), flow matching a = t, s = 1 - t. The four answers of the last line say the "
        "same: the arrows on the picture show each (Ho et al. 2020; Song et al. 2021; Salimans & Ho 2022; Lipman et al. 2022)."
    )
    from lessons_lib.lessons import plane as lesson
    from lessons_lib.maths import flow, samplers

    page.show_source(lesson.exact, lesson.walk, samplers.move, flow.euler)


@st.cache_data(show_spinner="400 dots walk 21 times ...")
def _who_decides() -> list[dict]:
    from lessons_lib.lessons import plane as lesson

    return lesson.who_decides((0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0))


@st.cache_data(show_spinner="400 dots walk 15 times ...")
def _bends() -> list[dict]:
    from lessons_lib.lessons import plane as lesson

    return lesson.bends()


@st.cache_data(show_spinner="400 dots walk 18 times ...")
def _overshoots() -> list[dict]:
    from lessons_lib.lessons import plane as lesson

    return lesson.overshoots((1.0, 2.0, 3.0, 5.0, 7.0, 10.0))
