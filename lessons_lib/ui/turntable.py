"""Pictures that change under the hand, in the browser alone: turned for anagrams, shrunk for hybrids, mixed for blends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib.pictures import enlarge, tiled, to_data_url
from lessons_lib.ui import save

_HAND = st.components.v2.component(
    "under_the_hand",
    html="""
<div class="hand" tabindex="0" role="group">
  <div class="stage"><img class="a" draggable="false"><img class="b" alt="" draggable="false"></div>
  <label><span></span><input type="range" min="0" max="100" value="0" step="1"></label>
  <output aria-live="polite"></output>
</div>
""",
    css="""
.hand { color: var(--st-text-color); font-family: var(--st-font); max-width: 330px; outline: none;
  border-radius: var(--st-base-radius); }
.hand:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 4px; }
.stage { position: relative; width: 100%; aspect-ratio: 1; display: grid; place-items: center; cursor: grab;
  touch-action: pan-y; user-select: none; overflow: hidden; perspective: 900px; }
.stage:active { cursor: grabbing; }
img { position: absolute; image-rendering: pixelated; background: #fff; pointer-events: none; }
.b { visibility: hidden; }
label { display: flex; flex-direction: column; gap: .2rem; font-size: .9rem; }
input { accent-color: var(--st-primary-color); height: 2rem; width: 100%; margin: 0; }
output { display: block; min-height: 1.5em; font-size: .9rem; font-variant-numeric: tabular-nums; }
""",
    js="""
const hands = new WeakMap();  // where each slider stands, so that a rerun of the page does not turn the picture back
export default function ({ data, parentElement }) {
  const $ = (s) => parentElement.querySelector(s), a = $(".a"), b = $(".b"), slider = $("input"), stage = $(".stage");
  const n = data.pictures.length, last = n - 1;
  if (hands.get(parentElement) !== data.id) { slider.value = data.start; hands.set(parentElement, data.id); }
  for (const e of [a, b]) { e.style.width = e.style.height = data.size + "px"; e.style.transform = ""; e.style.opacity = ""; }
  b.style.visibility = data.motion === "fade" ? "visible" : "hidden";
  a.src = data.pictures[0]; b.src = data.pictures[last];
  $("span").textContent = data.label;
  slider.setAttribute("aria-label", data.label);
  $(".hand").setAttribute("aria-label", data.label + ". Arrow keys move, space jumps to the other end.");
  const show = () => {
    const v = slider.value / 100;
    let i = v < 0.5 ? 0 : data.captions.length - 1, between = "";
    if (data.motion === "turn") {
      a.style.transform = "rotate(" + data.degrees * v + "deg)";
      between = Math.abs(Math.round(data.degrees * v)) + " degrees";
    }
    if (data.motion === "flip") { a.style.transform = "rotateX(" + 180 * v + "deg)"; between = "turning over"; }
    if (data.motion === "fade") { b.style.opacity = v; between = Math.round(100 * v) + "% of the way"; }
    if (data.motion === "shrink") {
      const s = 1 - 0.93 * v, wide = Math.round(s * data.size);
      a.style.transform = "scale(" + s + ")"; a.style.imageRendering = s < 0.45 ? "auto" : "pixelated";
      between = wide + " pixels wide";
    }
    if (data.motion === "step") { i = Math.round(v * last); a.src = data.pictures[i]; }
    const at_end = data.motion === "step" || v < 0.01 || v > 0.99;
    const words = at_end ? data.captions[i] : between;
    $("output").textContent = data.motion === "shrink" && at_end ? between + ": " + words : words;
    slider.setAttribute("aria-valuetext", $("output").textContent);
    a.alt = data.alt + ", " + $("output").textContent;
  };
  const to = (value) => { slider.value = Math.min(100, Math.max(0, value)); show(); };
  slider.oninput = show;
  stage.onpointerdown = (e) => {
    const from = e.clientX, value = Number(slider.value);
    stage.setPointerCapture(e.pointerId);
    stage.onpointermove = (m) => to(value + (100 * (m.clientX - from)) / (0.8 * stage.clientWidth));
    stage.onpointerup = stage.onpointercancel = () => { stage.onpointermove = null; };
  };
  $(".hand").onkeydown = (e) => {
    const step = data.motion === "step" ? 100 / last : 5;
    const move = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step }[e.key];
    if (e.key === " ") to(slider.value > 50 ? 0 : 100);
    else if (e.key === "Home") to(0);
    else if (e.key === "End") to(100);
    else if (move) to(Math.round(Number(slider.value) + move));
    else return;
    e.preventDefault();
  };
  show();
}
""",
)


def under_the_hand(
    pictures: Sequence[np.ndarray], captions: Sequence[str], label: str, alt: str, key: str, *, motion: str, degrees: int = 0,
    start: int = 0,
) -> None:  # fmt: skip
    """Show a picture that a slider, a drag, the arrow keys or space change without asking the server.

    Args: pictures: (C, H, W) uint8 each. captions: what is seen at the ends, or in each picture of a "step". motion: "turn" the
    first by `degrees` (with the clock), "flip" it upside down, "shrink" it as if from afar, "fade" from the first into the
    last, or "step" through all. start: where the slider stands first, 0 to 100.
    """
    size = pictures[0].shape[1] * max(1, 224 // pictures[0].shape[1])  # turned by 45 degrees it still fits 330 pixels
    urls = [to_data_url(enlarge(Image.fromarray(tiled(p[None], 1)), size)) for p in pictures]
    for url, caption in zip(urls, captions, strict=False):
        save.note("picture", url, caption=caption, alt=f"{alt}, {caption}", width=size)
    data = {
        "pictures": urls, "captions": list(captions), "label": label, "alt": alt, "motion": motion, "degrees": degrees,
        "size": size, "start": start, "id": f"{key}-{motion}-{hash(tuple(urls))}",
    }  # fmt: skip
    _HAND(key=key, data=data)
