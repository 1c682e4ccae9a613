"""Widgets whose value is part of the link, which a teacher can lock.

Every control has a name for people, its label, and the name of the argument it sets. The argument's name stands in its tooltip,
in the link, and in `?lock=seed,guidance_scale`, which fixes the controls named at what the link says. Controls that mean the
same in every lesson travel from page to page (view.SHARED); all others belong to their page, because pages differ in what values
they allow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import segno
import streamlit as st

from lessons_lib.catalogue import LESSONS, Lesson
from lessons_lib.errors import LessonsError
from lessons_lib.files import links
from lessons_lib.files.typed import as_typed, in_one_line
from lessons_lib.models.names import TITLES, available
from lessons_lib.ui import room, view

MAX_SEED = 2**31 - 1
LABELS = {
    "t": "how much noise: t",
    "optimizer": "optimiser",
    "diffusion_steps": "number of steps, diffusion",
    "sampler": "how the diffusion network is walked",
    "guidance": "the plot",
    "t_fraction": "how far along the noising: t / T",
    "i_start": "start after: i_start",
    "schedule": "how the noise grows",
    "size": "height and width, pixels",
    "picture": "picture",
    "emoji": "which emoji",
    "photo": "which photo",
    "digit": "which digit",
    "example": "which example of it",
    "input": "where the digit comes from",
    "pen": "colour of the pen",
    "pen_width": "width of the pen",
    "mask": "what is made anew",
    "tool": "paint it with",
    "seed": "seed of the noise",
    "model": "model",
    "prompt": "prompt",
    "prompts": "prompts",
    "turned_prompt": "prompt for the turned picture",
    "far_prompt": "prompt from afar",
    "near_prompt": "prompt from near",
    "from_prompt": "from this prompt",
    "to_prompt": "to this prompt",
    "with_prompt": "follow a prompt",
    "resamplings": "how often each move is walked",
    "guide_from": "guidance on below this t",
    "guide_to": "guidance on above this t",
    "best_first": "sort by the judge's reading",
    "guidance_scale": "strength of guidance",
    "clip_x0": "keep the guess within range",
    "eta": "fresh noise at each step: eta",
    "stride": "timesteps between two steps",
    "num_inference_steps": "number of steps",
    "variance_type": "how much noise is put back",
    "noise_level": "noise on the enlarged picture",
    "num_images": "number of pictures",
    "view": "how the picture is turned",
    "sigma": "how much noise: sigma",
    "kernel_size": "size of the blur's window, pixels",
    "keep": "which to keep",
    "search": "find a word",
    "first_share": "share in the first picture",
    "last_share": "share in the last picture",
    "logo_far": "prompt from afar",
    "logo_near": "prompt from near",
    "logo_sigma": "width of the blur: sigma",
    "stage2": "enlarge it with the second network",
    "network": "network",
    "num_hiddens": "width of the network: D",
    "cut_28": "cut the skip connection at 28 x 28",
    "cut_14": "cut the skip connection at 14 x 14",
    "cut_7": "cut the skip connection at 7 x 7",
    "block": "block",
    "class": "digit it is told",
    "place": "where it enters",
    "epoch": "how long it was trained",
    "weights": "network",
    "train_on": "pictures to learn from",
    "row": "row",
    "column": "column",
    "step": "step",
    "plot": "what is plotted",
    "lie": "what the network is told",
    "amount": "how large the lie is",
    "convention": "whose names are used",
    "case": "case",
    "preset": "settings of",
    "epochs": "passes over the digits: epochs",
    "batch_size": "digits a step",
    "lr": "learning rate",
    "num_digits": "number of digits",
    "change": "what is done to a word",
    "year": "the course's year",
    "calls": "calls of the network",
    "looks": "looks ahead a move",
    "back_as": "walked back as which digit",
}
"""What a control is called on the page, by the name of its argument. A page may call it otherwise."""


def key_of(page: str, name: str) -> str:
    """The widget's key."""
    return name if name in view.SHARED else f"{page}_{name}"


def locked(argument: str) -> bool:
    """True if the link fixes this control."""
    return argument in view.locks()


