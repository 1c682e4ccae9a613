"""The step microscope: one step of a walk, one pixel of one channel, and the equations with their numbers put in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from lessons_lib.files.film import Film
from lessons_lib.files.pictures import picture_of, to_data_url
from lessons_lib.ui import pictures, save
from lessons_lib.ui.components import component
from lessons_lib.ui.page import equation

if TYPE_CHECKING:
    from lessons_lib.maths.schedule import Schedule

CHANNELS = ("red", "green", "blue")

_PICKER = component("pixel_picker")


@dataclass(frozen=True)
class Seen:
    """What the microscope shows in one picture. pixels: (C, H, W) float. value: at the pixel and channel in view."""

    name: str
    formula: str
    pixels: np.ndarray
    value: float


def microscope(film: Film, schedule: Schedule, key: str) -> None:
    """One step and one pixel: the network's answer in four languages, and the course's equations with their numbers put in.

    A click on a picture, or on the filmstrip that was given this key as its scope, chooses the pixel. A kept film's numbers
    are in half precision, exact to three digits.
    """
    _, channels, height, width = film.numbers[0].shape
    left, right = st.columns([1, 3], gap="medium")
    with left:
        i = _step(film, key)
        row, column = (_place(name, n, f"{key}_{name}") for name, n in (("row", height), ("column", width)))
        channel = 0
        if channels == 3:
            names = st.segmented_control(
                "channel",
                CHANNELS,
                default=CHANNELS[0],
                required=True,
                key=f"{key}_channel",
                help="the equations are of one number",
            )
            channel = CHANNELS.index(names)
    t, t_prev = film.t[i], film.t_prev[i]
    seen = four_languages(film.numbers[i], schedule.alpha_bar(t), (channel, row, column))
    of_channel = f", {CHANNELS[channel]}" if channels == 3 else ""
    where = f"row {row}, column {column}{of_channel}"
    with right:
        _pick_pixel(seen, (row, column), f"{key}_picker", key, f"first picture at t = {t:g}, {where}")
        st.caption(
            "One answer, four languages: each of score, eps, x0 and v gives the other three, so a network may be trained to answer "
            "with any of them. Click a picture to choose the pixel."
        )
    xt, x0_hat, eps, x_prev = film.numbers[i][:, channel, row, column].astype(float)
    exact = film.kept is None
    equation(clean_guess(xt, x0_hat, eps, schedule.alpha_bar(t), exact=exact))
    eta = film.eta
    if eta < 1 and film.index[i] == film.total - 1:
        eta = 0.0  # the last move adds no noise
    equation(the_move(xt, x0_hat, x_prev, schedule, t, t_prev, eta))
    st.caption(
        f"t = {t}, t' = {t_prev}, alpha_bar = {schedule.alpha_bar(t):.4f}, eta = {eta:g}, {where} of the first picture, values in [-1, 1]"
    )


def _step(film: Film, key: str) -> int:
    """A slider over the steps that the film holds, numbered as the walk numbers them. Returns the frame of the one chosen."""
    steps = [i + 1 for i in film.index]
    if len(steps) == 1:
        return 0
    if st.session_state.get(f"{key}_steps") != steps:  # another film: its middle
        st.session_state[f"{key}_steps"] = steps
        st.session_state[f"{key}_step"] = steps[len(steps) // 2]
    at = st.session_state.setdefault(f"{key}_step", steps[len(steps) // 2])  # and its own default: see controls.py
    step = st.select_slider("step", steps, at, key=f"{key}_step", format_func=lambda s: f"{s} of {film.total}")
    return steps.index(step)


def _place(name: str, n: int, key: str) -> int:
    """A slider from 0 to n - 1, in the middle at first; a click on a picture moves it too."""
    st.session_state[key] = min(st.session_state.get(key, n // 2), n - 1)
    return st.slider(name, 0, n - 1, st.session_state[key], key=key)


def four_languages(numbers: np.ndarray, a: float, at: tuple[int, int, int]) -> list[Seen]:
    """x_t and the network's answer as score, eps, x0 and v, each at one channel, row and column.

    score = -eps / sqrt(1 - a)      x0 = (x_t - sqrt(1 - a) eps) / sqrt(a)      v = sqrt(a) eps - sqrt(1 - a) x0

    Args: numbers: (4, C, H, W) of Film; a: alpha_bar at the step's t.
    Source: Song et al. 2021, arXiv:2011.13456 (score); Salimans & Ho 2022, arXiv:2202.00512, appendix D (v).
    """
    xt, _, eps, _ = numbers.astype(float)
    x0 = (xt - math.sqrt(1 - a) * eps) / math.sqrt(a)
    v = math.sqrt(a) * eps - math.sqrt(1 - a) * x0
    score = -eps / math.sqrt(1 - a)
    return [
        Seen("x_t", "what the network is shown", xt, xt[at]),
        Seen("score", "−ε / √(1−ᾱ)", score * math.sqrt(1 - a) / 3, score[at]),
        Seen("eps", "the noise it finds", eps / 3, eps[at]),
        Seen("x0", "(x_t − √(1−ᾱ) ε) / √ᾱ", x0, x0[at]),
        Seen("v", "√ᾱ ε − √(1−ᾱ) x0", v / 3, v[at]),
    ]


def _pick_pixel(seen: Sequence[Seen], pixel: tuple[int, int], key: str, scope: str, label: str) -> None:
    """Show pictures in which a click chooses the sliders' row and column."""
    height, width = seen[0].pixels.shape[1:]
    shown = []
    for s in seen:
        u8 = ((s.pixels.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
        url, alt = to_data_url(picture_of(u8)), f"{s.name} of the {label}: {s.value:.3f}"
        save.note("picture", url, caption=f"{s.name}: {s.value:.3f}", alt=alt, width=pictures.whole(100, width))
        shown.append({"url": url, "alt": alt, "name": s.name, "formula": s.formula, "value": f"{s.value:.3f}"})

    def picked() -> None:
        chosen = st.session_state[key].pixel
        if chosen:
            st.session_state[f"{scope}_row"] = min(max(int(chosen["row"]), 0), height - 1)
            st.session_state[f"{scope}_column"] = min(max(int(chosen["column"]), 0), width - 1)

    data = {"pictures": shown, "size": (height, width), "wide": pictures.whole(100, width), "pixel": pixel, "label": label}
    _PICKER(key=key, data=data, on_pixel_change=picked)


def clean_guess(xt: float, x0_hat: float, eps: float, a: float, *, exact: bool = True) -> str:
    """DDPM's eq. 15 with one pixel's numbers, and what clipping made of the result. LaTeX."""
    unclipped = (xt - math.sqrt(1 - a) * eps) / math.sqrt(a)
    rounding = 5e-4 if exact else 2e-3 / math.sqrt(a)  # half precision, divided by sqrt(alpha_bar)
    clipped = abs(unclipped - x0_hat) > rounding
    result = rf"{unclipped:.3f}\;\to\;\text{{clipped to}}\;{x0_hat:.3f}" if clipped else f"{x0_hat:.3f}"
    return (
        r"\begin{align*}\hat x_0&=\frac{x_t-\sqrt{1-\bar\alpha_t}\,\epsilon}{\sqrt{\bar\alpha_t}}"
        rf"=\frac{{{xt:.3f}-{math.sqrt(1 - a):.3f}\cdot({eps:.3f})}}{{{math.sqrt(a):.3f}}}\\&={result}\end{{align*}}"
    )


def split_move(
    xt: float, x0_hat: float, schedule: Schedule, t: int, t_prev: int, eta: float
) -> tuple[list[tuple[float, float, str]], str]:
    """The parts of a move from t to t_prev that are no fresh noise, as eta splits it, and the name of what is.

    eta = 1 is DDPM's eq. 7. Below, DDIM's eq. 12 with sigma of eq. 16, and eps taken anew from the clipped x0_hat:
    x_{t'} = sqrt(abar') x0_hat + sqrt(1 - abar' - sigma^2) eps + sigma z.

    Returns: [(weight, value, name in LaTeX), ...], name of the noise in LaTeX, "" at eta = 0 where there is none.
    """
    a, a_prev = schedule.alpha_bar(t), schedule.alpha_bar(t_prev)
    if eta == 1:
        alpha, beta = schedule.move(t, t_prev)
        towards = math.sqrt(a_prev) * beta / (1 - a), x0_hat, r"\text{towards }\hat x_0"
        return [towards, (math.sqrt(alpha) * (1 - a_prev) / (1 - a), xt, r"\text{from }x_t")], r"v_\sigma"
    sigma = eta * math.sqrt(schedule.posterior_variance(t, t_prev))
    eps = (xt - math.sqrt(a) * x0_hat) / math.sqrt(1 - a)
    towards = math.sqrt(a_prev), x0_hat, r"\sqrt{\bar\alpha'}\,\hat x_0"
    root = r"\sqrt{1-\bar\alpha'-\sigma^2}\,\epsilon" if eta else r"\sqrt{1-\bar\alpha'}\,\epsilon"
    return [towards, (math.sqrt(max(1 - a_prev - sigma**2, 0.0)), eps, root)], r"\sigma z" if eta else ""


def the_move(xt: float, x0_hat: float, x_prev: float, schedule: Schedule, t: int, t_prev: int, eta: float) -> str:
    """One move with one pixel's numbers: split_move() as LaTeX."""
    terms, noise = split_move(xt, x0_hat, schedule, t, t_prev, eta)
    sum_of = "+".join(rf"\underbrace{{{weight:.3f}\cdot({value:.3f})}}_{{{name}}}" for weight, value, name in terms)
    if not noise:
        return rf"\begin{{align*}}x_{{t'}}&={sum_of}\\&={x_prev:.3f}\end{{align*}}"
    mean = sum(weight * value for weight, value, _ in terms)
    return rf"\begin{{align*}}x_{{t'}}&={sum_of}+{noise}\\&={mean:.3f}+({x_prev - mean:.3f})={x_prev:.3f}\end{{align*}}"
