"""The picture that moves on the contents page: a kept walk from noise to pictures and back, drawn by the browser."""

from __future__ import annotations

import streamlit as st

from lessons_lib.film import Film
from lessons_lib.ui.filmstrip import encoded

_HERO = st.components.v2.component(
    "hero",
    html='<div class="hero"><img alt=""><button type="button" aria-label="pause">Pause</button></div>',
    css="""
.hero { position: relative; width: 100%; }
img { width: 100%; display: block; image-rendering: pixelated; border-radius: var(--st-base-radius); background: #fff; }
button { position: absolute; right: .6rem; bottom: .6rem; font: 500 .8rem var(--st-font); padding: .2rem .6rem; cursor: pointer;
  color: #1d2030; background: rgba(255, 255, 255, .85); border: 1px solid #8888; border-radius: var(--st-button-radius); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
""",
    js="""
const timers = new WeakMap();
export default function ({ data, parentElement }) {
  const img = parentElement.querySelector("img"), button = parentElement.querySelector("button");
  const n = data.frames.length, rest = 14;
  let at = n - 1, still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  img.alt = data.alt; img.width = data.width; img.height = data.height; img.style.height = "auto";
  const show = () => { img.src = "data:image/png;base64," + data.frames[Math.min(at, n - 1)]; };
  const label = () => {
    button.textContent = still ? "Play" : "Pause"; button.setAttribute("aria-label", still ? "play" : "pause");
  };
  clearInterval(timers.get(parentElement));
  const timer = setInterval(() => { if (!still) { at = (at + 1) % (n + rest); show(); } }, 160);
  timers.set(parentElement, timer);
  button.onclick = () => { still = !still; if (still) at = n - 1; label(); show(); };
  label(); show();
  return () => clearInterval(timers.get(parentElement));
}
""",
)


def hero(film: Film, *, columns: int, channel: str = "xt") -> None:
    """Play a film's frames in a loop, resting on the finished pictures. Still for those who asked for less motion."""
    frames = [encoded(f, columns) for f in [*getattr(film, channel), film.final]]
    b, _, h, w = film.final.shape
    rows = -(-b // columns)
    alt = f"{b} pictures emerging from noise: {film.about.get('prompt', '')}"
    data = {"frames": frames, "alt": alt, "width": columns * (w + 1) - 1, "height": rows * (h + 1) - 1}
    _HERO(key="hero", data=data)