def peek(page: str, name: str, argument: str | None = None) -> Any:
    """What a control that is drawn further down is set to, as text or as itself; None for its default."""
    return view.peek(key_of(page, name), argument or name)


def _draw(
    widget: Callable,
    page: str,
    name: str,
    default: Any,
    parse: Callable,
    fits: Callable,
    *,
    argument: str | None,
    label: str | None,
    help: str | None,
    text: Callable[[Any], str] = view.as_text,
    own: Callable[[Any], dict] = lambda value: {"value": value},
    **how,
) -> Any:
    """Draw one widget, its value taken from the link, from before, or its default. Returns the value.

    argument: the name in link and tooltip, where the key has another, such as one for each model. label: for people.
    parse, fits: see view.prepare(). text: the value as it stands in the link. own: the value as the widget's own default. The
    browser falls back on that where a rerun overtakes the message that sets the value; without it, it shows another than is used.
    """
    key, argument = key_of(page, name), argument or name
    view.prepare(key, argument, default, parse, fits)
    how |= own(st.session_state[key])
    named = f"`{argument}` in code and link" + (f": {help}" if help else "")
    value = widget(
        label or LABELS.get(argument, argument), key=key, disabled=locked(argument), help=named, on_change=view.touch, **how
    )
    try:
        value = fits(value)
    except (ValueError, TypeError, OverflowError):
        value = default
    view.drew(key, argument, value, text(value))
    return value


def _number(low, high) -> Callable[[Any], Any]:
    def fits(value):
        if math.isnan(float(value)):
            raise ValueError("not a number")
        inside = min(max(float(value), low), high)
        return round(inside) if isinstance(low, int) else inside

    return fits


def slider(
    page: str,
    name: str,
    low,
    high,
    value,
    step,
    *,
    label: str | None = None,
    argument: str | None = None,
    help: str | None = None,
    format: str | None = None,
):
    """A number, clipped to its range whatever the link says."""
    how = {"min_value": low, "max_value": high, "step": step, "format": format}
    return _draw(st.slider, page, name, value, float, _number(low, high), argument=argument, label=label, help=help, **how)


def _one_of(options: Sequence, words: Callable[[Any], str] = str) -> tuple[Callable[[str], Any], Callable[[Any], Any]]:
    """(parse, fits) for one of the options: a link holds it as view.as_text() says it, or as it is shown; one written by hand
    may spell a number otherwise (2e-3 for 0.002), or in other letters, small or capital."""
    named = {**{words(o): o for o in options}, **{str(o): o for o in options}, **{view.as_text(o): o for o in options}}

    def parse(text: str):
        if text in named:
            return named[text]
        written = text.strip().casefold()
        alike = [o for name, o in named.items() if name.casefold() == written]
        with suppress(ValueError):
            alike += [o for o in options if type(o) in (int, float) and o == float(written)]
        if not alike:
            raise ValueError(f"{text[:40]!r} is none of the options")
        return alike[0]

    def fits(value):
        if value not in options:
            raise ValueError("none of the options")
        return value

    return parse, fits


def select_slider(
    page: str,
    name: str,
    options: Sequence,
    value,
    *,
    label: str | None = None,
    argument: str | None = None,
    help: str | None = None,
    format_func=str,
):
    """One of a few in order."""
    parse, fits = _one_of(options, format_func)
    how = {"options": options, "format_func": format_func}
    return _draw(st.select_slider, page, name, value, parse, fits, argument=argument, label=label, help=help, **how)


def choice(
    page: str,
    name: str,
    options: Sequence[str],
    *,
    default: str | None = None,
    label: str | None = None,
    argument: str | None = None,
    help: str | None = None,
) -> str:
    """One of a few, as a row of buttons; never none."""
    default = default if default in options else options[0]
    how = {"options": options, "required": True, "wrap": True, "own": lambda value: {"default": value}}
    parse, fits = _one_of(options)
    return _draw(st.segmented_control, page, name, default, parse, fits, argument=argument, label=label, help=help, **how)


