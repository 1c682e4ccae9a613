"""Pictures that change under the hand, in the browser alone: turned for anagrams, shrunk for hybrids, mixed for blends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lessons_lib.files.pictures import picture_of, to_data_url
from lessons_lib.ui import save
from lessons_lib.ui.components import component

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
