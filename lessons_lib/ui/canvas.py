"""Draw in the page: a picture in colours, or a mask on top of a picture."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from lessons_lib.images import to_tensor, to_uint8
from lessons_lib.lessons.walks import MASKS, preset_mask
from lessons_lib.pictures import picture_of, square
from lessons_lib.ui import controls

SIDE = 240  # CSS pixels
COLOURS = {
    "black": "#111111", "white": "#ffffff", "red": "#d62828", "orange": "#f77f00", "yellow": "#fcbf49", "green": "#2a9d3f",
    "blue": "#1d6fd6", "purple": "#7b2cbf", "brown": "#7f4f24", "pink": "#ff8fab", "grey": "#8d99ae",
}  # fmt: skip


def drawing(page: str, shape: tuple[int, int, int]) -> Tensor | None:
    """A canvas with colours, undo and clear. Returns (1, C, H, W) in [-1, 1], or None while nothing is drawn.

    For a one-channel model the paper is black and the pen white, as MNIST's digits are.
    """
    from streamlit_drawable_canvas import st_canvas

    grey = shape[0] == 1
    colour = "white" if grey else controls.select(page, "pen", list(COLOURS), default="red")
    width = controls.slider(page, "pen_width", 2, 60, 26 if grey else 18, 1)
    result = st_canvas(
        fill_color="rgba(0, 0, 0, 0)", stroke_width=width, stroke_color=COLOURS[colour],
        background_color="#000000" if grey else "#ffffff", height=SIDE, width=SIDE, drawing_mode="freedraw",
        return_image_data=True, key=f"{page}_canvas",
    )  # fmt: skip
    st.caption(
        "Draw with mouse or finger; undo, redo and clear are below the canvas. By keyboard: choose another picture source."
    )
    if result.image_data is None or not (result.json_data or {}).get("objects"):
        return None
    rgba = Image.fromarray(result.image_data.astype(np.uint8), "RGBA")
    paper = Image.new("RGBA", rgba.size, "black" if grey else "white")
    return to_tensor(square(Image.alpha_composite(paper, rgba).convert("RGB"), shape[1]), shape[0])


def mask_on(page: str, x0: Tensor) -> tuple[Tensor, str]:
    """Choose or paint the region to replace. Returns mask (1, 1, H, W), 1 where new content goes, and what to call it."""
    options = [*MASKS, "paint it"]
    name = controls.select(page, "mask", options, help="presets work by keyboard; or paint the region on the picture")
    size = x0.shape[-1]
    if name != "paint it":
        return preset_mask(name, size), name
    from streamlit_drawable_canvas import st_canvas

    tool = controls.choice(page, "tool", ["brush", "rectangle"])
    width = controls.slider(page, "pen_width", 4, 120, 60, 2) if tool == "brush" else 2
    result = st_canvas(
        fill_color="rgba(255, 59, 129, 0.6)", stroke_width=width, stroke_color="rgba(255, 59, 129, 0.6)",
        background_image=picture_of(to_uint8(x0).numpy()).resize((SIDE, SIDE), Image.Resampling.NEAREST),
        height=SIDE, width=SIDE, drawing_mode="freedraw" if tool == "brush" else "rect", return_image_data=True,
        key=f"{page}_mask_canvas_{hash(x0.numpy().tobytes()) % 10**8}",
    )  # fmt: skip
    mask = torch.zeros(1, 1, size, size)
    if result.image_data is not None:
        painted = Image.fromarray(result.image_data.astype(np.uint8)[..., 3]).resize((size, size), Image.Resampling.BOX)
        mask = (torch.from_numpy(np.array(painted)).float() > 60).float()[None, None]
    return mask, "painted"
