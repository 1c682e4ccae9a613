"""The contact sheet: several results side by side, best first; choose one to keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib.pictures import enlarge, tiled, to_png
from lessons_lib.ui import controls
from lessons_lib.ui.parts import pictures_in_a_row


def contact_sheet(
    page: str, model: str, batch: np.ndarray, captions: Sequence[str], scores: Sequence[float] | None, about: dict, alt: str,
    *, seeds: Sequence[int] | None = None,
) -> int:  # fmt: skip
    """Show (B, C, H, W) uint8 sorted by score, highest first, let one be chosen, offer it as PNG. Returns its index in the batch.

    page, model: whose choice it is; like any control's value it stands in the link. about: written into the PNG; with seeds,
    the picture's own seed instead of the first one's.
    """
    order = list(range(len(batch))) if scores is None else sorted(range(len(batch)), key=lambda i: -scores[i])
    numbered = [f"{place + 1}. {captions[i]}" for place, i in enumerate(order)]
    pictures_in_a_row(batch[order], numbered, alt, wide=150)
    chosen = 1
    if len(batch) > 1:
        numbers = [str(place + 1) for place in range(len(batch))]
        help = "choose by number; best first" if scores is not None else "choose by number"
        chosen = int(controls.choice(page, f"keep_{model}", numbers, label="keep", help=help))
    index = order[chosen - 1]

    def png() -> bytes:
        own = {"seed": seeds[index], "num_images": 1} if seeds is not None else {}
        text = {**about, **own, "picture": captions[index]}
        return to_png(enlarge(Image.fromarray(tiled(batch[index : index + 1], 1)), 512), text)

    name = f"{page}-keep-{model}"
    st.download_button(
        f"Keep number {chosen} (PNG)", png, f"{name}.png", "image/png", key=name, on_click="ignore", icon=":material/download:"
    )
    return index
