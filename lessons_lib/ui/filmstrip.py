"""The filmstrip: a walk to scrub through, in the browser. Frames come once; those of a long walk as they are looked at."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence

import numpy as np
import streamlit as st

from lessons_lib.files.film import CHANNELS, Film
from lessons_lib.files.pictures import picture_of
from lessons_lib.ui import save
from lessons_lib.ui.components import component

LABELS = {"xt": "x_t, the noisy image", "x0_hat": "x0_hat, the clean guess", "eps": "eps, the noise estimate"}
AT_ONCE = 600_000  # bytes of frames in one message; a walk that fits is sent whole
THUMBS = 24

_STRIP = component("filmstrip")
_HERO = component("hero")


def filmstrip(
    film: Film,
    key: str,
    *,
    columns: int = 8,
    channels: Sequence[str] = CHANNELS,
    tab: str = "xt",
    alt: str = "",
    wide: int | None = None,
    labels: dict[str, str] = LABELS,
    scope: str | None = None,
    row: str | None = None,
    places: Sequence[Sequence[int] | None] | None = None,
) -> None:
    """Show a film to scrub through; it ends with the picture after the last step.

    Args: columns: pictures in a row of each frame. channels: which of xt, x0_hat, eps can be switched between.
    alt: what the pictures are. wide: largest width in CSS pixels. labels: what each channel is called.
    scope: key of a microscope on the page: a click on a picture chooses its step and pixel.
    row: key of a row of pictures above it (pictures.in_a_row); the strip then has no picture of its own, and scrubs those.
    places: for each picture of the row which of the film's it is made of, side by side; None for one that stays as it is.
    Without places, the row's pictures are the film's, one each, and the rest of the row stays.
    """
    if not len(film):
        return
    width, height = picture_of(film.xt[0], columns).size
    for i in np.unique(np.linspace(0, len(film) - 1, 6).round().astype(int)):
        url = film.data_url(i, "xt", columns)
        save.note("picture", url, caption=f"t = {film.t[i]:g}", alt=f"{alt}, x_t at t = {film.t[i]:g}", width=max(width * 2, 96))
    name = f"{film.name}-{len(film)}-{columns}"
    header = {
        "id": name,
        "labels": {c: labels[c] for c in channels},
        "length": {c: len(film.frames(c)) for c in channels},
        "t": [f"{t:g}" for t in film.t],
        "step": [i + 1 for i in film.index],
        "total": film.total,
        "end": "the clean picture" if film.finished else f"t = {film.t_prev[-1]:g}",
        "tab": tab,
        "alt": alt,
        "width": width,
        "height": height,
        "cell": film.xt[0].shape[-2:],
        "wide": wide or min(920, max(320, width * (6 if width < 120 else 4))),
        "thumbs": spread(len(film.frames(tab)), THUMBS),
        "picks": scope is not None,
        "row": row,
        "places": places if places is not None else [[i] for i in range(len(film.xt[0]))],
        "columns": min(columns, len(film.xt[0])),
    }

    def picked() -> None:
        pixel = st.session_state[key].pixel
        if scope and pixel and pixel["id"] == name:
            for what in ("row", "column"):
                st.session_state[f"{scope}_{what}"] = int(pixel[what])
            st.session_state[f"{scope}_step"] = film.index[int(pixel["frame"])] + 1

    def wanted() -> None:
        st.session_state[f"{key}_asked"] = st.session_state[key].ask

    @st.fragment
    def strip() -> None:
        """Asked for frames, only this is drawn anew, and only they are sent."""
        asked = st.session_state.pop(f"{key}_asked", None)
        if asked and asked["id"] == name and asked["channel"] in channels:
            frames = [(asked["channel"], int(i)) for i in asked["frames"]]
        elif st.session_state.get(f"{key}_sent") != name:
            frames = first_frames(film, channels, tab)
        else:
            frames = []
        st.session_state[f"{key}_sent"] = name
        place = st.session_state.get(f"{scope}_row"), st.session_state.get(f"{scope}_column")
        pixel = place if scope and None not in place else None
        sent = _STRIP(
            key=key,
            data=packed(film, {**header, "pixel": pixel}, frames, columns),
            on_ask_change=wanted,
            on_pixel_change=picked,
        )
        if sent.pixel:
            st.rerun()

    strip()


def spread(n: int, most: int) -> list[int]:
    """At most so many of the numbers 0 to n - 1, evenly, with both ends."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, most))})


def first_frames(film: Film, channels: Sequence[str], tab: str) -> Iterable[tuple[str, int]]:
    """The order in which frames are wanted: the last one, some of the whole walk, the rest; then the other channels."""
    n = len(film.frames(tab))
    yield from ((tab, i) for i in dict.fromkeys([n - 1, *spread(n, THUMBS), *range(n)]))
    yield from ((c, i) for c in channels if c != tab for i in range(len(film.frames(c))))


def packed(film: Film, header: dict, frames: Iterable[tuple[str, int]], columns: int) -> bytes:
    """One message to the browser: the header, and as many of the frames, in this order, as fit in AT_ONCE; at least one.

    Returns: 4 bytes, the header's length; the header as JSON, where "frames" lists (channel, i, bytes) of each; their PNGs.
    """
    listed, pngs, size = [], [], 0
    for channel, i in frames:
        if not 0 <= i < len(film.frames(channel)):
            continue
        png = film.png(i, channel, columns)
        if listed and size + len(png) > AT_ONCE:
            break
        size += len(png)
        listed.append((channel, i, len(png)))
        pngs.append(png)
    head = json.dumps({**header, "frames": listed}).encode()
    return b"".join((struct.pack("<I", len(head)), head, *pngs))


def hero(film: Film, *, columns: int) -> None:
    """Play a film's frames in a loop, resting on the finished pictures. Still for those who asked for less motion."""
    frames = [film.data_url(i, "xt", columns) for i in range(len(film.frames()))]
    width, height = picture_of(film.final, columns).size
    alt = f"{len(film.final)} pictures emerging from noise: {film.about.get('prompt', '')}"
    _HERO(key="hero", data={"frames": frames, "alt": alt, "width": width, "height": height})
