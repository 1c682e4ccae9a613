"""Choose a clean picture to work on: one that ships, or an upload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from lessons_lib import sources
from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.files.pictures import is_dark_on_light, light_on_dark, square
from lessons_lib.maths.images import is_grey, to_tensor
from lessons_lib.ui import controls, pictures, save, view, waiting
from lessons_lib.ui.typed import as_typed, sentence, visible


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
        from lessons_lib.ui.canvas import drawing

        return drawing(page, shape) or _missing(shape, "Draw something first: a link does not carry a drawing.")
    if kind == "upload":
        return upload(page, shape) or _missing(
            shape, "Choose a picture first: a link, or a server started anew, holds no upload."
        )
    name = controls.select(page, kind, sources.names(kind), default=sources.FIRST[kind])
    return sources.clean_picture(kind, name, shape), f"{kind} {name}"


def _missing(shape: tuple[int, int, int], sentence: str) -> tuple[Tensor, str]:
    waiting.wait(sentence)
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
