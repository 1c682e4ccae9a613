"""Choose a clean picture to work on: one that ships, an upload, a drawing; and the mask on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from lessons_lib import sources
from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.files.pictures import is_dark_on_light, light_on_dark, picture_of, square, to_data_url
from lessons_lib.files.strokes import DIGIT_PRESETS, PRESETS, Stroke, checked, drawn
from lessons_lib.files.typed import as_typed, sentence, visible
from lessons_lib.lessons.inpainting import MASKS, preset_mask
from lessons_lib.maths.images import is_grey, to_tensor, to_uint8
from lessons_lib.ui import controls, pictures, save, view
from lessons_lib.ui.components import component


def pick_picture(
    page: str, shape: tuple[int, int, int], *, kinds: Sequence[str], default: str | None = None
) -> tuple[Tensor, str]:
    """Widgets for a picture of the shape (C, H, W). Returns it as (1, C, H, W) in [-1, 1], and what to call it.

    kinds: of sources.py, Model.picture_kinds for one, and "upload" and "draw".

    What was changed in an upload stands beside it. While an upload or a drawing is missing, or cannot be opened, the picture is
    grey and Run waits: nothing else is ever put in its place.
    """
    default = default if default in kinds else kinds[0]
    group = "".join(k[0] for k in kinds)  # pages with other kinds have another widget, so that a link never mixes them
    kind = controls.choice(page, f"picture_{group}", kinds, default=default, argument="picture")
    if kind == "draw":
        return drawing(page, shape) or _missing(shape, "Draw something first: a link does not carry a drawing.")
    if kind == "upload":
        return upload(page, shape) or _missing(
            shape, "Choose a picture first: a link, or a server started anew, holds no upload."
        )
    name = controls.select(page, kind, sources.names(kind), default=sources.FIRST[kind])
    return sources.clean_picture(kind, name, shape), f"{kind} {name}"


def _missing(shape: tuple[int, int, int], sentence: str) -> tuple[Tensor, str]:
    controls.wait(sentence)
    st.info(sentence, icon=":material/image_search:")
    return torch.zeros(1, *shape), "no picture yet"


@dataclass(frozen=True, eq=False)
class Given:
    """An upload as the session keeps it: its name, its middle square, and what was changed to come to that."""

    name: str
    picture: Image.Image
    changes: tuple[str, ...]
    failed: str = ""  # why it cannot be opened


def upload(page: str, shape: tuple[int, int, int]) -> tuple[Tensor, str] | None:
    """A picture of the learner's own, and one line about what became of it. None if there is none, or it cannot be opened."""
    key, kept = f"{page}_upload", f"{page}_upload_kept"
    file = st.file_uploader(
        f"a {decoders.KINDS} picture",
        key=key,
        max_upload_size=decoders.PICTURE_MB,
        on_change=lambda: st.session_state.pop(kept, None),
    )
    if file is not None and kept not in st.session_state:
        st.session_state[kept] = _opened(file.name, file.getvalue())
    given = st.session_state.get(kept)  # after a visit to another page the uploader is empty, but nothing is lost
    if given is None:
        return None
    if given.failed:
        st.error(sentence(given.failed), icon=":material/error:")
        return None
    picture, changes = given.picture, list(given.changes)
    if is_grey(shape):
        ink = is_dark_on_light(picture)
        about = "dark ink on light paper was found; " if ink else ""
        if st.toggle("invert", ink, key=f"{page}_invert_{hash(picture.tobytes())}", help=f"{about}the digits are light on black"):
            picture = light_on_dark(picture)
            changes.append("inverted, dark ink on light paper" if ink else "inverted")
        elif given.picture.convert("L").convert("RGB").tobytes() != given.picture.tobytes():
            changes.append("made grey")
    if picture.width != shape[1]:
        changes.append(f"made {shape[1]} x {shape[1]}")
    view.cannot_hold("your picture")
    used = square(picture, shape[1]).convert("L" if is_grey(shape) else "RGB")
    told = as_typed(f"{given.name}: {', '.join(changes) or 'used as it is'}.")
    pictures.show(used, f"your picture {given.name} as it is used", wide=112)
    save.note("text", told)
    st.caption(told)
    inverted = ", inverted" if any(c.startswith("inverted") for c in changes) else ""
    return to_tensor(used, shape[0]), f"your picture {given.name}{inverted}"


def _opened(name: str, data: bytes) -> Given:
    name = visible(name)[-80:]
    try:
        found = decoders.photo(data)
    except LessonsError as e:
        return Given(name, Image.new("RGB", (1, 1)), (), str(e))
    width, height = found.size
    cut = (f"cut to its middle square ({min(found.size)} of {width} x {height})",) if width != height else ()
    return Given(name, square(found.picture, min(512, *found.picture.size)), (*found.changes, *cut))


# --- drawn in the page --------------------------------------------------------------------------------------------------

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