def select(
    page: str,
    name: str,
    options: Sequence[str],
    *,
    default: str | None = None,
    label: str | None = None,
    argument: str | None = None,
    help: str | None = None,
    format_func: Callable[[str], str] = str,
) -> str:
    """One of many. format_func: what people read in the place of an option."""
    default = default if default in options else options[0]
    parse, fits = _one_of(options)
    how = {"options": options, "format_func": format_func, "own": lambda value: {"index": list(options).index(value)}}
    return _draw(st.selectbox, page, name, default, parse, fits, argument=argument, label=label, help=help, **how)


def toggle(
    page: str, name: str, value: bool, *, label: str | None = None, argument: str | None = None, help: str | None = None
) -> bool:
    """On or off; in a link true or false, as 1 or 0, yes or no, on or off are understood."""
    parse, _ = _one_of((False, True))
    also = {"1": "true", "yes": "true", "on": "true", "0": "false", "no": "false", "off": "false"}

    def read(text: str) -> bool:
        return parse(also.get(text.strip().lower(), text))

    return _draw(st.toggle, page, name, value, read, bool, argument=argument, label=label, help=help)


def text(
    page: str,
    name: str,
    value: str,
    *,
    label: str | None = None,
    argument: str | None = None,
    help: str | None = None,
    max_chars: int = 300,
) -> str:
    """Words. What a link says beyond max_chars is left out, and that is told."""
    how = {"max_chars": max_chars, "argument": argument, "label": label, "help": help}
    wanted = view.peek(key_of(page, name), argument or name)
    typed = _draw(st.text_input, page, name, value, str, lambda v: in_one_line(str(v))[:max_chars], **how)
    if isinstance(wanted, str) and len(wanted) > max_chars:
        st.caption(f":orange[The link has {len(wanted)} characters here; the first {max_chars} are used.]")
    return typed


def of_component(page: str, name: str, default: Any, read: Callable[[str], Any], text: Callable[[Any], str]) -> Any:
    """A control that a component draws in the browser: what the link says, what take() noted, or its default. Returns it.

    Args: read: the text in a link -> a value in range; ValueError if it is none. text: the other way round.
    """
    key = key_of(page, name)
    view.prepare(key, name, default, read, lambda value: read(text(value)))
    value = st.session_state[key]
    view.drew(key, name, value, text(value))
    return value


def take(page: str, name: str, value: Any) -> None:
    """Note what a component's control was moved to: in a callback, before the page runs again."""
    st.session_state[key_of(page, name)] = value


def seed(value: int = 180) -> int:
    """The seed, shared by all lessons; 180 is the course's."""
    how = {"min_value": 0, "max_value": MAX_SEED, "step": 1, "help": "same seed, same noise, same picture"}
    return _draw(st.number_input, "", "seed", value, float, _number(0, MAX_SEED), argument=None, label=None, **how)


def prompt(
    page: str, model, *, name: str = "prompt", default: str | None = None, label: str | None = None, help: str | None = None
) -> str:
    """What to draw: a digit to choose for the digits model, words to type for the others."""
    default, how = default or model.prompts[0], {"label": label, "argument": name}
    if model.prompt_kind == "digit":
        return choice(page, f"{name}_digit", sorted(model.prompts), default=default, help=help, **how)
    return text(page, name, default, help=help or "try " + ", ".join(as_typed(p) for p in model.prompts[:8]), **how)


def prompts_name(model) -> str:
    """The key of the field that prompts() shows: digits and words are never mixed up."""
    return "prompts_digits" if model.prompt_kind == "digit" else "prompts"


def prompts(page: str, model, n: int = 3, *, at_most: int = 5) -> list[str]:
    """Several things to draw, typed with commas between them; the model's first n where nothing can be used."""
    default = list(model.prompts[:n])
    help = f"up to {at_most}, with commas between"
    typed = text(page, prompts_name(model), ", ".join(default), help=help, argument="prompts")
    wanted = [p.strip() for p in typed.split(",") if p.strip()]
    if model.prompt_kind == "digit" and any(p not in model.prompts for p in wanted):
        st.caption(":orange[This model draws the digits 0 to 9: type some, with commas between.]")
        wanted = [p for p in wanted if p in model.prompts]
    if not wanted:
        st.caption(f":orange[Nothing is typed that can be drawn:] until then, {as_typed(', '.join(default))}.")
    elif len(wanted) > at_most:
        st.caption(f":orange[The first {at_most} of {len(wanted)} are drawn.]")
    return wanted[:at_most] or default


