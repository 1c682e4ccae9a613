"""The stage: on one screen the idea, what can be set, and the picture that it changes; all else in tabs below.

How to move a page onto it, in ten lines:
1. `stage.begin()` is the first call inside `with page.lesson_page(...)`; it brings the style sheet.
2. `with stage.idea("two lines"):` and in it `page.question(...)`: the question opens beside the idea.
3. `with meanwhile(...)` stays as it is, with the late imports.
4. `settings, picture = stage.columns()`; what can be set goes `with settings:`, what is seen `with picture:`.
5. In the settings: `with stage.live():` what the picture follows at once, `with stage.needs_run():` what waits for Run, and
   `with stage.more():` what is seldom moved (seed, kernel size); the most telling control comes first.
6. In the picture: `play(...)` or a row of pictures, then `filmstrip(..., row=ROW)`, which scrubs the row's own pictures.
7. `tabs = stage.below(slug, "Things to try", film and "One pixel", ...)`: a name that is false is left out.
8. `with tabs["One pixel"]:` and the section's body as it was, without `page.section`, whose heading the tab is.
9. "Things to try" is the first tab, but drawn last, when all controls are known; the code that ran is the last; `walks={"five": "Five pictures"}` opens the tab that a link runs.
10. Look at it at 1280 x 800 and 390 x 844, and run `python benchmarks/stage.py PAGE`.

A tab's body runs whether it is open or not: its controls stay in the link, the saved lesson holds it, and a click on a tab ends no
walk. The picture is drawn before any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from lessons_lib.ui import page, save, view


def begin() -> None:
    """The page stands on the stage."""
    page.style("stage")


@contextmanager
def idea(text: str) -> Iterator[None]:
    """Two lines of idea; what is drawn inside, the question, opens beside them."""
    with st.container(key="stage_idea"):
        words, asks = st.columns([5, 1], gap="small", vertical_alignment="top")
        with words:
            page.idea(text)
    if page.presenting():
        yield
        return
    with asks, st.popover("Before you look", width="stretch"):
        yield


def columns(wide: bool = False, narrow: bool = False):
    """(settings, picture), two places. wide: the settings hold something to draw on. narrow: the picture is a long row."""
    shares = [4, 5] if wide else [5, 18] if narrow else [5, 13]
    settings, picture = st.columns(shares, gap="small" if narrow else "medium")
    return settings.container(key="stage_settings", gap="xsmall"), picture.container(key="stage_picture", gap="xsmall")


@contextmanager
def live(said: str = "live: the picture follows") -> Iterator[None]:
    """Controls that the picture follows at once."""
    with _group("live", f":material/bolt: {said}"):
        yield


@contextmanager
def needs_run(said: str = "needs Run: nothing changes before") -> Iterator[None]:
    """Controls whose change is seen after Run; they look hollow."""
    with _group("needs_run", f":material/play_arrow: {said}"):
        yield


@contextmanager
def _group(kind: str, said: str) -> Iterator[None]:
    n = st.session_state.setdefault("_stage_groups", {})
    if n.get("run") != view.view().runs:
        n.clear()
        n["run"] = view.view().runs
    n[kind] = n.get(kind, 0) + 1
    with st.container(key=f"stage_{kind}_{n[kind]}", gap="xsmall"):
        st.caption(said)
        yield


@contextmanager
def more(label: str = "more settings") -> Iterator[None]:
    """Controls that are seldom moved, behind a button."""
    with st.popover(label, icon=":material/tune:", type="tertiary"):
        yield


UNSAVED = ("Things to try", "Save")  # tabs that hold nothing of what a saved lesson shows


class Tabs(dict):
    """The tabs by name. In the saved lesson a name is a heading. What belongs to a tab that is left out is not to be seen."""

    def __missing__(self, name: str):
        if name not in _left_out():
            raise KeyError(name)
        return self.setdefault(name, st.container(key=f"stage_left_out_{len(self)}"))

    def __getitem__(self, name: str):
        if name not in UNSAVED and name not in _left_out():
            save.note("heading", name)
        return super().__getitem__(name)


def _left_out() -> tuple[str, ...]:
    """Tabs that would be empty: on a projector nothing is tried by a link, and code is shown only where solutions are."""
    code = () if page.solutions() and not page.presenting() else ("Code",)
    return ("Things to try", *code) if page.presenting() else code


def below(slug: str, *names: str | None | bool | object, walks: dict[str, str] | None = None) -> Tabs:
    """The tabs below the stage. Names that are no text, such as None for "no film yet", are left out, and so are tabs with nothing in them.

    walks: name of a walk -> the tab it is in, so that a link which runs it opens the tab, and it stays open.
    """
    shown = [n for n in names if isinstance(n, str) and n and n not in _left_out()]
    key = f"_stage_tab_{slug}"
    wanted = (walks or {}).get(view.view().go)
    if wanted in shown:
        st.session_state[key] = wanted
    default = st.session_state.get(key)
    with st.container(key="stage_below"):
        return Tabs(zip(shown, st.tabs(shown, default=default if default in shown else None), strict=True))
