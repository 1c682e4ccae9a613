"""The filmstrip: all frames of a walk in the browser, scrubbed by mouse or keyboard without asking the server."""

from __future__ import annotations

import base64

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib.film import CHANNELS, Film
from lessons_lib.pictures import tiled, to_png
from lessons_lib.ui import save

LABELS = {"xt": "x_t, the noisy image", "x0_hat": "x0_hat, the clean guess", "eps": "eps, the noise estimate"}

_STRIP = st.components.v2.component(
    "filmstrip",
    html="""
<div class="film" tabindex="0" role="group" aria-label="Filmstrip. Left and right arrows step, space plays.">
  <div class="tabs" role="tablist"></div>
  <figure><img class="frame" alt=""><figcaption></figcaption></figure>
  <div class="bar">
    <button type="button" class="back" aria-label="one step back">&#9664;</button>
    <button type="button" class="play" aria-label="play">Play</button>
    <button type="button" class="forward" aria-label="one step forward">&#9654;</button>
    <input type="range" min="0" value="0" aria-label="step of the walk">
  </div>
  <div class="thumbs"></div>
</div>
""",
    css="""
.film { color: var(--st-text-color); font-family: var(--st-font); outline: none; border-radius: var(--st-base-radius); }
.film:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 6px; }
.tabs { display: flex; flex-wrap: wrap; gap: .35rem; margin-bottom: .6rem; }
.tabs[hidden] { display: none; }
.tabs button, .bar button { font: inherit; font-size: .85rem; border: 1px solid var(--st-border-color); background: transparent;
  color: var(--st-text-color); border-radius: var(--st-button-radius); padding: .25rem .7rem; cursor: pointer; min-height: 2rem; }
.tabs button[aria-selected=true] { border-color: var(--st-primary-color); color: var(--st-primary-color); font-weight: 600; }
figure { margin: 0; }
img { image-rendering: pixelated; display: block; }
.frame { width: min(100%, var(--wide)); height: auto; background: #fff; border-radius: 4px;
  border: 1px solid var(--st-border-color); }
figcaption { font-size: .85rem; margin: .35rem 0 .5rem; font-variant-numeric: tabular-nums; min-height: 1.3em; }
.bar { display: flex; gap: .4rem; align-items: center; max-width: 46rem; }
.bar input { flex: 1; min-width: 4rem; accent-color: var(--st-primary-color); height: 2rem; }
.play { min-width: 4.2rem; }
.thumbs { position: relative; display: flex; gap: 4px; overflow-x: auto; padding: .6rem 0 .3rem; }
.thumbs img { height: 46px; width: auto; cursor: pointer; border: 2px solid transparent;
  border-radius: 3px; background: #fff; flex: none; }
.thumbs img.on { border-color: var(--st-primary-color); }
""",
    js="""
const films = new WeakMap();
export default function ({ data, parentElement }) {
  const $ = (s) => parentElement.querySelector(s);
  const old = films.get(parentElement);
  if (old && old.id === data.id) return old.stop;
  if (old) old.stop();
  const film = { id: data.id, at: data.start, tab: data.tab, timer: null };
  film.stop = () => { clearInterval(film.timer); film.timer = null; };
  films.set(parentElement, film);
  const names = Object.keys(data.frames), n = data.frames[names[0]].length;
  const img = $(".frame"), range = $("input"), thumbs = $(".thumbs"), tabs = $(".tabs"), play = $(".play");
  img.style.setProperty("--wide", data.wide + "px");
  img.width = data.width; img.height = data.height;
  range.max = n - 1;
  const url = (s) => "data:image/png;base64," + s;
  const show = () => {
    img.src = url(data.frames[film.tab][film.at]);
    img.alt = data.alt + ", " + data.labels[film.tab] + ", step " + (film.at + 1) + " of " + n + ", t = " + data.t[film.at];
    $("figcaption").textContent = "step " + (film.at + 1) + " of " + n + " \\u00b7 t = " + data.t[film.at];
    range.value = film.at;
    [...thumbs.children].forEach((e, i) => {
      e.className = i === film.at ? "on" : "";
      if (i === film.at) thumbs.scrollLeft = e.offsetLeft - thumbs.clientWidth / 2;
    });
    [...tabs.children].forEach((e) => e.setAttribute("aria-selected", e.dataset.tab === film.tab));
  };
  const fill = () => {
    thumbs.replaceChildren(...data.frames[film.tab].map((s, i) => {
      const e = document.createElement("img");
      e.src = url(s); e.alt = ""; e.style.width = (46 * data.width) / data.height + "px"; e.title = "t = " + data.t[i];
      e.onclick = () => { pause(); film.at = i; show(); };
      return e;
    }));
  };
  tabs.replaceChildren(...names.map((name) => {
    const b = document.createElement("button");
    b.type = "button"; b.role = "tab"; b.dataset.tab = name; b.textContent = data.labels[name];
    b.onclick = () => { film.tab = name; fill(); show(); };
    return b;
  }));
  tabs.hidden = names.length < 2;
  const pause = () => { film.stop(); play.textContent = "Play"; play.setAttribute("aria-label", "play"); };
  const go = (d) => { pause(); film.at = Math.min(Math.max(film.at + d, 0), n - 1); show(); };
  const toggle = () => {
    if (film.timer) return pause();
    if (film.at === n - 1) film.at = 0;
    play.textContent = "Pause"; play.setAttribute("aria-label", "pause");
    film.timer = setInterval(() => {
      if (!parentElement.isConnected && !parentElement.host) return film.stop();
      if (film.at === n - 1) return pause();
      film.at += 1; show();
    }, Math.max(60, 3000 / n));
  };
  $(".back").onclick = () => go(-1);
  $(".forward").onclick = () => go(1);
  play.onclick = toggle;
  range.oninput = () => { pause(); film.at = Number(range.value); show(); };
  $(".film").onkeydown = (e) => {
    const keys = { ArrowLeft: () => go(-1), ArrowRight: () => go(1), Home: () => go(-n), End: () => go(n), " ": toggle };
    if (e.key === " " && e.target.tagName === "BUTTON") return;
    if (keys[e.key]) { e.preventDefault(); keys[e.key](); }
  };
  pause(); fill(); show();
  return film.stop;
}
""",
)