def model_name(names: Sequence[str] | None = None) -> str:
    """The chosen model's name; the picker stands in the sidebar and its choice travels with the link."""
    names = list(names or available())
    chosen = select("", "model", names, help="every lesson runs on the model chosen here")
    st.caption(TITLES.get(chosen, chosen))
    return chosen


# --- what a page still waits for ----------------------------------------------------------------------------------------

_for: ContextVar[str] = ContextVar("waiting_for", default="")


def begin() -> None:
    """A page starts: nothing is missing yet."""
    _for.set("")


def wait(sentence: str) -> None:
    """The page misses something; the sentence says what, and how to give it."""
    _for.set(sentence)


def waiting() -> str:
    """Why Run cannot be pressed; "" if it can."""
    return _for.get()


# --- a link for a class -------------------------------------------------------------------------------------------------


def qr(address: str, wide: int = 260) -> None:
    """An address as a QR code: black on white in either theme, with the quiet zone that readers need."""
    url = segno.make(address, error="m").svg_data_uri(scale=8, border=4, dark="#000", light="#fff")
    st.image(url, alt=f"QR code of {address}", width=wide)


def _site() -> str:
    """The address of the app itself, ending in "/"."""
    parts = urlsplit(st.context.url or "http://localhost:8501/")
    folder = parts.path.rsplit("/", 1)[0] + "/"
    return f"{parts.scheme}://{parts.netloc}{folder}"


def address_of(this: Lesson, query: dict[str, str]) -> str:
    """A short address that opens this view; the whole one where it cannot be kept."""
    try:
        return f"{_site()}?c={links.keep(this.slug, urlencode(query))}"
    except (ValueError, OSError, LessonsError):
        return f"{_site()}{this.page}?{urlencode(query)}"


def class_link(this: Lesson) -> None:
    """The popover at a page's foot."""
    v = view.view()
    now = view.link(this.slug)
    names = {argument: LABELS.get(argument, argument) for key, argument in v.keys.get(this.slug, {}).items() if key in v.here}
    place = st.popover("Link for a class", icon=":material/groups:", key=f"{this.slug}_link_for_class", on_change="rerun")
    if not place.open:
        return  # a code is kept for a link that somebody wants, not for every view
    with place:
        known = [name for name in view.locks() if name in names]
        locked = st.multiselect(
            "locked at what they are now", list(names), default=known, format_func=names.get, key=f"{this.slug}_class_lock"
        )
        projected = st.toggle("opens on the projector's stage", key=f"{this.slug}_class_present")
        hidden = st.toggle(
            "without formulas and code that Check my code asks for",
            value=now.get("solutions") == "0",
            key=f"{this.slug}_class_solutions",
        )
        query = {k: x for k, x in now.items() if k not in ("lock", "present", "solutions", "notes", *view.OWN)}
        query |= {"lock": ",".join(locked)} if locked else {}
        query |= {"present": "1"} if projected else {}
        query |= {"solutions": "0"} if hidden else {}
        address = address_of(this, query)
        st.code(address, language=None)
        qr(address)
        room.builder(_site())
        if "localhost" in address or "127.0.0.1" in address:
            st.caption(
                "This address opens on this machine alone. For a class start the app with `--server.address 0.0.0.0` and open it by "
                "the machine's own address."
            )


def follow(code: str) -> tuple[str, dict[str, str]] | None:
    """(slug, query) behind a short address, for switch_page; None if it is not known."""
    found = links.find(code)
    if found is None or found[0] not in {x.slug for x in LESSONS}:  # a lesson of another version
        return None
    query = parse_qsl(found[1], keep_blank_values=True)
    return found[0], {k: x for k, x in query if k.lower() not in view.NEVER}
