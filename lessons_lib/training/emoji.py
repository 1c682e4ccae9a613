"""What the small model learns from: 314 things by seven artists and in two media, and the captions that name them.

The seven artists' drawings stand in the repository as one lossless WebP sheet each, 128 pixels a thing; the media, oil painting and
lithograph, are filters over them. Nothing else is needed to train. `python -m lessons_lib.training.emoji --icons FOLDER` draws the
sheets again from the npm packages in ARTISTS (`npm pack NAME@VERSION`, each unpacked into its own folder); only that needs resvg-py.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from lessons_lib.models import prompts
from lessons_lib.models.prompts import COLOUR, COURSE_PROMPTS, MEDIA, STYLES, concepts
from lessons_lib.places import CACHE

FOLDER = CACHE / "text_to_image"
SHEETS = FOLDER / "pictures"
SIZE = 128  # as drawn; stage 1 learns from half of it
COLUMNS = 16


@dataclass(frozen=True)
class Artist:
    """Where an artist's drawings come from: npm package, version, licence, whose they are."""

    package: str
    version: str
    licence: str
    credit: str


ARTISTS = {  # by the word that captions have for them
    "noto": Artist("@iconify-json/noto", "1.2.9", "Apache-2.0", "Noto Emoji, Google"),
    "fluent": Artist("@iconify-json/fluent-emoji-flat", "1.2.6", "MIT", "Fluent Emoji, flat, Microsoft"),
    "twemoji": Artist("@iconify-json/twemoji", "1.2.5", "CC BY 4.0", "Twemoji, Twitter and contributors"),
    "shaded": Artist("@iconify-json/fluent-emoji", "1.2.7", "MIT", "Fluent Emoji, Microsoft"),
    "blob": Artist("@iconify-json/noto-v1", "1.2.5", "Apache-2.0", "Noto Emoji before 2018, Google"),
    "emojione": Artist("@iconify-json/emojione", "1.2.3", "CC BY 4.0", "EmojiOne 2.3, EmojiOne"),
    "ink": Artist("@iconify-json/fluent-emoji-high-contrast", "1.2.6", "MIT", "Fluent Emoji, high contrast, Microsoft"),
}
WEIGHTS = (0.40, 0.07, 0.07, 0.07, 0.07, 0.07, 0.05, 0.10, 0.10)
"""How often a style is drawn in training. The first artist's leads: a thing is known once one drawing of it was seen some two hundred
times at much noise (the first generation's were), and all 5,408 pictures alike would take more than a million pictures for that."""
LEAD = 0.5  # of a medium's pictures, how often it is one made from the first artist's
ALIKE = (0.13, 0.13, 0.13, 0.13, 0.13, 0.13, 0.06, 0.08, 0.08)
"""As the first 114,336 pictures were drawn, and as the pictures are chosen that losses are compared on."""
NAMES = ("emojibase-data", "17.0.0", "MIT")

LEFT_OUT = {"blob": ("red car", "blue car")}  # drawn there in another colour than their name says
HELD_OUT_EVERY = 16  # of the pairs of thing and style, one in so many is never trained on: does the model compose?
HELD_OUT_TOO = (("penguin", "oil painting"),)

SHEET_PROMPTS = (
    "a rocket",
    "a skull",
    "a dog",
    "an old man",
    "a snowy mountain",
    "a pencil",
    "a castle",
    "a fire",
    "a man with a hat",
    "a cat",
    "a penguin in twemoji style",
    "a guitar in shaded style",
    "a red car in blob style",
    "a pizza in ink style",
    "a strawberry",
    "an oil painting of a snowy mountain",
    "an oil painting of a penguin",
    "an oil painting of an old man",
    "a lithograph of a skull",
    "a lithograph of a house",
)
"""What the trainer draws now and then, always from the same noise. The oil painting of a penguin is held out."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of one size.

    images (N, 3, size, size) uint8; concept, style, artist (N,) int64, the artist being who drew what a medium was made from;
    held_out (N,) bool: never trained on.
    """

    images: Tensor
    concept: Tensor
    style: Tensor
    artist: Tensor
    held_out: Tensor

    def __getitem__(self, chosen) -> Pictures:
        """Some of them, by a mask or by indices."""
        return Pictures(*(getattr(self, k)[chosen] for k in ("images", "concept", "style", "artist", "held_out")))


