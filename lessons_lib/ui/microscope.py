"""The step microscope: one step of a walk, one pixel, and the course's equations with their numbers put in."""

from __future__ import annotations

import math

import streamlit as st
from PIL import Image, ImageDraw

from lessons_lib.film import Film
from lessons_lib.pictures import enlarge, picture_of, to_data_url
from lessons_lib.ui.page import equation


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
            marked = _marked(picture_of(frames[i][0]), row, column)
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


def _marked(picture: Image.Image, row: int, column: int) -> Image.Image:
    big = enlarge(picture.convert("RGB"), 300)
    k = big.width // picture.width
    draw = ImageDraw.Draw(big)
    box = (column * k - 2, row * k - 2, (column + 1) * k + 1, (row + 1) * k + 1)
    draw.rectangle(box, outline="black", width=4)
    draw.rectangle((box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1), outline="#ff3b81", width=2)
    return big
