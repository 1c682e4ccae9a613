"""Pictures that change under the hand, in the browser alone: turned for anagrams, shrunk for hybrids."""

from __future__ import annotations

import streamlit as st
from PIL import Image

from lessons_lib.pictures import enlarge, to_data_url
from lessons_lib.ui import save

_HAND = st.components.v2.component(
    "under_the_hand",
    html="""
<div class="hand" tabindex="0" role="group">
  <div class="stage"><img class="a"><img class="b" alt=""></div>
  <label><span></span><input type="range" min="0" max="100" value="0"></label>
</div>
""",
    css="""
.hand { color: var(--st-text-color); font-family: var(--st-font); max-width: 300px; outline: none; }
.hand:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 6px; }
.stage { position: relative; width: 256px; height: 256px; margin: 22px; display: grid; place-items: center; }
img { position: absolute; width: 256px; height: 256px; image-rendering: pixelated; border-radius: 4px; background: #fff; }
.b { opacity: 0; }
label { display: flex; flex-direction: column; gap: .2rem; font-size: .9rem; }
input { accent-color: var(--st-primary-color); height: 2rem; }
""",
    js="""
export default function ({ data, parentElement }) {
  const $ = (s) => parentElement.querySelector(s), a = $(".a"), b = $(".b"), slider = $("input");
  a.src = data.first; a.alt = data.alt; b.src = data.second || data.first;
  $("span").textContent = data.label;
  slider.setAttribute("aria-label", data.label);
  $(".hand").setAttribute("aria-label", data.label + ". Arrow keys move, space jumps to the other end.");
  const show = () => {
    const v = slider.value / 100;
    if (data.motion === "turn") a.style.transform = "rotate(" + data.degrees * v + "deg)";
    if (data.motion === "flip") a.style.transform = "rotateX(" + 180 * v + "deg)";
    if (data.motion === "shrink") {
      const s = 1 - 0.92 * v;
      a.style.transform = "scale(" + s + ")"; a.style.imageRendering = s < 0.45 ? "auto" : "pixelated";
    }
    if (data.motion === "fade") b.style.opacity = v;
  };
  slider.oninput = show;
  $(".hand").onkeydown = (e) => {
    const step = { ArrowLeft: -10, ArrowDown: -10, ArrowRight: 10, ArrowUp: 10 }[e.key];
    if (e.key === " ") { slider.value = slider.value > 50 ? 0 : 100; }
    else if (step && e.target !== slider) { slider.value = Number(slider.value) + step; }
    else return;
    e.preventDefault(); show();
  };
  show();
}
""",
)


def under_the_hand(
    first: Image.Image, label: str, alt: str, key: str, *, motion: str, degrees: int = 180, second: Image.Image | None = None
) -> None:
    """Show a picture that a slider (or the arrow keys and space) changes without asking the server.

    Args: motion: "turn" by `degrees`, "flip" upside down, "shrink" as if from afar, or "fade" into `second`.
    """
    urls = [to_data_url(enlarge(p, 256)) for p in (first, second) if p is not None]
    save.note("picture", urls[0], caption=label, alt=alt, width=256)
    data = {
        "first": urls[0],
        "second": urls[1] if len(urls) > 1 else "",
        "label": label,
        "alt": alt,
        "motion": motion,
        "degrees": degrees,
    }
    _HAND(key=key, data=data)
