"""Plots in the page's colours: lines, bars, numbers as colour; and a measurement, cached or taken live."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial

import numpy as np
import streamlit as st

from lessons_lib.files import kept as kept_files
from lessons_lib.files.figures import COLOURS, KINDS, SIZES, Bars, Curves, Grid, Heat, as_file
from lessons_lib.ui import page, save, stamp

# as figures.py has them, in Plotly's words
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
HEADS = (1, 2, 3, 4, 5, 6, 8)

_growing: ContextVar[bool] = ContextVar("growing", default=False)  # True while a plot is drawn anew with every point


def _plotly():
    """Plotly's figures, imported with the first plot. pandas comes first: Plotly looks at it if anybody began to import it, and
    one of ten sessions that opened a fresh server at once met it half imported."""
    import pandas  # noqa: F401
    import plotly.graph_objects as go

    return go


def _chart(fig, key: str) -> None:
    """Show a figure that a finger scrolls past: dragging on it would zoom instead."""
    fig.update_layout(dragmode=False)
    st.plotly_chart(fig, key=key, config={"displayModeBar": False})


def line_plot(
    lines: dict[str, tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    key: str,
    *,
    mark: float | None = None,
    mark_label: str = "",
    log_x: bool = False,
    log_y: bool = False,
    height: int = 300,
    markers: bool = False,
    level: float | None = None,
    level_label: str = "",
) -> None:
    """Named lines over one axis, with a marked place or level on it, and a button to save the figure.

    lines: {name: (xs, ys)}; x, y: axis titles.
    """
    go = _plotly()

    fig = go.Figure()
    for i, (name, (xs, ys)) in enumerate(lines.items()):
        style = {"color": COLOURS[i % len(COLOURS)], "dash": DASHES[i % len(DASHES)], "width": 2}
        mode = "lines+markers" if markers else "lines"
        fig.add_scatter(x=list(xs), y=list(ys), name=name, mode=mode, line=style, marker={"symbol": i})
    if mark is not None:
        fig.add_vline(
            mark, line_width=2, line_dash="dot", line_color="#888", annotation_text=mark_label, annotation_yanchor="bottom"
        )
    if level is not None:
        fig.add_hline(level, line_width=2, line_dash="dot", line_color="#888", annotation_text=level_label)
    fig.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28 if mark is None else 52, "b": 8},
        xaxis_title=x,
        yaxis_title=y,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02 if mark is None else 1.1, "x": 0},
        showlegend=len(lines) > 1,
        hovermode="x unified",
    )
    if log_x:
        fig.update_xaxes(type="log", dtick="D2")
    ticks = log_ticks([v for _, ys in lines.values() for v in ys]) if log_y else []
    if log_y:
        fig.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{v:g}" for v in ticks])
    _chart(fig, key)
    if not _growing.get():
        curves = Curves(lines, x, y, log_x, log_y, markers, mark, mark_label, level, level_label, ticks)
        save.note("plot", curves, alt=f"{y} over {x}: {', '.join(lines)}")
        save_figure({"": lambda: curves}, f"{key}_figure", key, stamp.stamp({}))


def log_ticks(values: Sequence[float | None]) -> list[float]:
    """Round numbers for a logarithmic axis: all of them where the values span little, powers of ten where they span much."""
    known = [v for v in values if v is not None and v > 0]
    low, high = (math.log10(f(known)) for f in (min, max)) if known else (-1, 0)
    heads = HEADS[:1] if high - low > 3 else (1, 2, 5) if high - low > 1 else HEADS
    return [head * 10.0**k for k in range(math.floor(low), math.ceil(high) + 1) for head in heads]


def save_figure(drawn: dict[str, Callable[[], Curves | Grid]], key: str, name: str, said: Callable[[], dict[str, str]]) -> None:
    """A small button that offers figures as vector files, sized for a report or a slide. They are made when asked for.

    Args: drawn: what there is to save by name, "" for a single one. name: of the file. said: what made it, of stamp.stamp(), written into it.
    """

    @st.fragment
    def offer() -> None:
        with st.popover(
            "Figure (PDF, SVG)", type="tertiary", icon=":material/download:", key=f"{key}_offer", on_change="rerun"
        ) as popover:
            if not popover.open:
                return
            which = list(drawn)[0]
            if len(drawn) > 1:
                which = st.segmented_control("figure", list(drawn), default=which, required=True, key=f"{key}_which")
            size = st.segmented_control("sized for a", list(SIZES), default="report", required=True, key=f"{key}_size")
            with st.container(horizontal=True):
                for kind, mime in KINDS.items():
                    file = "-".join(w for w in (name, which.replace(" ", "-"), size) if w)
                    st.download_button(
                        kind.upper(),
                        partial(_file, drawn[which], kind, size, said),
                        f"{file}.{kind}",
                        mime,
                        key=f"{key}_{kind}",
                        on_click="ignore",
                    )

    offer()


def _file(drawn: Callable[[], Curves | Grid], kind: str, size: str, said: Callable[[], dict[str, str]]) -> bytes:
    return as_file(drawn(), kind, size, said())


def ordinal(rank: int) -> str:
    """0 -> "1st", 1 -> "2nd", 10 -> "11th"."""
    n = rank + 1
    suffix = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


def bars(found: Sequence, seeds: Sequence[int], names: tuple[str, str], key: str) -> None:
    """Both readings of every picture side by side, best picture first; the rank stands on each bar."""
    go = _plotly()

    order = sorted(range(len(found)), key=lambda i: -found[i].score)
    fig = go.Figure()
    for which, (name, pattern) in enumerate(zip(names, ("", "/"), strict=True)):
        fig.add_bar(
            x=[f"seed {seeds[i]}" for i in order],
            y=[found[i].sure[which] for i in order],
            name=html.escape(name),  # Plotly reads HTML
            text=[ordinal(found[i].ranks[which]) for i in order],
            textposition="outside",
            cliponaxis=False,
            marker={"color": COLOURS[which], "pattern": {"shape": pattern}},
        )
    fig.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        barmode="group",
        yaxis_title="judge's probability",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.06, "x": 0},
    )
    highest = max(max(f.sure) for f in found)
    fig.update_yaxes(range=[0, min(1.0, 1.25 * highest)], tickformat=".0%")
    _chart(fig, key)
    heights = {name: [found[i].sure[which] for i in order] for which, name in enumerate(names)}
    labels = {name: [ordinal(found[i].ranks[which]) for i in order] for which, name in enumerate(names)}
    drawn = Bars([f"seed {seeds[i]}" for i in order], heights, labels, "judge's probability")
    save.note("plot", drawn, alt=f"the judge's probability of {' and of '.join(names)}")
    both = sum(f.both for f in found)
    text = f"On each bar: which reading of the judge's it is. Both prompts are among its first five in {both} of {len(found)}."
    page.caption(text)


def heatmap(z: np.ndarray, x: Sequence, y: Sequence, x_title: str, y_title: str, key: str, *, middle: float, mark=None) -> None:
    """Numbers as colour, white at `middle`. z: (len(y), len(x)). mark: a place on the x axis."""
    go = _plotly()

    fig = go.Figure(go.Heatmap(z=z, x=list(x), y=list(y), colorscale="RdBu_r", zmid=middle, colorbar={"thickness": 10}))
    if mark is not None:
        fig.add_vline(mark, line_width=2, line_dash="dot", line_color="#111")
    if any(isinstance(v, str) for v in y):
        fig.update_yaxes(type="category", dtick=1)
    fig.update_layout(height=280, margin={"l": 8, "r": 8, "t": 8, "b": 8}, xaxis_title=x_title, yaxis_title=y_title)
    _chart(fig, key)
    save.note(
        "plot", Heat(z, list(x), list(y), x_title, y_title, middle, mark), alt=f"{y_title} over {x_title}, numbers as colour"
    )


def measured(slug: str, model: str, rows_of: Callable, draw: Callable[[list[dict], str], None], *, minutes: str) -> None:
    """Show kept.measure(slug, model) through draw(rows, key), and a button that measures now.

    Args: rows_of: () -> iterator of rows, for the live run. draw: draws rows under a plot key. minutes: its time, in words.
    """
    key = f"{slug}_measure_{model}"
    with st.container(horizontal=True, vertical_alignment="center"):
        now = st.button(
            "Measure now", key=f"{key}_now", icon=":material/timeline:", help=f"{minutes}; every point is drawn as it is made"
        )
        st.button("Stop", key=f"{key}_stop", icon=":material/stop:")
    kept = kept_files.measure(slug, model)
    place = st.empty()
    if now:
        rows: list[dict] = []
        st.session_state[key] = rows  # what was measured before Stop stays to be seen
        for row in rows_of():
            rows.append(row)
            growing = _growing.set(True)
            with place.container():
                draw(rows, f"{key}_{len(rows)}")
                st.caption(f"live: {len(rows)} points so far")
            _growing.reset(growing)
    rows = list(st.session_state.get(key, ()))  # the run that was stopped may still be measuring a point
    with place.container():
        if rows:
            draw(rows, key)
            said = f"live: {len(rows)} points measured in this session"
            st.caption(said)
            save.did("measured", f"{slug.replace('_', ' ')}, {model}: {said}")
        elif kept:
            draw(kept["rows"], key)
            said = f"kept from {kept['made']}: `{kept['command']}`, {kept['seconds']:.0f} s, {kept['about']}"
            page.caption(said)
        else:
            st.caption("Not measured yet for this model: press **Measure now**.")
