"""The contact sheet: several results side by side, best first; choose one to keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib.pictures import enlarge, tiled, to_png
from lessons_lib.ui.parts import pictures_in_a_row


def contact_sheet(
    batch: np.ndarray, captions: Sequence[str], scores: Sequence[float] | None, about: dict, key: str, alt: str,
    *, seeds: Sequence[int] | None = None,
) -> int:  # fmt: skip
    """Show (B, C, H, W) uint8 sorted by score, highest first, let one be chosen, offer it as PNG. Returns its index in the batch.

    about: written into the PNG; with seeds, the picture's own seed instead of the first one's.
    """
    order = list(range(len(batch))) if scores is None else sorted(range(len(batch)), key=lambda i: -scores[i])
    numbered = [f"{place + 1}. {captions[i]}" for place, i in enumerate(order)]
    pictures_in_a_row(batch[order], numbered, alt, wide=150)
    chosen = 0
    if len(batch) > 1:
        chosen = st.radio(
            "keep", range(len(batch)), horizontal=True, key=key, format_func=lambda i: str(i + 1),
            help="choose by number; best first" if scores is not None else "choose by number",
        )  # fmt: skip
    index = order[min(chosen, len(order) - 1)]

    def png() -> bytes:
        own = {"seed": seeds[index], "num_images": 1} if seeds is not None else {}
        text = {**about, **own, "picture": captions[index]}
        return to_png(enlarge(Image.fromarray(tiled(batch[index : index + 1], 1)), 512), text)

    st.download_button(
        f"Keep number {chosen + 1} (PNG)",
        png,
        f"{key}.png",
        "image/png",
        key=f"{key}_png",
        on_click="ignore",
        icon=":material/download:",
    )
    return index