def held_out(concept: Tensor, style: Tensor) -> Tensor:
    """Whether a pair of thing and style is never trained on: a fixed scatter over the pairs, at most one style of a thing but for
    those in HELD_OUT_TOO. What the course asks for is always trained on. (N,) bool."""
    held = (concept * 7 + style * 5) % HELD_OUT_EVERY == 0
    number = {c.name: i for i, c in enumerate(concepts())}
    for name, word in HELD_OUT_TOO:
        held |= (concept == number[name]) & (style == STYLES.index(word))
    for prompt in COURSE_PROMPTS.values():
        for medium in MEDIA:
            if prompt.startswith(f"a {medium} of") or prompt.startswith(f"an {medium} of"):
                held &= ~((concept == prompts.thing_in(prompt)) & (style == STYLES.index(medium)))
    return held


# ---------------------------------------------------------------- media


def _sum(x: Tensor, side: int, dim: int) -> Tensor:
    """Sums of `side` neighbours along a dimension, which gets side - 1 shorter: by shifted copies, ten times as fast as pooling."""
    n = x.shape[dim] - side + 1
    total = x.narrow(dim, 0, n).clone()
    for i in range(1, side):
        total += x.narrow(dim, i, n)
    return total


def _box(x: Tensor, side: int) -> Tensor:
    """The mean of side x side pixels to the lower right of each, (B, C, H, W) -> the same with side - 1 fewer."""
    return _sum(_sum(x, side, -2), side, -1).div_(side**2)


def kuwahara(x: Tensor, radius: int = 4) -> Tensor:
    """Each pixel becomes the mean of that of its four quadrants which varies least: flat strokes with sharp edges.

    Args: x (B, 3, H, W) float. Source: Kuwahara et al. 1976.
    """
    side, (h, w) = radius + 1, x.shape[-2:]
    padded = pad(x, (radius,) * 4, mode="replicate")
    mean = _box(padded, side)
    variance = (_box(padded.square(), side) - mean.square()).sum(1, keepdim=True)
    best = least = None
    for y in (0, radius):
        for z in (0, radius):
            m, v = mean[..., y : y + h, z : z + w], variance[..., y : y + h, z : z + w]
            if best is None:
                best, least = m.clone(), v.clone()
            else:
                better = v < least
                best, least = torch.where(better, m, best), torch.where(better, v, least)
    return best


def oil_painting(x: Tensor, seeds: list[int]) -> Tensor:
    """x (B, 3, 128, 128) in [0, 1] as painted: on a warm canvas, in strokes. Each picture's own seed draws its brush noise."""
    white = x.amin(1, keepdim=True).clamp(0.8, 1).sub(0.8).div(0.2)  # 1 where there is bare paper
    canvas = torch.tensor([0.90, 0.82, 0.66]).view(1, 3, 1, 1)
    x = x * 0.96 * (1 - white) + canvas * white
    h, w = x.shape[-2:]
    noise = torch.stack([torch.randn(1, h, w, generator=torch.Generator().manual_seed(s)) for s in seeds])
    strokes = _sum(pad(noise, (6, 6, 0, 0), mode="reflect"), 13, -1) / 13**0.5  # smoothed along one axis
    return kuwahara(x + 0.10 * strokes).clamp(0, 1)


def lithograph(x: Tensor) -> Tensor:
    """x (B, 3, 128, 128) in [0, 1] as printed from stone: hatched where dark, outlined where it changes, black on off-white paper."""
    grey = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    h, w = grey.shape[-2:]
    y, z = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    one, other = ((y + z) % 6 < 2), ((y - z) % 6 < 2)
    ink = (one & (grey < 0.75)) | (other & (grey < 0.5)) | (grey < 0.16)
    smooth = _box(pad(x, (1, 1, 1, 1), mode="replicate"), 3)
    padded = pad(smooth, (1, 1, 1, 1), mode="replicate")
    dx = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    dy = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    outline = (dx.square() + dy.square()).sum(1, keepdim=True).sqrt() > 0.09
    drawn = (ink | outline).float()
    paper, black = (torch.tensor(c).view(1, 3, 1, 1) for c in ([0.96, 0.94, 0.89], [0.09, 0.08, 0.08]))
    return paper * (1 - drawn) + black * drawn


