"""Choose a clean picture to work on: one that ships, or an upload."""

from __future__ import annotations

import streamlit as st
from torch import Tensor

from lessons_lib import sources
from lessons_lib.errors import LessonsError
from lessons_lib.images import to_tensor
from lessons_lib.pictures import open_picture, square
from lessons_lib.ui import controls
from lessons_lib.ui.typed import sentence


def kinds_for(shape: tuple[int, int, int]) -> list[str]:
    """What suits a model: digits for one grey channel, emoji and photos for colour."""
    return ["digit", "upload"] if shape[0] == 1 else ["emoji", "photo", "upload"]


def pick_picture(
    page: str, shape: tuple[int, int, int], *, kinds: list[str] | None = None, default: str | None = None
) -> tuple[Tensor, str]:
    """Widgets for a picture of the shape (C, H, W). Returns it as (1, C, H, W) in [-1, 1], and what to call it.

    An upload that cannot be opened gives one sentence, and the page goes on with the picture it opened with.
    """
    kinds = kinds or kinds_for(shape)
    default = default if default in kinds else kinds[0]
    group = "".join(k[0] for k in kinds)  # pages with other kinds have another widget, so that a link never mixes them
    kind = controls.choice(page, f"picture_{group}", kinds, default=default, label="picture")
    if kind == "draw":
        from lessons_lib.ui.canvas import drawing

        drawn = drawing(page, shape)
        if drawn is not None:
            return drawn, "your drawing"
        kind = kinds[0]
        return sources.clean_picture(kind, sources.FIRST[kind], shape), f"{kind} {sources.FIRST[kind]}"
    if kind == "upload":
        file = st.file_uploader("a PNG, JPEG, WebP or GIF of at most 20 MB", key=f"{page}_upload", type=None)
        if file is not None:
            try:
                return to_tensor(square(open_picture(file.getvalue()), shape[1]), shape[0]), "your picture"
            except LessonsError as e:
                st.error(sentence(str(e)), icon=":material/error:")
        kind = kinds[0]
        return sources.clean_picture(kind, sources.FIRST[kind], shape), f"{kind} {sources.FIRST[kind]}"
    name = controls.select(page, kind, sources.names(kind), default=sources.FIRST[kind])
    return sources.clean_picture(kind, name, shape), f"{kind} {name}"
