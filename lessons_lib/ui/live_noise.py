"""A picture that follows the slider of t while it is dragged: the browser mixes x0 and eps itself."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence

import numpy as np
import streamlit as st
from torch import Tensor

from lessons_lib.maths.schedule import Schedule
from lessons_lib.ui.components import component

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
) -> None:
    """Draw x_t over picture `index` of a row, as the slider stands, and its numbers below. No request while it is dragged.

    Args: x0, eps: (1, C, H, W). slider: the key of t's slider. row: the key of the row of pictures (pictures.in_a_row). caption: of
    the picture, with "{t}" for the timestep. ts: the timestep at each of the slider's places, which begin at `low`, `step` apart; by default
    the slider is t itself. numbers: show alpha_bar, SNR and correlation. The arrays are sent once a session; a browser that has lost them asks.
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
