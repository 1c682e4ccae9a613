"""Pictures on the page: one, a row, a contact sheet, one that follows a slider or the hand; what made them, what is read in them."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib.files import figures, kept
from lessons_lib.files.film import Film
from lessons_lib.files.pictures import enlarge, picture_of, png_url, to_data_url, to_gif, to_png
from lessons_lib.files.typed import as_typed, quoted
from lessons_lib.ui import controls, save, stamp
from lessons_lib.ui.components import component
from lessons_lib.ui.plots import ordinal, save_figure

if TYPE_CHECKING:
    from torch import Tensor

    from lessons_lib.maths.schedule import Schedule


def describe(about: dict) -> str:
    """What made a picture, as plain text for alt texts and files: "prompt 3 · seed 180 · 30 steps"."""
    return " · ".join(f"{k} {v}" for k, v in about.items() if v not in ("", None))


def provenance(film: Film, beside: dict | None = None) -> str:
    """One line of markdown: live or kept, by what, how long. beside: the settings of a result it is compared with; what differs is
    bold."""
    stopped = f"stopped after {len(film)} of {film.total} steps"
    when = f"kept from an earlier run ({film.kept})" if film.kept else "live" if film.finished else stopped
    made = said_with(film.about, film.about if beside is None else beside)
    return f"**{when}** · {made} · {film.seconds:.1f} s"


def said_with(about: dict, other: dict) -> str:
    """The settings as one line of markdown; those that differ from the other's are bold."""
    words = []
    for name, value in about.items():
        if value not in ("", None):
            said = f"{name} {as_typed(str(value))}"
            words.append(f"**{said}**" if str(other.get(name)) != str(value) else said)
    return " · ".join(words)


