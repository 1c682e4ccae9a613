"""The prompt lab's own parts: the model's words and pictures, embeddings from a file, and a logo at print size."""

from __future__ import annotations

import difflib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from lessons_lib.files import decoders
from lessons_lib.files.pictures import enlarge, picture_of, to_png
from lessons_lib.files.typed import quoted
from lessons_lib.models.model import Model
from lessons_lib.ui import controls, pictures, plots, stamp, view

PRINT_PIXELS = 2400  # 20 cm at 300 dots an inch
DEEPFLOYD_WIDTH = 4096


def found_among(search: str, names: list[str], keywords: list[tuple[str, ...]]) -> list[int]:
    """Indices of the things whose name or a keyword holds the search, names first; of nothing found, the nearest names."""
    wanted = search.lower().strip()
    if not wanted:
        return []
    by_name = [i for i, n in enumerate(names) if wanted in n]
    by_keyword = [i for i, words in enumerate(keywords) if i not in by_name and any(wanted in w for w in words)]
    by_name.sort(key=lambda i: (names[i] != wanted, f" {wanted}" not in f" {names[i]}", len(names[i])))
    near = difflib.get_close_matches(wanted, names, 6, 0.5)
    return by_name + by_keyword or [names.index(n) for n in near]


def what_the_model_knows(slug: str) -> None:
    """Search the small model's words and see the pictures it learned from, and those that were kept from it."""
    from lessons_lib import things as data

    names, keywords = [c.name for c in data.concepts()], [c.keywords for c in data.concepts()]
    search = controls.text(slug, "search", "cat", help="part of a word: a thing's name, or another word for it")
    found = found_among(search, names, keywords)
    st.caption(
        f"{len(names)} things, each drawn by {len(data.STYLES)} artists, and {len(data.vocabulary())} words. "
        f"{len(found)} match{'es' if len(found) == 1 else ''}{', the first four shown' if len(found) > 4 else ''}."
    )
    everything = data.pictures()
    for i in found[:4]:
        first = i * len(data.STYLES)
        own = slice(first, first + len(data.STYLES))
        captions = [
            f"{names[i]}, {style}{' (kept from it)' if held else ''}"
            for style, held in zip(data.STYLES, everything.held_out[own].tolist(), strict=True)
        ]
        pictures.in_a_row(everything.images[own].numpy(), captions, "from the data", wide=128)
        if keywords[i]:
            st.caption(f"also called {', '.join(keywords[i])}")
    if not found:
        st.info(f"Nothing like {quoted(search)}: try {', '.join(names[i] for i in range(3, len(names), 60))}.")
    with st.expander(f"All {len(names)} things"):
        st.markdown(", ".join(names))


def how_it_learned() -> None:
    """The small model's training as its trainer logged it: the loss, and what the judge read of twenty fixed prompts."""
    from lessons_lib.things import FOLDER

    try:
        log = [json.loads(line) for line in (FOLDER / "stage1" / "log.jsonl").read_text().splitlines()]
    except (OSError, ValueError):
        return
    seen = [row["images"] for row in log]
    loss, read = st.columns(2, gap="large")
    with loss:
        plots.line_plot(
            {"loss": (seen, [row["loss"] for row in log])},
            "pictures seen",
            "loss (mean squared error)",
            "words_loss",
            log_y=True,
            markers=True,
        )
    with read:
        lines = {"read right at once": "top1", "in the first five": "top5"}
        plots.line_plot(
            {k: (seen, [100 * row[v] for row in log]) for k, v in lines.items()},
            "pictures seen",
            "% of the prompts",
            "words_read",
            markers=True,
        )
    st.caption(
        "Written down by the trainer every dozen minutes: on the right, what the judge reads in the same twenty prompts "
        "drawn from the same noise. The loss has long stopped falling fast when the first things can be recognised."
    )


def embeddings_of_ones_own(slug: str, model: Model) -> tuple[Model, bool]:
    """Offer to load prompt embeddings from a file, for this session alone. Returns the model, speaking them if it can, and
    whether it does."""
    from lessons_lib.models.embeddings import embeddings_from_file
    from lessons_lib.models.folder import with_embeddings

    key, before = f"{slug}_embeddings", view.extra("embeddings")
    missing = bool(before) and st.session_state.get(key) is None
    if missing:
        st.info(
            f"This view draws with the prompt embeddings in {quoted(before)}, which no link can hold: choose the file again. Until "
            "then, the prompts below are read by the model's own words.",
            icon=":material/upload_file:",
        )
    with st.expander("Prompt embeddings from a file, as DeepFloyd IF needs them", expanded=missing):
        st.markdown(
            "DeepFloyd's text encoder is too large for most machines; a file of precomputed embeddings does instead: a dict "
            f"`{{prompt: tensor}}` saved with `torch.save`, each tensor (1, 77, {DEEPFLOYD_WIDTH}), the empty prompt among them. "
            "The file is checked, opened without running anything in it, and used on this page for as long as it is open."
        )
        file = st.file_uploader(
            "embeddings",
            ["pt", "pth"],
            key=key,
            max_upload_size=decoders.WEIGHTS_MB,
            on_change=lambda: view.set_extra("embeddings", ""),
        )
        if file is None:
            return model, False
        name = Path(file.name).name[-80:]
        width = model.embedding_width
        widths = (DEEPFLOYD_WIDTH,) if width is None else (DEEPFLOYD_WIDTH, width)
        most = decoders.WEIGHTS_MB * decoders.MB
        embeddings = embeddings_from_file(file.getvalue(), widths, name=name, most=most)
        held = next(iter(embeddings.values())).shape[-1]
        shown = ", ".join(quoted(p) for p in list(embeddings)[:8] if p)
        if held != width:
            st.success(
                f"{len(embeddings)} prompts, {shown} ..., as DeepFloyd needs them. The model in view is another: choose a DeepFloyd IF "
                "in the sidebar to draw them."
            )
            return model, False
        st.success(f"{len(embeddings)} prompts, used below: {shown} ...")
        view.set_extra("embeddings", name)
        own = with_embeddings(model, embeddings)
        return replace(own, title=f"{own.title}, words from {name}"), True


def logo_png(picture: np.ndarray, text: dict) -> bytes:
    """(1, C, H, W) uint8 as PNG for printing: every pixel a sharp square, what made it written into the file."""
    return to_png(enlarge(picture_of(picture), PRINT_PIXELS), text)


def print_size(picture: np.ndarray, about: dict, name: str) -> None:
    """Offer (1, C, H, W) uint8 at print size. The file is made when it is asked for."""
    wide = picture.shape[-1] * -(-PRINT_PIXELS // picture.shape[-1])
    said = stamp.stamp(about)
    st.download_button(
        f"Logo at print size (PNG, {wide} pixels)",
        lambda: logo_png(picture, said()),
        f"{name}.png",
        "image/png",
        on_click="ignore",
        icon=":material/print:",
        key=f"{name}_print",
    )
    st.caption(
        f"{wide} pixels are {wide / 300 * 2.54:.0f} cm at 300 dots an inch; model, prompts, seed and settings are written into the file."
    )
