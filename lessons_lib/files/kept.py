"""What the pages open with, beside films: measurements as JSON and the lessons' cards as PNG. Without torch."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from lessons_lib.files.film import OPENINGS, Film, opening_path
from lessons_lib.files.pictures import picture_of


@dataclass(frozen=True, eq=False)
class Card:
    """A lesson's thumbnail: a few small pictures that tell its story. tiles: (C, H, W) uint8, all of one size."""

    alt: str
    tiles: list[np.ndarray]


def film(name: str, model: str) -> Film:
    """A kept film. Raises OSError if none is kept, or it cannot be read."""
    found = Film.load(opening_path(name, model))
    if found is None:
        raise OSError(f"no film {name} is kept for {model}")
    return found


def film_or_none(name: str, model: str) -> Film | None:
    """A kept film, or None."""
    return Film.load(opening_path(name, model))


def measure_path(name: str, model: str) -> Path:
    return OPENINGS / f"measure-{name}-{model}.json"


def measure(name: str, model: str) -> dict | None:
    """{"rows", "made", "command", "seconds", "about", "weights"} of a measure as it was last kept, or None."""
    try:
        return json.loads(measure_path(name, model).read_text())
    except (OSError, ValueError):
        return None


def keep_measure(
    name: str, model: str, rows: list[dict], *, started: float, command: str, about: str, weights: dict[str, str]
) -> None:
    """Keep what was measured since time.monotonic() was `started`, with the day, the command that repeats it, and the SHA-256 of
    every file of weights that answered, the judge's among them: so a test finds a measure that is older than what ships."""
    rows = [{k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    seconds = round(time.monotonic() - started, 1)
    report = {
        "made": time.strftime("%Y-%m-%d"),
        "command": command,
        "seconds": seconds,
        "about": about,
        "weights": weights,
        "rows": rows,
    }
    path = measure_path(name, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1))


def card_path(slug: str) -> Path:
    return OPENINGS / f"card-{slug}.png"


def keep_card(slug: str, card: Card) -> int:
    """Draw a lesson's card and keep it, its alt text inside the PNG. Returns the file's size in bytes."""
    about = PngImagePlugin.PngInfo()
    about.add_itxt("Description", card.alt)
    n = len(card.tiles)
    picture = picture_of(np.stack(card.tiles), n)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=about, optimize=True)
    card_path(slug).parent.mkdir(parents=True, exist_ok=True)
    card_path(slug).write_bytes(buffer.getvalue())
    return len(buffer.getvalue())


def card(slug: str) -> tuple[bytes, str] | None:
    """(PNG, alt text) of a lesson's card, or None if none is kept."""
    try:
        data = card_path(slug).read_bytes()
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return data, picture.text["Description"]
    except (OSError, KeyError, ValueError, SyntaxError):
        return None
