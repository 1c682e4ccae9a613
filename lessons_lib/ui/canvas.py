"""Draw in the page: a picture in colours, or a mask on top of a picture."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from lessons_lib.files.pictures import picture_of, square, to_data_url
from lessons_lib.files.strokes import DIGIT_PRESETS, PRESETS, Stroke, checked, drawn
from lessons_lib.lessons.inpainting import MASKS, preset_mask
from lessons_lib.maths.images import is_grey, to_tensor, to_uint8
from lessons_lib.ui import controls, save, view
from lessons_lib.ui.components import component

_CANVAS = component("canvas")
COLOURS = {
    "red": "#d62828",
    "black": "#111111",
    "white": "#ffffff",
    "orange": "#f77f00",
    "yellow": "#fcbf49",
    "green": "#2a9d3f",
    "blue": "#1d6fd6",
    "purple": "#7b2cbf",
    "brown": "#7f4f24",
    "pink": "#ff8fab",
    "grey": "#8d99ae",
}
WHITE, BLACK, MASK = "#ffffff", "#000000", "#ff3b81"


def drawing(page: str, shape: tuple[int, int, int]) -> tuple[Tensor, str] | None:
    """A canvas. Returns (1, C, H, W) in [-1, 1] and what to call it, or None while nothing is drawn.

    For a one-channel model the paper is black and the pen white, as MNIST's digits are.
    """
    grey = is_grey(shape)
    strokes = _canvas(
        f"{page}_canvas",
        label="Paper to draw on",
        paper=BLACK if grey else WHITE,
        tools=["pen", "eraser", "rectangle"],
        colours=None if grey else COLOURS,
        colour=WHITE if grey else COLOURS["red"],
        widths={"thin": 60, "medium": 100, "thick": 150} if grey else {"thin": 35, "medium": 75, "thick": 160},
        presets=DIGIT_PRESETS if grey else PRESETS,
    )
    layer = drawn(strokes)
    if not layer.getchannel("A").getbbox():
        return None
    view.cannot_hold("your drawing")
    save.did("drew", f"a drawing of {_counted(strokes)}")
    paper = Image.new("RGBA", layer.size, BLACK if grey else WHITE)
    picture = square(Image.alpha_composite(paper, layer).convert("RGB"), shape[1])
    return to_tensor(picture, shape[0]), f"your drawing, {_counted(strokes)}"


def mask_on(page: str, x0: Tensor) -> tuple[Tensor, str]:
    """Choose or paint the region to replace. Returns mask (1, 1, H, W), 1 where new content goes, and what to call it."""
    options = [*MASKS, "paint it"]
    name = controls.select(page, "mask", options, help="presets work by keyboard; or paint the region on the picture")
    size = x0.shape[-1]
    if name != "paint it":
        return preset_mask(name, size), name
    strokes = _canvas(
        f"{page}_mask_canvas",
        label="Region to replace, painted on the picture",
        paper=WHITE,
        tools=["pen", "eraser", "rectangle"],
        colours=None,
        colour=MASK,
        widths={"thin": 100, "medium": 220, "thick": 360},
        opacity=0.6,
        presets={},
        picture=to_data_url(picture_of(to_uint8(x0).numpy())),
    )
    painted = np.asarray(drawn(strokes).getchannel("A").resize((size, size), Image.Resampling.BOX))
    if painted.any():
        view.cannot_hold("your mask")
        save.did("drew", f"a mask of {_counted(strokes)}")
    else:
        st.caption("Nothing is painted yet: a link does not carry a mask.")
    return torch.from_numpy(painted > 127).float()[None, None], f"painted, {_counted(strokes)}"


def _canvas(key: str, *, picture: str = "", opacity: float = 1.0, widths: dict[str, int], **look) -> list[Stroke]:
    """Mount the component; returns what is drawn. It is kept with the session, and so survives a visit to another page."""
    kept = f"{key}_strokes"
    data = {"picture": picture, "opacity": opacity, "widths": widths, "width": widths["medium"], **look}
    data["strokes"] = st.session_state.get(kept, [])
    strokes = _CANVAS(key=key, data=data, on_strokes_change=lambda: None).strokes
    if strokes is not None:
        st.session_state[kept] = checked(strokes)
    return st.session_state.get(kept, [])


def _counted(strokes: list[Stroke]) -> str:
    return f"{len(strokes)} stroke{'' if len(strokes) == 1 else 's'}"