def show(
    picture: Image.Image, alt: str, caption: str | None = None, *, wide: int = 256, place=st, streaming: bool = False
) -> None:
    """Show a picture with every pixel a sharp square, at least `wide` CSS pixels wide where there is room.

    caption: plain text. place: where, the page itself by default. streaming: another will take its place, so the saved lesson leaves it out.
    """
    url, width = to_data_url(picture), picture.width * -(-wide // picture.width)
    if not streaming:
        save.note("picture", url, caption=caption or "", alt=alt, width=width)
    place.image(url, caption=as_typed(caption) if caption else None, alt=alt, width=width)


def in_a_row(
    batch: np.ndarray,
    captions: Sequence[str],
    alt: str,
    *,
    wide: int = 180,
    places: list | None = None,
    streaming: bool = False,
    each: int = 1,
    marked: bool = False,
    key: str | None = None,
) -> list:
    """(B, C, H, W) uint8 side by side, at most `wide` pixels each, wrapping on a phone, each with its own caption and alt text.

    captions: plain text, shown as it is. Returns the pictures' places. Given again, they take the next pictures without a
    moment's emptiness, so nothing moves.
    streaming: more are to come; only the last ones belong to the lesson as it is saved. each: so many pictures are one, with one
    caption. marked: the captions are markdown. key: of the row, for the page's style.
    """
    wide = whole(wide, each * (batch.shape[-1] + 1) - 1)
    groups = [batch[i : i + each] for i in range(0, len(batch), each)]
    with st.container(horizontal=True, gap="small", key=key) if places is None else nullcontext():
        filled = []
        for place, group, caption in zip(places or [st] * len(groups), groups, captions, strict=True):
            url = to_data_url(picture_of(group, each))
            said = caption.rstrip(": \u00a0")  # without the line that is kept free
            if marked:
                said = re.sub(r":\w+\[(.*?)\]", r"\1", said).replace("*", "")
            shown = caption if marked else in_lines(caption)
            filled.append(place.image(url, caption=shown, alt=f"{alt}, {said}", width=wide))
            if not streaming:
                save.note("picture", url, caption=said, alt=f"{alt}, {said}", width=wide)
    return filled


def whole(wide: int, pixels: int) -> int:
    """`wide`, or a little less: a whole number of screen pixels for each of the picture's."""
    return pixels * max(1, wide // pixels)


def in_lines(caption: str) -> str:
    """A plain caption as markdown that breaks where its parts end, and not wherever the picture's width wants it."""
    name, colon, read = caption.rpartition(": ")
    lines = caption.split(" · ") if " · " in caption else [name + ":", read] if colon else [caption]
    return "  \n".join(as_typed(line) if line.strip() else "\u00a0" for line in lines)  # a line kept free stays a line


def card(slug: str) -> tuple[str, str] | None:
    """(data URL, alt text) of the picture that a lesson's card shows; None where none is kept."""
    made = kept.card(slug)
    return made and (png_url(made[0]), made[1])


JUDGE = (
    "Under each picture stands what **the judge** reads in it: a small classifier, trained on real pictures only. It may know nothing "
    "like it, so under one half it is said to be unsure."
)
"""Said where the judge first appears on a page."""


def readings(model, x) -> list[str]:
    """What the model's judge reads in each picture (B, C, H, W): ": dog 83%", or nothing where there is no judge."""
    return judge_readings(model.judge, x) if model.judge is not None else [""] * len(x)


def judge_readings(judge, x) -> list[str]:
    """ ": dog 83%" for each picture (B, C, H, W): the judge's first reading and how sure it is; under one half, ": unsure"."""
    return [f": {said}" for said in judge.says(x)]


def pair_captions(found: Sequence | None, seeds: Sequence[int], names: tuple[str, str]) -> list[str]:
    """One line a picture that two prompts share: its seed, and which reading of the judge's each prompt is, and how sure:
    "seed 180 · 6: 1st, 92% · 9: 2nd, 41%". found: Readings of lessons._readings, one a picture, or None without a judge."""
    if found is None:
        return [f"seed {seed}" for seed in seeds]
    return [
        f"seed {seed} · "
        + " · ".join(f"{name}: {ordinal(r)}, {p:.0%}" for name, r, p in zip(names, f.ranks, f.sure, strict=True))
        for seed, f in zip(seeds, found, strict=True)
    ]


def pair_waiting(seeds: Sequence[int], names: tuple[str, str]) -> list[str]:
    """pair_captions() before anything is read: lines as long as those to come."""
    return [f"seed {seed} · " + " · ".join(f"{name}: \u00b7\u00b7\u00b7, \u00b7\u00b7%" for name in names) for seed in seeds]


def unknown_words_hint(model, prompt: str) -> None:
    """Name the words of a prompt that the small model was never taught, and the nearest it knows."""
    for word, near in model.unknown_words(prompt):
        meant = f" Did you mean {', '.join(f'**{n}**' for n in near)}?" if near else ""
        st.caption(f":orange[The small model was never taught] {quoted(word)}.{meant}")


@dataclass(frozen=True)
class Sheet:
    """What a contact sheet says of a film's pictures. captions: one a picture, its lines with " · " between. scores: how high the
    judge places each, which is no judge of beauty; None where it cannot. seeds: each picture's own."""

    captions: Sequence[str]
    scores: Sequence[float] | None
    seeds: Sequence[int]


def choose(page: str, model: str, film: Film, sheet: Sheet, order: Sequence[int]) -> int:
    """Let one of a film's pictures be chosen by its place in the row, offer it as PNG. Returns its index in the batch.

    page, model: whose choice it is; like any control's value it stands in the link. Into the PNG go the film's settings and the
    place in the batch; `seed` is the picture's own, by which it can be made alone, and batch_seed the first one's.
    """
    batch, captions, seeds, about = film.final, sheet.captions, sheet.seeds, film.about
    chosen = 1
    if len(batch) > 1:
        numbers = [str(place + 1) for place in range(len(batch))]
        chosen = int(controls.choice(page, f"keep_{model}", numbers, argument="keep", help="choose by number"))
    index = order[chosen - 1]

    own = {"seed": seeds[index], "batch_seed": about["seed"]}
    place = {"index": index, "num_images": len(batch), "caption": captions[index]}
    said = stamp.stamp(about, **own, **place)

    def png() -> bytes:
        return to_png(enlarge(picture_of(batch[index]), 512), said())

    name = f"{page}-keep-{model}"
    st.download_button(
        f"Keep number {chosen} (PNG)",
        png,
        f"{name}.png",
        "image/png",
        key=name,
        on_click="ignore",
        icon=":material/download:",
        help="what made it is written into the file: Hand in opens it, and its view, again",
    )
    return index


def downloads(film: Film, name: str, *, columns: int = 8) -> None:
    """The last picture as PNG with its provenance inside, the walk as GIF, both as figures. Made only when asked for."""
    if film.final is None:
        return

    said = stamp.stamp(film.about, num_images=len(film.final))

    def png() -> bytes:
        return to_png(enlarge(picture_of(film.final, columns), 512), said())

    def gif() -> bytes:
        return to_gif([enlarge(picture_of(f, columns), 256) for f in film.frames()], text=said())

    with st.container(horizontal=True):
        icon = ":material/download:"
        st.download_button("Picture (PNG)", png, f"{name}.png", "image/png", key=f"{name}_png", on_click="ignore", icon=icon)
        st.download_button("Walk (GIF)", gif, f"{name}.gif", "image/gif", key=f"{name}_gif", on_click="ignore", icon=icon)
        drawn = {"the walk": lambda: figures.strip(film, columns), "the pictures": lambda: figures.Grid(film.final, (), columns)}
        save_figure(drawn, f"{name}_figure", name, said)


# --- a picture that follows the slider of t -----------------------------------------------------------------------------

_NOISE = component("live_noise")


def live_noise(
    x0: Tensor,
    eps: Tensor,
    schedule: Schedule,
    *,
    slider: str,
    row: str,
    index: int,
    caption: str,
    key: str,
    ts: Sequence[int] | None = None,
    low: float = 0,
    step: float = 1,
    numbers: bool = True,
    blur: dict | None = None,
) -> None:
    """Draw x_t over picture `index` of a row, as the slider stands, and its numbers below. No request while it is dragged.

    Args: x0, eps: (1, C, H, W). slider: the key of t's slider. row: the key of the row of pictures (pictures.in_a_row). caption: of
    the picture, with "{t}" for the timestep. ts: the timestep at each of the slider's places, which begin at `low`, `step` apart; by default
    the slider is t itself. numbers: show alpha_bar, SNR and correlation. blur: the `slider` of its sigma, the `index` of the picture that shows
    x_t / sqrt(alpha_bar) blurred, as lessons.denoise.blurred() has it, and its `caption` with "{sigma}"; None for none. The arrays are sent once a session; a browser that has lost them asks.
    """
    table = schedule.alphas_cumprod.numpy().astype("<f8").tobytes()
    arrays = table + np.concatenate([x0.numpy().ravel(), eps.numpy().ravel()]).astype("<f4").tobytes()
    header = {
        "id": hashlib.sha1(arrays).hexdigest()[:16],
        "shape": x0.shape[1:],
        "T": schedule.T,
        "variance": x0.var(correction=0).item(),
        "slider": slider,
        "row": row,
        "index": index,
        "caption": caption,
        "ts": ts,
        "low": low,
        "step": step,
        "numbers": numbers,
        "blur": blur,
    }
    asked = st.session_state.pop(f"{key}_asked", None)
    sent = st.session_state.get(f"{key}_sent")
    st.session_state[f"{key}_sent"] = header["id"]

    def wanted() -> None:
        st.session_state[f"{key}_asked"] = st.session_state[key].ask

    whole = asked == header["id"] or sent != header["id"]
    _NOISE(key=key, data=message(header, arrays if whole else b""), on_ask_change=wanted)


def message(header: dict, arrays: bytes) -> bytes:
    """4 bytes, the header's length; the header as JSON; the arrays."""
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 4)
    return b"".join((struct.pack("<I", len(head)), head, arrays))


# --- pictures that change under the hand --------------------------------------------------------------------------------

_PICTURE = component("drag_picture")


def drag_picture(
    pictures: Sequence[np.ndarray],
    captions: Sequence[str],
    label: str,
    alt: str,
    key: str,
    *,
    motion: str,
    degrees: int = 0,
    start: int = 0,
) -> None:
    """Show a picture that a slider, a drag, the arrow keys or space change without asking the server.

    Args: pictures: (C, H, W) uint8 each. captions: what is seen at the ends, or in each picture of a "step". motion: "turn" the
    first by `degrees` (with the clock), "flip" it upside down, "shrink" it as if from afar, "fade" from the first into the
    last, or "step" through all. start: where the slider stands first, 0 to 100.
    """
    size = pictures[0].shape[1] * max(1, 224 // pictures[0].shape[1])  # turned by 45 degrees it still fits 330 pixels
    urls = [to_data_url(picture_of(p)) for p in pictures]
    for url, caption in zip(urls, captions, strict=False):
        save.note("picture", url, caption=caption, alt=f"{alt}, {caption}", width=size)
    data = {
        "pictures": urls,
        "captions": list(captions),
        "label": label,
        "alt": alt,
        "motion": motion,
        "degrees": degrees,
        "size": size,
        "start": start,
        "id": f"{key}-{motion}-{hash(tuple(urls))}",
    }
    _PICTURE(key=key, data=data)
