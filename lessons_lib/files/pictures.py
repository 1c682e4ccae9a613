"""Pictures as files and links: PIL, numpy and base64 only, so that a page can show what was kept before torch is there."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from lessons_lib.errors import LessonsError
from lessons_lib.files.decoders import photo


def open_picture(source: bytes | str | Path) -> Image.Image:
    """A picture from bytes or a file, as a person sees it: RGB, upright, transparency on white. See decoders.photo."""
    return photo(source).picture


def square(picture: Image.Image, size: int) -> Image.Image:
    """The middle of a picture, cut square and resized to size x size pixels."""
    return ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)


def is_dark_on_light(picture: Image.Image) -> bool:
    """True for ink on paper: most of the picture's edge is lighter than the middle of its brightest and darkest."""
    grey = np.asarray(picture.convert("L"))
    low, high = np.percentile(grey, (1, 99))
    return bool(np.median(_edge(grey)) > (low + high) / 2)


def light_on_dark(picture: Image.Image) -> Image.Image:
    """The negative in grey, as MNIST's digits are: the paper, with its shadows, becomes black and the ink white.

    Of a picture that is not dark ink on light paper, the plain negative.
    """
    grey = np.asarray(picture.convert("L"), np.float32)
    ink, paper = np.percentile(grey, 1), np.percentile(_edge(grey), 10)
    if not is_dark_on_light(picture) or paper - ink < 30:
        return ImageOps.invert(picture.convert("L"))
    return Image.fromarray(((paper - grey) / (paper - ink) * 255).round().clip(0, 255).astype(np.uint8))


def _edge(grey: np.ndarray) -> np.ndarray:
    """The values of a frame as wide as a tenth of the picture."""
    wide = max(1, min(grey.shape) // 10)
    inside = np.zeros(grey.shape, bool)
    inside[wide:-wide, wide:-wide] = True
    return grey[~inside]


def to_png(picture: Image.Image, text: dict | None = None) -> bytes:
    """PNG bytes; `text` (seed, model, steps ...) is written into the file itself."""
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_text(str(key), str(value))  # as tEXt, or as iTXt what is not Latin-1
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def with_text(png: bytes, text: dict) -> bytes:
    """The bytes of a PNG with `text` written into it, its pixels not touched; what is no PNG stays as it is."""
    if png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR":
        return png
    info = PngInfo()
    for key, value in text.items():
        info.add_text(str(key), str(value))
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data, *_ in info.chunks
    )
    return png[:33] + b"".join(chunks) + png[33:]


def to_data_url(picture: Image.Image) -> str:
    """A PNG data URL: what a page shows without a second request."""
    return png_url(to_png(picture))


def png_url(png: bytes) -> str:
    """A PNG file as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def enlarge(picture: Image.Image, at_least: int = 256) -> Image.Image:
    """Whole-number nearest-neighbour enlargement to at least so many pixels wide, so that no browser blurs the pixels."""
    k = max(1, -(-at_least // picture.width))
    return picture.resize((picture.width * k, picture.height * k), Image.Resampling.NEAREST)


def from_data_url(url: str) -> Image.Image:
    """The picture in a data URL. Raises LessonsError if it is none."""
    head, _, body = url.partition(",")
    if not head.startswith("data:image/"):
        raise LessonsError("This is not a picture in a data URL.")
    try:
        return open_picture(base64.b64decode(body, validate=True))
    except ValueError as e:
        raise LessonsError("This data URL was cut short.") from e


def to_gif(frames: list[Image.Image], seconds: float = 4.0, text: dict | None = None) -> bytes:
    """The frames as one looping GIF of about so many seconds, resting on the last one; `text` is in it as JSON, its comment."""
    if not frames:
        raise ValueError("a GIF needs at least one frame")
    each = max(20, round(seconds * 1000 / len(frames)))
    buffer, comment = io.BytesIO(), json.dumps(text).encode() if text else b""
    durations = [each] * (len(frames) - 1) + [1200]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, comment=comment)
    return buffer.getvalue()


def tiled(batch: np.ndarray, columns: int) -> np.ndarray:
    """Pictures side by side, row by row, with one white pixel between them.

    Args: batch: (B, C, H, W) uint8, C 1 or 3; columns: pictures in a row.
    Returns: uint8, (rows * (H + 1) - 1, columns * (W + 1) - 1) for grey pictures, and a last axis of 3 for coloured ones.
    """
    b, c, h, w = batch.shape
    columns = min(columns, b)
    rows = -(-b // columns)
    out = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1, c), 255, np.uint8)
    for i, picture in enumerate(batch):
        r, k = divmod(i, columns)
        out[r * (h + 1) : r * (h + 1) + h, k * (w + 1) : k * (w + 1) + w] = picture.transpose(1, 2, 0)
    return out[..., 0] if c == 1 else out


def picture_of(pixels: np.ndarray, columns: int = 1) -> Image.Image:
    """The one way from uint8 pixels to a picture, at their own size: grey stays grey (mode L), the rest is RGB.

    Args: pixels: (C, H, W), one picture, or (B, C, H, W), laid out by tiled().
    """
    return Image.fromarray(tiled(pixels[None] if pixels.ndim == 3 else pixels, columns))
