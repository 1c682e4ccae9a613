"""Pictures in and out: PIL, uint8 and data URLs <-> float tensors in [-1, 1]. The only place where ranges change."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

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
            if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                white = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(white, picture)
            return picture.convert("RGB")
    except UnidentifiedImageError as e:
        raise LessonsError("This file is not a picture, whatever its name says: choose a PNG, JPEG, WebP or GIF.") from e
    except Image.DecompressionBombError as e:
        raise LessonsError("This picture is far too large: make it smaller, to at most 5000 x 5000 pixels.") from e
    except (OSError, SyntaxError, ValueError, EOFError) as e:
        raise LessonsError("This picture is broken or was cut short: save it again, or choose another.") from e


def square(picture: Image.Image, size: int) -> Image.Image:
    """The middle of a picture, cut square and resized to size x size pixels."""
    return ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)


def to_tensor(picture: Image.Image, channels: int = 3) -> Tensor:
    """A PIL picture as (1, channels, H, W) float in [-1, 1]; one channel is its brightness."""
    array = np.array(picture.convert("L" if channels == 1 else "RGB"))
    return from_uint8(torch.from_numpy(array).view(*array.shape[:2], channels).permute(2, 0, 1)[None])


def from_uint8(x: Tensor) -> Tensor:
    """uint8 0 .. 255 -> float32 [-1, 1]."""
    return x.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """float [-1, 1] -> uint8 0 .. 255, rounded; values outside are clipped. Raises ValueError on NaN."""
    if bool(torch.isnan(x).any()):
        raise ValueError(f"the image holds {int(torch.isnan(x).sum())} values that are no numbers")
    return ((x.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def from_unit(x: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return x * 2 - 1


def to_unit(x: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1]."""
    return (x + 1) / 2


def eps_picture(eps: Tensor) -> Tensor:
    """Noise, about [-3, 3], as something to look at in [-1, 1]: grey is 0."""
    return (eps / 3).clamp(-1, 1)


def to_picture(x: Tensor) -> Image.Image:
    """(C, H, W) or (1, C, H, W) float in [-1, 1], or uint8, as PIL; one channel becomes grey."""
    x = x[0] if x.ndim == 4 else x
    u8 = x if x.dtype == torch.uint8 else to_uint8(x)
    array = u8.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def tile(x: Tensor, columns: int) -> Tensor:
    """(B, C, H, W) -> (C, rows * H, columns * W), row by row; empty places are white (or 255)."""
    b, c, h, w = x.shape
    rows = -(-b // columns)
    blank = 255 if x.dtype == torch.uint8 else 1.0
    full = torch.full((rows * columns, c, h, w), blank, dtype=x.dtype)
    full[:b] = x.cpu()
    return full.view(rows, columns, c, h, w).permute(2, 0, 3, 1, 4).reshape(c, rows * h, columns * w)


def enlarge(picture: Image.Image, at_least: int = 256) -> Image.Image:
    """Whole-number nearest-neighbour enlargement to at least so many pixels wide, so that no browser blurs the pixels."""
    k = max(1, -(-at_least // picture.width))
    return picture.resize((picture.width * k, picture.height * k), Image.Resampling.NEAREST)


def to_png(picture: Image.Image, text: dict[str, str] | None = None) -> bytes:
    """PNG bytes; `text` goes into the file as PNG text (seed, model, steps ...)."""
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, str(value))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def to_data_url(picture: Image.Image) -> str:
    """A PNG data URL: what a page shows without a second request."""
    return "data:image/png;base64," + base64.b64encode(to_png(picture)).decode()


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


def lowpass(x: Tensor, kernel_size: int, sigma: float) -> Tensor:
    """Gaussian blur by torchvision. x (B, C, H, W); kernel_size odd, in pixels; sigma in pixels, 0 for none.

    The kernel is cut to what the image can be padded with. Raises ValueError for an even or negative size.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and positive, got {kernel_size}")
    if sigma < 0:
        raise ValueError(f"sigma must not be negative, got {sigma}")
    largest = 2 * min(x.shape[-2:]) - 1
    kernel_size = min(kernel_size, largest)
    if sigma == 0 or kernel_size == 1:
        return x
    from torchvision.transforms.functional import gaussian_blur

    return gaussian_blur(x, kernel_size, sigma)
