"""Pictures as files and links: PIL, numpy and base64 only, so that a page can show what was kept before torch is there."""

from __future__ import annotations

import base64
import io
import re
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from lessons_lib.errors import LessonsError

MAX_PIXELS = 25_000_000  # about 5000 x 5000; a 10 kB file can decode to far more
MAX_BYTES = 20_000_000


def open_picture(source: bytes | str | Path) -> Image.Image:
    """A picture from bytes or a file, upright, RGB, alpha laid on white; of an animation the first frame.

    Raises: LessonsError in one sentence if it is empty, no picture, broken, or too large to open safely.
    """
    if isinstance(source, str | Path):
        try:
            source = Path(source).read_bytes()
        except OSError as e:
            raise LessonsError(f"{Path(source).name} cannot be read: {e.strerror}.") from e
    if not source:
        raise LessonsError("This file is empty: choose a PNG, JPEG, WebP or GIF picture.")
    if len(source) > MAX_BYTES:
        raise LessonsError(f"This file has {len(source) / 1e6:.0f} MB; choose a picture of at most {MAX_BYTES // 10**6} MB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked on the next line
            picture = Image.open(io.BytesIO(source))
            if picture.width * picture.height > MAX_PIXELS:
                raise LessonsError(
                    f"This picture is {picture.width} x {picture.height}: make it smaller, to at most 5000 x 5000 pixels."
                )
            picture = ImageOps.exif_transpose(picture)
            if picture.mode[0] in "IF":  # 16-bit or floating-point grey, which Pillow would cut off at 255: all white
                values = np.nan_to_num(np.asarray(picture, np.float32))
                full = 65535 if picture.mode[0] == "I" else max(values.max(), 1)
                picture = Image.fromarray((values / full * 255).round().clip(0, 255).astype(np.uint8))
            if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                white = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(white, picture)
            return picture.convert("RGB")
    except UnidentifiedImageError as e:
        raise LessonsError("This file is not a picture, whatever its name says: choose a PNG, JPEG, WebP or GIF.") from e
    except Image.DecompressionBombError as e:
        pixels = re.search(r"(\d+) pixels", str(e))  # this large, Pillow itself refuses before it tells the size
        many = f"{int(pixels[1]) / 1e6:.0f} million" if pixels else "far too many"
        raise LessonsError(f"This picture has {many} pixels: make it smaller, to at most 5000 x 5000.") from e
    except (OSError, SyntaxError, ValueError, EOFError) as e:
        raise LessonsError("This picture is broken or was cut short: save it again, or choose another.") from e


def square(picture: Image.Image, size: int) -> Image.Image:
    """The middle of a picture, cut square and resized to size x size pixels."""
    return ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)


def to_png(picture: Image.Image, text: dict | None = None) -> bytes:
    """PNG bytes; `text` (seed, model, steps ...) is written into the file itself."""
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(str(key), str(value))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def to_data_url(picture: Image.Image) -> str:
    """A PNG data URL: what a page shows without a second request."""
    return "data:image/png;base64," + base64.b64encode(to_png(picture)).decode()


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


def to_gif(frames: list[Image.Image], seconds: float = 4.0) -> bytes:
    """The frames as one looping GIF of about so many seconds, resting on the last one."""
    if not frames:
        raise ValueError("a GIF needs at least one frame")
    each = max(20, round(seconds * 1000 / len(frames)))
    buffer = io.BytesIO()
    durations = [each] * (len(frames) - 1) + [1200]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return buffer.getvalue()


def tiled(batch: np.ndarray, columns: int) -> np.ndarray:
    """(B, C, H, W) uint8 -> (rows * H, columns * W, 3) uint8 with one white pixel between pictures."""
    b, c, h, w = batch.shape
    columns = min(columns, b)
    rows = -(-b // columns)
    out = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1, 3), 255, np.uint8)
    for i, picture in enumerate(batch):
        r, k = divmod(i, columns)
        hwc = picture.transpose(1, 2, 0)
        out[r * (h + 1) : r * (h + 1) + h, k * (w + 1) : k * (w + 1) + w] = hwc if c == 3 else np.repeat(hwc, 3, 2)
    return out
