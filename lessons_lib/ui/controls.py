"""Widgets whose value is part of the link, which a teacher can lock.

`?lock=seed,guidance_scale` fixes the named controls at what the link says; their labels are the argument names, so the
name to lock is the label. Widgets that mean the same in every lesson share one key and travel from page to page
(SHARED); all others belong to their page, because pages differ in what values they allow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from lessons_lib.models.names import TITLES, available
from lessons_lib.ui.typed import as_typed

SHARED = ("model", "seed")
MAX_SEED = 2**31 - 1


def key_of(page: str, name: str) -> str:
    """The widget's key and its name in the link."""
    return name if name in SHARED else f"{page}_{name}"


def locked(name: str) -> bool:
    """True if the link fixes this control."""
    return name in st.query_params.get("lock", "").replace(" ", "").split(",")


def _common(page: str, name: str, help: str | None) -> dict[str, Any]:
    return {"key": key_of(page, name), "bind": "query-params", "disabled": locked(name), "help": help}


def _within(value, low, high, default):
    """Clipped to the range, and the default for what is no number."""
    return default if math.isnan(value) else min(max(value, low), high)


def slider(page: str, name: str, low, high, value, step, *, help: str | None = None, format: str | None = None, label=None):
    """A number, clipped to its range whatever the link says. `label` where it is another than the name in the link."""
    common = _common(page, name, help) | {"disabled": locked(label or name)}
    chosen = st.slider(label or name, low, high, value, step, format=format, **common)
    return _within(chosen, low, high, value)


def select_slider(page: str, name: str, options: Sequence, value, *, help: str | None = None, format_func=str, label=None):
    """One of a few numbers in order. `label` where it is another than the name in the link."""
    common = _common(page, name, help) | {"disabled": locked(label or name)}
    chosen = st.select_slider(label or name, options, value, format_func=format_func, **common)
    return chosen if chosen in options else value


def choice(
    page: str, name: str, options: Sequence[str], *, default: str | None = None, help: str | None = None,
    label: str | None = None,
) -> str:  # fmt: skip
    """One of a few, as a row of buttons; never none. `label` where it is another than the name in the link."""
    default = default if default in options else options[0]
    chosen = st.segmented_control(
        label or name, options, default=default, required=True, wrap=True,
        **_common(page, name, help) | {"disabled": locked(label or name)},
    )  # fmt: skip
    return chosen if chosen in options else default


def select(
    page: str, name: str, options: Sequence[str], *, default: str | None = None, help: str | None = None,
    label: str | None = None,
) -> str:  # fmt: skip
    """One of many. `label` where it is another than the name in the link."""
    index = list(options).index(default) if default in options else 0
    common = _common(page, name, help) | {"disabled": locked(label or name)}
    chosen = st.selectbox(label or name, options, index, **common)
    return chosen if chosen in options else options[index]


def toggle(page: str, name: str, value: bool, *, help: str | None = None) -> bool:
    return st.toggle(name, value, **_common(page, name, help))


def text(page: str, name: str, value: str, *, help: str | None = None, max_chars: int = 200, label: str | None = None) -> str:
    common = _common(page, name, help) | {"disabled": locked(label or name)}
    return st.text_input(label or name, value, max_chars=max_chars, **common)[:max_chars]


def seed(value: int = 180) -> int:
    """The seed, shared by all lessons; 180 is the course's."""
    chosen = st.number_input(  # of floats: with whole numbers Streamlit ends the page on a link with seed=inf
        "seed", 0.0, float(MAX_SEED), float(value), 1.0, format="%.0f", key="seed", bind="query-params", disabled=locked("seed"),
        help="same seed, same noise, same picture",
    )  # fmt: skip
    return int(_within(chosen, 0, MAX_SEED, value))


def prompt(page: str, model, *, name: str = "prompt", default: str | None = None, help: str | None = None) -> str:
    """What to draw: a digit to choose for the digits model, words to type for the others."""
    default = default or model.prompts[0]
    if model.name == "mnist":
        return choice(page, f"{name}_digit", sorted(model.prompts), default=default, help=help, label=name)
    return text(page, name, default, help=help or as_typed("try: " + ", ".join(model.prompts[:8])))


def prompts_name(model) -> str:
    """The name in the link of the field that prompts() shows: digits and words are never mixed up."""
    return "prompts_digits" if model.name == "mnist" else "prompts"


def prompts(page: str, model, n: int = 3, *, at_most: int = 5) -> list[str]:
    """Several things to draw, typed with commas between them; the model's first n where nothing can be used."""
    default = list(model.prompts[:n])
    typed = text(page, prompts_name(model), ", ".join(default), help=f"up to {at_most}, with commas between", label="prompts")
    wanted = [p.strip() for p in typed.split(",") if p.strip()]
    if model.name == "mnist" and any(p not in model.prompts for p in wanted):
        st.caption(":orange[This model draws the digits 0 to 9: type some, with commas between.]")
        wanted = [p for p in wanted if p in model.prompts]
    return wanted[:at_most] or default


def model_name(names: Sequence[str] | None = None) -> str:
    """The chosen model's name; the picker stands in the sidebar and its choice travels with the link."""
    names = list(names or available())
    chosen = st.selectbox(
        "model", names, 0, key="model", bind="query-params", disabled=locked("model"),
        help="every lesson runs on the model chosen here",
    )  # fmt: skip
    st.caption(TITLES.get(chosen, chosen))
    return chosen
