"""What every saved file says about itself: lesson, link, settings under their own names, place in the batch, networks; and
reading it back out of a picture, so that its view can be opened again.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit as st
from PIL import Image

from lessons_lib.catalogue import LESSONS, lesson
from lessons_lib.errors import LessonsError
from lessons_lib.files.decoders import json_of, photo
from lessons_lib.files.film import Film
from lessons_lib.files.pictures import square, to_data_url
from lessons_lib.files.typed import as_typed
from lessons_lib.models import used
from lessons_lib.models.names import weights
from lessons_lib.places import CACHE
from lessons_lib.ui import view

SOFTWARE = "Diffusion, Step by Step"


@dataclass
class _Here:
    """The page that runs: its lesson, its model's name, and the film it showed last, with the link that this was made by."""

    slug: str = ""
    has_model: bool = False
    about: dict = field(default_factory=dict)
    link: dict[str, str] = field(default_factory=dict)
    weights: tuple[Path, ...] = ()  # that made it, if it is live


_here: ContextVar[_Here | None] = ContextVar("here", default=None)


def begin(slug: str, *, has_model: bool) -> None:
    """A page starts: files saved from now on are this lesson's, and the chosen model's if it runs on one."""
    _here.set(_Here(slug, has_model))


def shown(film: Film) -> None:
    """The page shows a film: the pictures that are drawn and offered after it are made of it."""
    if (here := _here.get()) is not None:
        here.about, here.link, here.weights = film.about, film.link, film.weights


def about() -> dict[str, str]:
    """The settings of the film that the page showed last, as words; empty before the first."""
    here = _here.get()
    return {k: str(v) for k, v in here.about.items()} if here else {}


def link() -> dict[str, str]:
    """The query of the link to this page as it stands."""
    here = _here.get()
    return view.link(here.slug) if here else {}


def stamp(made: dict, **more: object) -> Callable[[], dict[str, str]]:
    """What a file that is offered now says about itself, as a function: the networks are hashed when the file is made.

    Args: made: the settings that made it. more: what is true of this picture alone, such as index and num_images; `seed` here is
    the picture's own.
    """
    here = _here.get() or _Here()
    model = str(st.session_state.get("model", "")) if here.has_model else ""
    query = dict(here.link or link()) | ({"model": model} if model else {})
    known = more if here.link else {**made, **more}  # a live film's link says the rest already
    for name, value in known.items():
        for argument, words in _arguments(name, value).items():
            if argument in query:
                query[argument] = words
    where = (st.context.url or "").partition("?")[0]
    files = here.weights
    said = {"Software": SOFTWARE, "lesson": here.slug, "model_name": model, **made, **more, "link": f"{where}?{urlencode(query)}"}

    def text() -> dict[str, str]:
        weights = json.dumps(used.hashes(files) if files else hashes(here.slug, model), ensure_ascii=False)
        day = {"saved": time.strftime("%Y-%m-%d %H:%M"), "weights_sha256": weights}
        return {k: str(v) for k, v in {**said, **day}.items() if v not in ("", None)}

    return text


def _arguments(name: str, value: object) -> dict[str, str]:
    """A setting as the controls' arguments that lead to it: a picture is chosen by its kind and its name."""
    words = view.as_text(value)
    if name == "picture":
        kind, _, which = words.partition(" ")
        return (
            {"picture": kind, kind: which}
            if kind in ("digit", "emoji", "photo")
            else {"picture": "draw" if "drawing" in words else "upload"}
        )
    if name == "mask" and words.startswith("painted"):
        return {"mask": "paint it"}
    return {} if name == "model" else {name: words}


# --- the networks -------------------------------------------------------------------------------------------------------


def weights_of(slug: str, model: str) -> list[Path]:
    """The weight files that a lesson's pictures were computed with."""
    if model:
        return weights(model)
    folders = [CACHE / "mnist" / network for network in lesson(slug).networks] if slug else []
    return [p for folder in folders for p in sorted(folder.glob("*.safetensors"))]


def hashes(slug: str, model: str) -> dict[str, str]:
    """{file below cache/: SHA-256} of what weights_of() names."""
    return used.hashes(weights_of(slug, model))


# --- read back ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Saved:
    """A picture that these lessons saved. query: of the link to its view. settings: all that it says, as it stands there.

    other_weights: the names of those networks that made it and that are other, or not there, in this copy.
    """

    picture: Image.Image
    lesson: str
    query: dict[str, str]
    settings: dict[str, str]
    other_weights: tuple[str, ...]


def read(data: bytes) -> Saved:
    """Read a PNG or GIF that was saved here. Raises LessonsError if it is no picture, or says nothing of these lessons."""
    found = photo(data)
    said = found.text
    if "comment" in said:  # a GIF has one text for all
        try:
            said = {str(k): str(v) for k, v in json_of(said["comment"].encode(), "").items()}
        except (LessonsError, AttributeError):
            said = {}
    if said.get("Software") != SOFTWARE or said.get("lesson") not in {x.slug for x in LESSONS}:
        raise LessonsError(
            "This picture says nothing about a lesson: it was made elsewhere, or what sent it on has taken its settings out."
        )
    try:
        weights = dict(json_of(said.get("weights_sha256", "{}").encode(), ""))
    except (LessonsError, TypeError, ValueError):
        weights = {}
    try:
        query = parse_qsl(urlsplit(said.get("link", "")).query, keep_blank_values=True)  # an empty prompt is one
    except ValueError:
        query = []
    query = {k: v[:500] for k, v in query[:100] if re.fullmatch(r"\w{1,80}", k) and k.lower() not in view.NEVER}
    other = tuple(str(name) for name, digest in weights.items() if not _is_here(str(name), digest))
    return Saved(found.picture, said["lesson"], query, said, other)


def _is_here(name: str, digest: object) -> bool:
    """True if the file of that name below cache/ is there, and the same."""
    try:
        path = (CACHE / name).resolve()
        return path.is_relative_to(CACHE) and path.is_file() and digest in used.hashes([path]).values()
    except (OSError, ValueError):  # a name that no file can have
        return False


def show(saved: Saved) -> None:
    """The picture, all that it says about itself, and the link to its view."""
    that = lesson(saved.lesson)
    picture, said = st.columns([1, 2], gap="large")
    alt = ", ".join(f"{k} {v}" for k, v in saved.settings.items() if k not in ("link", "weights_sha256", "Software"))
    picture.image(to_data_url(square(saved.picture, 256) if max(saved.picture.size) > 2048 else saved.picture), alt=alt[:500])
    with said:
        label = f"Open its view: {that.title}"
        st.page_link(that.file, label=label, icon=":material/open_in_new:", query_params=saved.query)
        if saved.other_weights:
            st.caption(
                f":orange[The networks that made it are not those of this copy:] {as_typed(', '.join(saved.other_weights))}. "
                "The view will show another picture."
            )
        rows = [{"setting": k, "value": v} for k, v in saved.settings.items() if k != "weights_sha256"]
        st.dataframe(rows, hide_index=True)
