"""The small model's pictures and captions: the same things drawn by several artists.

The pictures stand in the repository as one PNG sheet, so training and the lessons need nothing else.
`python -m lessons_lib.text_to_image.data --icons FOLDER` draws that sheet again from the npm packages named in SOURCES
(`npm pack NAME@VERSION`, unpacked side by side), which is the only thing that needs them, and resvg-py.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lessons_lib.places import CACHE

FOLDER = CACHE / "text_to_image"
SIZE = 64
COLUMNS = 32
STYLES = ("noto", "fluent", "twemoji")
SOURCES = {  # npm package and version, the artist's licence
    "noto": ("@iconify-json/noto", "1.2.9", "Apache-2.0"),
    "fluent": ("@iconify-json/fluent-emoji-flat", "1.2.6", "MIT"),
    "twemoji": ("@iconify-json/twemoji", "1.2.5", "CC BY 4.0"),
}
NAMES = ("emojibase-data", "17.0.0", "MIT")
HELD_OUT_EVERY = 16  # of the concept-and-style pairs, one in so many is never trained on: does the model compose?
GENERIC = "a high quality picture"


GLUE = ("a", "an", "the", "of", "in", "with", "and", "style", "drawing", "picture", "high", "quality", "photo", "emoji", *STYLES)

SHEET_PROMPTS = (
    "a rocket", "a skull", "a dog", "an old man", "a snowy mountain", "a pencil", "a castle", "a fire", "a man with a hat",
    "a cat in noto style", "a cat in twemoji style", "a cat in fluent style", "a strawberry", "a penguin", "a guitar",
    "a red car", "a pizza", "a rainbow", "a sunflower", "a house in fluent style",
)  # fmt: skip
"""What the trainer draws every few minutes, always from the same noise."""


@dataclass(frozen=True)
class Concept:
    """One thing the model can draw. `name` is its caption, `keywords` other words for it."""

    name: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pictures:
    """All pictures. images (N, 3, 64, 64) uint8; concept, style (N,) int64; held_out (N,) bool: never trained on."""

    images: Tensor
    concept: Tensor
    style: Tensor
    held_out: Tensor


@cache
def concepts() -> tuple[Concept, ...]:
    return tuple(Concept(c["name"], tuple(c["keywords"])) for c in json.loads((FOLDER / "concepts.json").read_text()))


@cache
def pictures() -> Pictures:
    """The shipped sheet, cut into pictures: concept after concept, each in every style."""
    n = len(concepts()) * len(STYLES)
    sheet = torch.from_numpy(np.array(Image.open(FOLDER / "pictures.png").convert("RGB")))
    rows = sheet.shape[0] // SIZE
    images = sheet.view(rows, SIZE, COLUMNS, SIZE, 3).permute(0, 2, 4, 1, 3).reshape(-1, 3, SIZE, SIZE)[:n].contiguous()
    i = torch.arange(n)
    concept, style = i // len(STYLES), i % len(STYLES)
    # a fixed scatter over the pairs, at most one style of a concept
    held_out = (concept * 7 + style * 5) % HELD_OUT_EVERY == 0
    return Pictures(images, concept, style, held_out)


def vocabulary() -> list[str]:
    """Every word the model has been taught, most needed first."""
    words = dict.fromkeys(GLUE)
    for c in concepts():
        words |= dict.fromkeys(c.name.lower().split())
    for c in concepts():
        words |= dict.fromkeys(c.keywords)
    words |= dict.fromkeys(GENERIC.split())
    return list(words)


def caption(concept: int, style: int | None) -> str:
    """The plain caption: "a rocket in twemoji style", or without the style."""
    name = concepts()[concept].name
    article = "" if name.endswith("s") and not name.endswith("ss") else "an " if name[0] in "aeiou" else "a "
    return f"{article}{name}" + (f" in {STYLES[style]} style" if style is not None else "")


def random_caption(concept: int, style: int, rng: random.Random) -> str:
    """A caption as people would write it: reordered, shortened, by a keyword, or (10%) empty."""
    u = rng.random()
    if u < 0.10:
        return ""
    if u < 0.14:
        return GENERIC
    c, artist = concepts()[concept], STYLES[style]
    name = rng.choice(c.keywords) + " " + c.name if c.keywords and rng.random() < 0.15 else c.name
    plain = caption(concept, None)
    return rng.choice((
        plain, plain, name, f"{plain} in {artist} style", f"{plain} in {artist} style", f"{artist} {name}",
        f"a {artist} drawing of {plain}", f"{name} in {artist} style", f"a drawing of {plain}", f"a picture of {plain}",
    ))  # fmt: skip


def _build(icons: Path) -> None:
    """Draw every concept in every style on white and write the sheet, the names and their keywords."""
    import io
    import re

    import resvg_py

    def package(name: str, file: str):
        found = sorted(icons.glob(f"{name.strip('@').replace('/', '-')}-*/package/{file}"))
        if not found:
            raise SystemExit(f"{name} is not in {icons}: run `npm pack {name}` there and unpack it")
        return json.loads(found[0].read_text())

    sets = {s: (package(SOURCES[s][0], "icons.json"), package(SOURCES[s][0], "chars.json")) for s in STYLES}
    entries = {e["label"]: e for e in package(NAMES[0], "en/data.json")}
    tiles, chosen = [], []
    for line in Path(__file__).with_name("concepts.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        label, _, name = (part.strip() for part in line.partition("="))
        entry, name = entries[label], name or label
        code = entry["hexcode"].lower()
        for style, (icon_set, chars) in sets.items():
            icon_name = chars.get(code) or chars.get(code.replace("-fe0f", "")) or chars.get(code + "-fe0f")
            if icon_name is None:
                raise SystemExit(f"{label} ({code}) is not drawn in {style}: take it out of concepts.txt")
            icon = icon_set["icons"].get(icon_name) or icon_set["icons"][icon_set["aliases"][icon_name]["parent"]]
            w, h = icon.get("width", icon_set["width"]), icon.get("height", icon_set["height"])
            side = max(w, h)  # a few icons are not square: centre them
            view = f"{(w - side) / 2} {(h - side) / 2} {side} {side}"
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}">{icon["body"]}</svg>'
            png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE, background="white"))
            tiles.append(np.array(Image.open(io.BytesIO(png)).convert("RGB")))
        words = set(re.findall(r"[a-z-]+", name.lower()))
        keywords = [k for t in entry.get("tags", []) if (k := t.lower()) not in words and re.fullmatch(r"[a-z]{3,12}", k)]
        chosen.append({"name": name, "keywords": keywords[:4]})
    rows = -(-len(tiles) // COLUMNS)
    sheet = np.full((rows * SIZE, COLUMNS * SIZE, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        r, c = divmod(i, COLUMNS)
        sheet[r * SIZE : (r + 1) * SIZE, c * SIZE : (c + 1) * SIZE] = tile
    FOLDER.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(FOLDER / "pictures.png", optimize=True)
    (FOLDER / "concepts.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in chosen) + "\n]\n")
    print(f"{len(chosen)} concepts in {len(STYLES)} styles: {len(tiles)} pictures")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.text_to_image.data", description=__doc__)
    parser.add_argument("--icons", type=Path, required=True, help="folder with the unpacked npm packages")
    _build(parser.parse_args().icons)