# ---------------------------------------------------------------- reading


def halved(images: Tensor) -> Tensor:
    """(N, 3, 2h, 2w) uint8 -> (N, 3, h, w) uint8, by Lanczos."""
    h, w = images.shape[-2] // 2, images.shape[-1] // 2
    made = np.empty((len(images), h, w, 3), np.uint8)
    for i, x in enumerate(images.permute(0, 2, 3, 1).contiguous().numpy()):
        made[i] = Image.fromarray(x).resize((w, h), Image.Resampling.LANCZOS)
    return torch.from_numpy(made).permute(0, 3, 1, 2).contiguous()


@cache
def about() -> dict:
    """sheets.json: for each artist which things stand on the sheet, in their order."""
    return json.loads((SHEETS / "sheets.json").read_text())


def sheet(word: str) -> tuple[Tensor, Tensor]:
    """An artist's sheet, cut into pictures: (n, 3, 128, 128) uint8 and which things they are, (n,) int64."""
    number = {c.name: i for i, c in enumerate(concepts())}
    missing = {number[name] for name in about()["missing"].get(word, [])}
    concept = torch.tensor([i for i in range(len(number)) if i not in missing])
    with Image.open(SHEETS / f"{word}.webp") as file:
        whole = torch.from_numpy(np.array(file.convert("RGB")))
    rows = whole.shape[0] // SIZE
    images = whole.view(rows, SIZE, COLUMNS, SIZE, 3).permute(0, 2, 4, 1, 3).reshape(-1, 3, SIZE, SIZE)[: len(concept)]
    return images.contiguous(), concept


@cache
def pictures(size: int = 64) -> Pictures:
    """All pictures, 64 or 128 pixels a side: artist after artist, then each colour artist's in oil, then as lithographs.

    They are read once in a process: the sheets take about a second, the filters some seven on one core.
    """
    if size not in (SIZE, SIZE // 2):
        raise ValueError(f"pictures are {SIZE} or {SIZE // 2} pixels a side, not {size}")
    fitted = halved if size < SIZE else lambda x: x
    images, concept, style, artist = [], [], [], []

    def add(x: Tensor, c: Tensor, s: int, a: int) -> None:
        images.append(fitted(x))
        concept.append(c)
        style.append(torch.full((len(c),), s))
        artist.append(torch.full((len(c),), a))

    sheets = [sheet(word) for word in ARTISTS]
    for a, (x, c) in enumerate(sheets):
        add(x, c, a, a)
    for s, medium in enumerate(MEDIA, len(ARTISTS)):
        for a in COLOUR:
            x, c = sheets[a]
            made = []
            for some, which in zip(x.split(64), c.split(64), strict=True):
                x01 = some.float() / 255
                y = oil_painting(x01, (which * 16 + a).tolist()) if medium == "oil painting" else lithograph(x01)
                made.append((y * 255).round().clamp(0, 255).to(torch.uint8))
            add(torch.cat(made), c, s, a)
    concept, style, artist = (torch.cat(x) for x in (concept, style, artist))
    return Pictures(torch.cat(images), concept, style, artist, held_out(concept, style))


def weights(of: Pictures, styles: tuple[float, ...] = WEIGHTS, lead: float | None = LEAD) -> Tensor:
    """How likely each picture is drawn in training; those held out never. (N,) float, sum 1.

    Args: styles: each style's weight, shared among its pictures. lead: the first artist's part of a medium; None shares it alike.
    """
    w = torch.zeros(len(of.style))
    for s, weight in enumerate(styles):
        mine = (of.style == s) & ~of.held_out
        parts = [(mine & (of.artist == 0), lead), (mine & (of.artist != 0), 1 - lead)] if lead is not None else [(mine, 1.0)]
        parts = [(part, share) for part, share in parts if part.any()]
        for part, share in parts:
            w[part] = weight * share / sum(share for _, share in parts) / int(part.sum())
    return w / w.sum()


# ---------------------------------------------------------------- drawing the sheets


def _icons(folder: Path, package: str, file: str) -> dict:
    found = sorted(folder.glob(f"{package.strip('@').replace('/', '-')}-[0-9]*/package/{file}"))
    if not found:
        raise SystemExit(f"{package} is not in {folder}: run `npm pack {package}` there and unpack it")
    return json.loads(found[0].read_text())


def _svg(icons: dict, name: str) -> str | None:
    """The icon of that name as SVG on a square, or None."""
    icon = icons["icons"].get(name)
    if icon is None and name in icons.get("aliases", {}):
        icon = icons["icons"].get(icons["aliases"][name]["parent"])
    if icon is None:
        return None
    w, h = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    side = max(w, h)  # a few icons are not square: centre them
    left, top = icon.get("left", 0) + (w - side) / 2, icon.get("top", 0) + (h - side) / 2
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} {top} {side} {side}">{icon["body"]}</svg>'