def encoded(frame: np.ndarray, columns: int) -> str:
    """(B, C, H, W) uint8 as one PNG in base64, at its true size: the browser enlarges it without smoothing."""
    return base64.b64encode(to_png(Image.fromarray(tiled(frame, columns)))).decode()


def filmstrip(
    film: Film, key: str, *, columns: int = 8, channels=CHANNELS, tab: str = "xt", alt: str = "", wide: int | None = None,
    labels: dict[str, str] = LABELS,
) -> None:  # fmt: skip
    """Show a film to scrub through.

    Args: columns: pictures in a row of each frame. channels: which of xt, x0_hat, eps can be switched between.
    alt: what the pictures are. wide: largest width in CSS pixels. labels: what each channel is called.
    """
    if not len(film):
        return
    height, width, _ = tiled(film.xt[0], columns).shape
    for i in np.unique(np.linspace(0, len(film) - 1, 6).round().astype(int)):
        url = "data:image/png;base64," + encoded(film.xt[i], columns)
        save.note("picture", url, caption=f"t = {film.t[i]:g}", alt=f"{alt}, x_t at t = {film.t[i]:g}", width=max(width * 2, 96))
    data = {
        "id": f"{key}-{id(film)}-{len(film)}", "frames": {c: [encoded(f, columns) for f in getattr(film, c)] for c in channels},
        "labels": {c: labels[c] for c in channels}, "t": [f"{t:g}" for t in film.t], "start": len(film) - 1, "tab": tab, "alt": alt,
        "width": width, "height": height, "wide": wide or min(920, max(320, width * (6 if width < 120 else 4))),
    }  # fmt: skip
    _STRIP(key=key, data=data)
