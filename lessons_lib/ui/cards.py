"""The picture on each lesson's card: three small ones that tell the lesson's story, from what was kept. Without torch."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib import kept
from lessons_lib.film import OPENINGS, Film, opening_path
from lessons_lib.pictures import picture_of, to_data_url

Tiles = tuple[str, list[np.ndarray]]  # alt text; pictures (C, H, W) uint8 of one size


def card(slug: str) -> tuple[str, str] | None:
    """(data URL, alt text) of a lesson's three pictures side by side; None where nothing is kept for it."""
    changed = max((f.stat().st_mtime_ns for f in OPENINGS.iterdir()), default=0) if OPENINGS.exists() else 0
    return _card(slug, changed)


@st.cache_resource(max_entries=64, show_spinner=False)
def _card(slug: str, changed: int) -> tuple[str, str] | None:
    made = kept.card(slug)
    if made is not None:
        return "data:image/png;base64," + base64.b64encode(made[0]).decode(), made[1]
    try:
        alt, tiles = CARDS[slug]()
        return to_data_url(picture_of(np.stack(tiles), len(tiles))), alt
    except (KeyError, IndexError, OSError, ValueError, AttributeError):  # nothing kept, or kept by another version
        return None


def _film(name: str, model: str = "emoji") -> Film:
    film = Film.load(opening_path(name, model))
    if film is None:
        raise OSError(f"nothing kept for {name}")
    return film


def _mixed(x: np.ndarray, share: float, noise_share: float) -> np.ndarray:
    """share of a picture and noise_share of Gaussian noise, as uint8; both in [-1, 1] before."""
    noise = np.random.default_rng(180).standard_normal(x.shape)
    return ((share * (x / 127.5 - 1) + noise_share * noise).clip(-1, 1) * 127.5 + 127.5).astype(np.uint8)


def _clean(film: Film) -> np.ndarray:
    """The clean picture that a film is about, as uint8."""
    return ((film.x0.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)


def _forward() -> Tiles:
    x0 = _clean(_film("sdedit"))
    alphas = (0.9, 0.3)
    return "a dog, with some noise, and nearly lost in it", [x0, *(_mixed(x0, a**0.5, (1 - a) ** 0.5) for a in alphas)]


def _denoise() -> Tiles:
    film = _film("denoise")
    return "a noisy dog, cleaned in one step, and in many", [film.xt[0][0], film.x0_hat[0][0], film.final[0]]


def _sampling() -> Tiles:
    film = _film("sampling_guided")
    return f"noise, half way, and {film.about['prompt']}", [film.xt[0][0], film.xt[len(film) // 2][0], film.final[0]]


def _guidance() -> Tiles:
    film = _film("guidance")
    return "one noise at guidance 0, 3 and 15", [film.final[i] for i in (0, 2, 5)]


def _sdedit() -> Tiles:
    film = _film("sdedit")
    return "a dog, made anew after little noise, and after much", [_clean(film), film.final[5], film.final[2]]


def _inpainting() -> Tiles:
    film = _film("inpainting")
    x0 = _clean(film)
    hole = x0.copy()
    hole[:, : x0.shape[1] // 2] = 190
    return f"a dog, its top half taken away, and made anew as {film.about['prompt']}", [x0, hole, film.final[0]]


def _anagrams() -> Tiles:
    film = _film("anagrams")
    turned = film.final[4][:, ::-1, ::-1]
    return f"one picture as it is, {film.about['prompt']}, and turned, {film.about['turned_prompt']}", [film.final[4], turned]


def _hybrids() -> Tiles:
    film = _film("hybrids")
    near = film.final[0]
    small = np.asarray(Image.fromarray(near.transpose(1, 2, 0)).resize((12, 12), Image.Resampling.BOX)).transpose(2, 0, 1)
    far = np.full_like(near, 255)
    far[:, 10:22, 10:22] = small
    return f"from near, {film.about['near_prompt']}; small, as from afar, {film.about['far_prompt']}", [near, far]


def _prompts() -> Tiles:
    film = _film("prompts")
    about = film.about
    return f"from {about['from_prompt']} to {about['to_prompt']}, by way of a mixture", [film.final[i] for i in (0, 3, 6)]


def _unet() -> Tiles:
    film = _film("unet", "mnist")
    return f"three {film.about['pictures']}, of a {film.about['digit']}", [film.final[i] for i in (0, 3, 4)]


def _train() -> Tiles:
    samples = json.loads((OPENINGS / "train.json").read_text())["samples"]
    rows = [np.asarray(Image.open(io.BytesIO(base64.b64decode(s["picture"].partition(",")[2]))).convert("L")) for s in samples]
    return "a 0 as drawn early in a training, later, and last", [rows[i][None, :28, :28] for i in (0, 1, -1)]


def _one_step() -> Tiles:
    film = _film("one_step", "mnist")
    return "a noisy 7, cleaned in one go, and the original", [film.final[i] for i in (0, 3, 1)]


def _out_of_its_depth() -> Tiles:
    film = _film("out_of_its_depth", "mnist")
    return "a 7, under more noise than was trained on, and what is made of it", [film.final[i] for i in (0, 1, 2)]


def _time() -> Tiles:
    film = _film("time", "mnist")
    return "noise, half way, and a digit", [film.xt[0][2], film.xt[len(film) // 2][2], film.final[2]]


def _class() -> Tiles:
    film = _film("class", "mnist")
    return "a 1, a 2 and a 3, each as asked for", [film.final[i] for i in (1, 2, 3)]


def _flow() -> Tiles:
    try:
        film = _film("flow", "mnist")
        tiles = [film.xt[0][2], film.xt[len(film) // 2][2], film.final[2]]
    except OSError:
        x = _film("class", "mnist").final[2]
        tiles = [_mixed(x, t, 1 - t) for t in (0.0, 0.5, 1.0)]
    return "noise, the middle of the road, and a 2", tiles


def _hand_in() -> Tiles:
    pictures = [_film("inpainting").final[0], _film("sdedit").final[5], _film("guidance").final[3]]
    return "pictures from three lessons, side by side", [p[:, 2:30, 2:30] for p in pictures]


CARDS = {
    "forward": _forward, "denoise": _denoise, "sampling": _sampling, "guidance": _guidance, "sdedit": _sdedit,
    "inpainting": _inpainting, "anagrams": _anagrams, "hybrids": _hybrids, "prompts": _prompts, "unet": _unet, "train": _train,
    "one_step": _one_step, "out_of_its_depth": _out_of_its_depth, "time": _time, "class": _class, "flow": _flow,
    "hand_in": _hand_in,
}  # fmt: skip