def _entries(folder: Path) -> list[dict]:
    """concepts.txt's things: emojibase's label, code, name and keywords."""
    labels = {e["label"]: e for e in _icons(folder, NAMES[0], "en/data.json")}
    found = []
    for line in Path(__file__).with_name("concepts.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            label, _, name = (part.strip() for part in line.partition("="))
            found.append({"label": label, "code": labels[label]["hexcode"].lower(), "name": name or label})
    return found


def _build(folder: Path) -> None:
    """Draw every thing by every artist on white and write the sheets. A pair that an artist never drew is left out."""
    import resvg_py

    sets = {word: _icons(folder, a.package, "icons.json") for word, a in ARTISTS.items()}
    chars = {}
    for word in ("noto", "fluent", "twemoji"):
        chars[word] = _icons(folder, ARTISTS[word].package, "chars.json")
    missing: dict[str, list[str]] = {word: [] for word in ARTISTS}
    tiles: dict[str, list[np.ndarray]] = {word: [] for word in ARTISTS}
    for entry in _entries(folder):
        names = {}  # what each set that knows codes calls it; sets without codes share one of these names
        for word, table in chars.items():
            code = entry["code"]
            names[word] = table.get(code) or table.get(code.replace("-fe0f", "")) or table.get(code + "-fe0f")
        guesses = [*names.values(), re.sub(r"[^a-z]+", "-", entry["label"].lower()).strip("-")]
        for word, icons in sets.items():
            tried = [names[word]] if names.get(word) else guesses
            svg = next((s for n in tried if n and (s := _svg(icons, n))), None)
            svg = None if entry["name"] in LEFT_OUT.get(word, ()) else svg
            if svg is None:
                missing[word].append(entry["name"])
                continue
            png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE, background="white"))
            tiles[word].append(np.array(Image.open(io.BytesIO(png)).convert("RGB")))
    SHEETS.mkdir(parents=True, exist_ok=True)
    for word, drawn in tiles.items():
        rows = math.ceil(len(drawn) / COLUMNS)
        whole = np.full((rows * SIZE, COLUMNS * SIZE, 3), 255, np.uint8)
        for i, tile in enumerate(drawn):
            r, c = divmod(i, COLUMNS)
            whole[r * SIZE : (r + 1) * SIZE, c * SIZE : (c + 1) * SIZE] = tile
        Image.fromarray(whole).save(SHEETS / f"{word}.webp", lossless=True, quality=100, method=6)
        size = (SHEETS / f"{word}.webp").stat().st_size
        print(f"{word}: {len(drawn)} things, {size:,} bytes; missing: {', '.join(missing[word]) or 'none'}", flush=True)
    about = {"missing": {k: v for k, v in missing.items() if v}}
    (SHEETS / "sheets.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.training.emoji", description=__doc__)
    parser.add_argument("--icons", type=Path, required=True, help="folder with the unpacked npm packages")
    _build(parser.parse_args().icons)
