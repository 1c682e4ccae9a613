"""Pictures with their provenance, downloads, the step microscope, and plots in the page's colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from lessons_lib.film import Film
from lessons_lib.pictures import enlarge, tiled, to_data_url, to_gif, to_png
from lessons_lib.ui import save
from lessons_lib.ui.page import equation
from lessons_lib.ui.typed import as_typed, quoted


def describe(about: dict) -> str:
    """What made a picture, as plain text for alt texts and files: "prompt 3 · seed 180 · 30 steps"."""
    return " · ".join(f"{k} {v}" for k, v in about.items() if v not in ("", None))


def provenance(film: Film) -> str:
    """One line of markdown: live or kept, by what, how long."""
    stopped = f"stopped after {len(film)} of {film.total} steps"
    when = f"kept from an earlier run ({film.kept})" if film.kept else "live" if film.finished else stopped
    made = " · ".join(f"{k} {as_typed(str(v))}" for k, v in film.about.items() if v not in ("", None))
    return f"**{when}** · {made} · {film.seconds:.1f} s"


def picture(pixels: np.ndarray, alt: str, caption: str | None = None, *, wide: int = 256) -> None:
    """Show (H, W, 3) or (H, W) uint8 with every pixel a sharp square, at least `wide` pixels wide. caption: plain text."""
    url = to_data_url(enlarge(Image.fromarray(pixels), wide))
    save.note("picture", url, caption=caption or "", alt=alt, width=wide)
    st.image(url, caption=as_typed(caption) if caption else None, alt=alt)


def pictures_in_a_row(
    batch: np.ndarray, captions: Sequence[str], alt: str, *, wide: int = 180, places: list | None = None, streaming: bool = False
) -> list:
    """(B, C, H, W) uint8 side by side, at most `wide` pixels each, wrapping on a phone, each with its own caption and alt text.

    captions: plain text, shown as it is. Returns the pictures' places. Given again, they take the next pictures without a moment's emptiness, so nothing moves.
    streaming: more are to come; only the last ones belong to the lesson as it is saved.
    """
    wide = whole(wide, batch.shape[-1])
    with st.container(horizontal=True, gap="small") if places is None else nullcontext():
        filled = []
        for place, pixels, caption in zip(places or [st] * len(batch), batch, captions, strict=True):
            url = to_data_url(enlarge(Image.fromarray(tiled(pixels[None], 1)), wide))
            said = caption.rstrip(": \u00a0")  # without the line that is kept free
            filled.append(place.image(url, caption=in_lines(caption), alt=f"{alt}, {said}", width=wide))
            if not streaming:
                save.note("picture", url, caption=caption, alt=f"{alt}, {caption}", width=wide)
    return filled


def whole(wide: int, pixels: int) -> int:
    """`wide`, or a little less: a whole number of screen pixels for each of the picture's."""
    return pixels * max(1, wide // pixels)


def in_lines(caption: str) -> str:
    """A plain caption as markdown that breaks where its parts end, and not wherever the picture's width wants it."""
    name, colon, read = caption.rpartition(": ")
    lines = caption.split(" · ") if " · " in caption else [name + ":", read] if colon else [caption]
    return "  \n".join(map(as_typed, lines))


def readings(model, x) -> list[str]:
    """What the model's judge reads in each picture (B, C, H, W): ": dog 83%", or nothing where there is no judge."""
    return judge_readings(model.judge, x) if model.judge is not None else [""] * len(x)


def judge_readings(judge, x) -> list[str]:
    """ ": dog 83%" for each picture (B, C, H, W): the judge's first reading and how sure it is."""
    p, best = judge.read(x).max(1)
    return [f": {judge.classes[i]} {v:.0%}" for v, i in zip(p.tolist(), best.tolist(), strict=True)]


def unknown_words_hint(model, prompt: str) -> None:
    """Name the words of a prompt that the small model was never taught, and the nearest it knows."""
    if model.judge_name != "emoji":
        return
    from lessons_lib.models.text_to_image import unknown_words

    for word, near in unknown_words(prompt):
        meant = f" Did you mean {', '.join(f'**{n}**' for n in near)}?" if near else ""
        st.caption(f":orange[The small model was never taught] {quoted(word)}.{meant}")


def downloads(film: Film, name: str, *, columns: int = 8) -> None:
    """The last picture as PNG with its provenance inside, and the walk as GIF. Made only when asked for."""
    if film.final is None:
        return

    def png() -> bytes:
        return to_png(
            enlarge(Image.fromarray(tiled(film.final, columns)), 512), {"Software": "Diffusion, Step by Step", **film.about}
        )

    def gif() -> bytes:
        frames = [*film.xt, film.final]
        return to_gif([enlarge(Image.fromarray(tiled(f, columns)), 256) for f in frames])

    with st.container(horizontal=True):
        icon = ":material/download:"
        st.download_button("Picture (PNG)", png, f"{name}.png", "image/png", key=f"{name}_png", on_click="ignore", icon=icon)
        st.download_button("Walk (GIF)", gif, f"{name}.gif", "image/gif", key=f"{name}_gif", on_click="ignore", icon=icon)


def microscope(film: Film, schedule, key: str) -> None:
    """One step and one pixel: the three pictures, and the course's equations with their numbers put in.

    A kept film's numbers are in half precision, exact to three digits.
    """
    _, channels, height, width = film.numbers[0].shape
    left, right = st.columns([1, 2], gap="medium")
    with left:
        step = 1
        if len(film) > 1:
            step = st.slider("step", 1, len(film), min(len(film) // 2 + 1, len(film)), key=f"{key}_step")
        row = st.slider("row", 0, height - 1, height // 2, key=f"{key}_row")
        column = st.slider("column", 0, width - 1, width // 2, key=f"{key}_column")
    i = step - 1
    t, t_prev = film.t[i], film.t_prev[i]
    xt, x0_hat, eps, x_prev = film.numbers[i][:, :, row, column].mean(1).astype(float)
    a, a_prev = schedule.alpha_bar(t), schedule.alpha_bar(t_prev)
    alpha, beta = schedule.move(t, t_prev)
    c0, ct = math.sqrt(a_prev) * beta / (1 - a), math.sqrt(alpha) * (1 - a_prev) / (1 - a)
    with right, st.container(horizontal=True, gap="small"):
        for name, frames in (("xt", film.xt), ("x0_hat", film.x0_hat), ("eps", film.eps)):
            marked = _marked(tiled(frames[i][:1], 1), row, column)
            st.image(
                to_data_url(marked), caption=name, width=150, alt=f"{name} at t = {t}, pixel row {row}, column {column} marked"
            )
    unclipped = (xt - math.sqrt(1 - a) * eps) / math.sqrt(a)
    mean = c0 * x0_hat + ct * xt
    rounding = 5e-4 if film.kept is None else 2e-3 / math.sqrt(a)  # half precision, divided by sqrt(alpha_bar)
    clipped = abs(unclipped - x0_hat) > rounding
    clip = rf"{unclipped:.3f}\;\to\;\text{{clipped to}}\;{x0_hat:.3f}" if clipped else f"{x0_hat:.3f}"
    equation(
        r"\begin{align*}\hat x_0&=\frac{x_t-\sqrt{1-\bar\alpha_t}\,\epsilon}{\sqrt{\bar\alpha_t}}"
        rf"=\frac{{{xt:.3f}-{math.sqrt(1 - a):.3f}\cdot({eps:.3f})}}{{{math.sqrt(a):.3f}}}\\&={clip}\end{{align*}}"
    )
    equation(
        rf"\begin{{align*}}x_{{t'}}&=\underbrace{{{c0:.3f}\cdot({x0_hat:.3f})}}_{{\text{{towards }}\hat x_0}}+"
        rf"\underbrace{{{ct:.3f}\cdot({xt:.3f})}}_{{\text{{from }}x_t}}+v_\sigma\\"
        rf"&={mean:.3f}+({x_prev - mean:.3f})={x_prev:.3f}\end{{align*}}"
    )
    channel = "the mean of its three channels" if channels == 3 else "one pixel"
    st.caption(f"t = {t}, t' = {t_prev}, alpha_bar = {a:.4f}, row {row}, column {column} ({channel}) of the first picture")


def _marked(pixels: np.ndarray, row: int, column: int) -> Image.Image:
    big = enlarge(Image.fromarray(pixels), 300)
    k = big.width // pixels.shape[1]
    draw = ImageDraw.Draw(big)
    box = (column * k - 2, row * k - 2, (column + 1) * k + 1, (row + 1) * k + 1)
    draw.rectangle(box, outline="black", width=4)
    draw.rectangle((box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1), outline="#ff3b81", width=2)
    return big


# Okabe and Ito's colours, told apart by colour-blind eyes; lines also differ in dash
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def line_plot(
    lines: dict[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str, key: str,
    *, mark: float | None = None, mark_label: str = "", log_x: bool = False, log_y: bool = False, height: int = 300,
    markers: bool = False, level: float | None = None, level_label: str = "",
) -> None:  # fmt: skip
    """Named lines over one axis, with a marked place or level on it. lines: {name: (xs, ys)}; x, y: axis titles."""
    import plotly.graph_objects as go

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
        height=height, margin={"l": 8, "r": 8, "t": 28 if mark is None else 52, "b": 8}, xaxis_title=x, yaxis_title=y,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02 if mark is None else 1.1, "x": 0}, showlegend=len(lines) > 1, hovermode="x unified",
    )  # fmt: skip
    if log_x:
        fig.update_xaxes(type="log", dtick="D2")
    if log_y:
        values = [y for _, ys in lines.values() for y in ys if y is not None and y > 0]
        low, high = (math.log10(f(values)) for f in (min, max)) if values else (-1, 0)
        heads = (1,) if high - low > 3 else (1, 2, 5) if high - low > 1 else (1, 2, 3, 4, 5, 6, 8)
        ticks = [head * 10.0**k for k in range(math.floor(low), math.ceil(high) + 1) for head in heads]
        fig.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{v:g}" for v in ticks])
    st.plotly_chart(fig, key=key, config={"displayModeBar": False})
