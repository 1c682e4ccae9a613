"""Every file that comes from outside is opened here: pictures, arrays, archives, weights.

A library that decodes files may raise anything, and a small file may unpack to gigabytes. So each function here opens named
formats only, checks the size of what is inside before it unpacks it, and turns whatever goes wrong into one LessonsError.
Nothing in a file is ever run. Torch, safetensors and the HEIC decoder are imported when a file needs them, so that a page
can open a picture before torch is there.
"""

from __future__ import annotations

import io
import json
import math
import pickletools
import re
import threading
import unicodedata
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps

from lessons_lib.errors import LessonsError

if TYPE_CHECKING:
    from torch import Tensor

MB = 2**20
PICTURE_MB, ARRAYS_MB, HAND_IN_MB, WEIGHTS_MB = 20, 20, 50, 200
"""What an uploader takes, by what it is for. Prompt embeddings and a network's weights: WEIGHTS_MB."""

MAX_PIXELS = 50_000_000  # a page scanned at 600 dots an inch has 35 million, a phone's largest HEIC 49 million
MAX_PIXELS_OF = {"JPEG": 110_000_000, "GIF": 25_000_000, "WEBP": 25_000_000}
"""A JPEG is decoded at an eighth of its size, so a 108-megapixel phone's opens too; an animation's decoder holds three canvases."""
ENOUGH = 2_000_000  # pixels; a picture of many times as many is reduced, because a lesson uses 64 x 64
MAX_SCANS = 100  # of a JPEG: each is decoded over the whole picture; a camera's has one, a progressive one ten
MAX_MEMBERS = 20_000  # of an archive
KINDS = "PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC or AVIF"
ENDINGS = ("png", "jpg", "jpeg", "jfif", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "hif", "avif")

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # this module's own limit is lower than Pillow's
_one_at_a_time = threading.Lock()  # thirty large photos, decoded at once, would not fit into memory


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture as a person sees it.

    picture: RGB, upright, in sRGB, transparency laid on paper; reduced if it had 4 * ENOUGH pixels or more.
    size: (width, height) of the original, upright.
    changes: what was done to it that a person may want to know, a few words each; empty if nothing was.
    text: what the file says about itself: a PNG's texts by their names, a GIF's as "comment".
    """

    picture: Image.Image
    size: tuple[int, int]
    changes: tuple[str, ...] = ()
    text: dict[str, str] = field(default_factory=dict)


def photo(source: bytes | str | Path) -> Photo:
    """Open a picture of a named format (KINDS) from its bytes or a file, whatever the file's name says.

    Raises: LessonsError in one sentence if it is empty, no picture, broken, or too large to open safely.
    """
    data = _bytes(source, PICTURE_MB * MB, f"choose a {KINDS} picture")
    kind = _kind_of(data)
    if kind is None:
        raise LessonsError(f"This file is not a picture, whatever its name says: choose a {KINDS}.")
    if kind == "HEIF":
        _learn_heif()
    if kind == "JPEG" and data.count(b"\xff\xda") > MAX_SCANS:
        raise LessonsError("This JPEG is made of more than a hundred scans, which takes minutes to open: save it again.")
    with _one_at_a_time:
        try:
            with Image.open(io.BytesIO(data), formats=[kind]) as opened:
                _check_pixels(*opened.size, kind)
                return _as_seen(opened, data)
        except LessonsError:
            raise
        except Image.DecompressionBombError as e:  # so large that Pillow refuses before it tells the size
            pixels = re.search(r"(\d+) pixels", str(e))
            many = _millions(int(pixels[1])) if pixels else "far too many"
            raise LessonsError(f"This picture has {many} pixels: make it smaller, to at most {_millions(MAX_PIXELS)}.") from e
        except Exception as e:  # Pillow's decoders raise OSError, SyntaxError, RuntimeError, AttributeError, struct.error ...
            raise LessonsError(
                "This picture is broken or was cut short, or is of a rare kind: save it again as PNG, or choose another."
            ) from e


def arrays(
    source: bytes | str | Path, names: Iterable[str] = (), *, said: str, most: int = ARRAYS_MB * MB
) -> dict[str, np.ndarray]:
    """The arrays in a .npz file: those of the names, or all of them. All headers are read before anything is unpacked.

    said: the sentence for what is not such a file. most: bytes that the file, and what is unpacked from it, may have.
    Raises: LessonsError if it is no such file, holds Python objects, or is too large, packed or unpacked.
    """
    data, wanted = _bytes(source, most, "save only the arrays that are asked for"), {f"{n}.npy" for n in names}
    with _archive(data, said) as z:
        members = [i for i in z.infolist() if i.filename.endswith(".npy") and (i.filename in wanted or not wanted)]
        _check_unpacked(sum(i.file_size for i in members), most)
        _check_unpacked(sum(_array_bytes(z, i) for i in members), most)
        return {i.filename.removesuffix(".npy"): _read_array(z, i) for i in members}


def unzip(
    source: bytes | str | Path,
    names: Iterable[str] = (),
    *,
    said: str,
    largest: int = HAND_IN_MB * MB,
    most: int = HAND_IN_MB * MB,
) -> dict[str, bytes]:
    """{name: content} of the files in a ZIP: those of the names, or all of them. Their sizes are added up before any is unpacked.

    Of two files of one name the second is called "name (2)", as a system that unpacks them would, and none is lost.
    said: the sentence for what is no ZIP. largest: bytes of the ZIP. most: bytes of what is unpacked from it.
    Raises: LessonsError if it is no ZIP, locked by a password, or too large, packed or unpacked.
    """
    data, wanted = _bytes(source, largest, "choose a smaller one"), set(names)
    with _archive(data, said) as z:
        members = [i for i in z.infolist() if not i.is_dir() and (i.filename in wanted or not wanted)]
        _check_unpacked(sum(i.file_size for i in members), most)
        found: dict[str, bytes] = {}
        for i in members:
            found[_free(_named(i), found)] = z.read(i)
        return found


def json_of(data: bytes, said: str):
    """What a JSON file holds. said: the sentence for anything else, a LessonsError."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as e:  # RecursionError: ten thousand brackets
        raise LessonsError(said) from e


def tensors(source: bytes | str | Path, *, most: int = WEIGHTS_MB * MB) -> tuple[dict[str, Tensor], dict[str, str]]:
    """({name: tensor}, metadata) of a safetensors file, on the CPU.

    Raises: LessonsError if it is no such file, was cut short, or has more than `most` bytes.
    """
    data = _bytes(source, most, "choose a smaller one")
    no = _no_tensors(data)
    header = int.from_bytes(data[:8], "little")
    if not 2 <= header <= min(len(data) - 8, 10 * MB):
        raise LessonsError(no)
    try:
        about = json.loads(data[8 : 8 + header])
        metadata = about.pop("__metadata__", {})
        if len(about) > MAX_MEMBERS or not all(isinstance(v, str) for v in metadata.values()):
            raise LessonsError(no)
        from safetensors.torch import load

        return load(data), metadata
    except LessonsError:
        raise
    except Exception as e:  # SafetensorError, UnicodeDecodeError, RecursionError, and torch's own
        raise LessonsError(no) from e


OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a pickled number, with which torch.save began before 1.6


def _no_tensors(data: bytes) -> str:
    """What to say of a file that should have been safetensors, by its first bytes."""
    if data.startswith(OLD_TORCH):
        return (
            "This file is in the format of torch before 1.6, which is not opened because code in it could run: open it with "
            "torch.load yourself, and save `unet.state_dict()` anew with torch.save."
        )
    if re.match(rb"\x80[\x02-\x05]", data) and data.endswith(b"."):
        return (
            "This is a Python pickle, which is not opened because code in it could run: save `unet.state_dict()` with torch.save."
        )
    return "This is not a safetensors file, or it was cut short: save it again, or copy it again."


SAFE_GLOBALS = frozenset(
    {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "torch Size"}
    | {f"torch {k}Storage" for k in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")}
)
"""All that a file of tensors names. torch itself lets more through, such as `bytearray(10**12)`, which fills the memory."""
MAX_PICKLE = 4 * MB  # ten thousand tensors' names and shapes have two


def torch_file(source: bytes | str | Path, *, said: str, most: int = WEIGHTS_MB * MB):
    """What torch.save wrote (.pt, .pth): dicts, lists, numbers, words and tensors, on the CPU. No code in the file is run.

    said: the sentence for what is not such a file, among them those of torch before 1.6.
    Raises: LessonsError if it is not, holds anything but tensors and plain data, or has more than `most` bytes.
    """
    data = _bytes(source, most, "choose a smaller one")
    with _archive(data, said) as z:
        members, pickled = z.infolist(), [i for i in z.infolist() if i.filename.endswith("/data.pkl")]
        stored = all(i.compress_type == zipfile.ZIP_STORED for i in members)  # as torch does; it would unpack to any size
        if not stored or len(pickled) != 1 or pickled[0].file_size > MAX_PICKLE:
            raise LessonsError(said)
        strange = _globals_in(z.read(pickled[0])) - SAFE_GLOBALS
        if strange:
            what = min(strange).replace(" ", ".")[:60]
            raise LessonsError(
                f"This file holds more than tensors, such as {what}: if it is a whole network, save `unet.state_dict()` alone."
            )
        import torch

        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if not _lies_within(found, len(data)):  # an older torch does not check this, and would read beyond the file's end
            raise LessonsError(said)
        return found


def weights(source: bytes | str | Path, *, most: int = WEIGHTS_MB * MB) -> tuple[dict[str, Tensor], dict[str, str]]:
    """({name: tensor}, metadata) of a state dict, from safetensors or from torch.save (.pt, .pth), on the CPU.

    Raises: LessonsError if it is neither, holds anything but named tensors, or has more than `most` bytes.
    """
    data = _bytes(source, most, "choose a smaller one")
    if not data.startswith(b"PK"):
        return tensors(data, most=most)
    import torch

    said = "These are not a network's weights: save `unet.state_dict()` with torch.save, or as safetensors."
    found = torch_file(data, said=said, most=most)
    if not isinstance(found, dict) or not found:
        raise LessonsError(said)
    if not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in found.items()):
        raise LessonsError(said)
    return dict(found), {}


def is_picture(data: bytes) -> bool:
    """True for a file whose first bytes are those of a format that photo() opens."""
    return _kind_of(data) is not None


def is_whole(tensor: Tensor) -> bool:
    """True for a tensor of fractions, in whatever precision, of which none is NaN or infinite."""
    import torch

    if not tensor.is_floating_point():
        return False
    small = tensor.element_size() < 2  # float8: torch has no isfinite() for it
    return bool(torch.isfinite(tensor.float() if small else tensor).all())


# --- pictures -----------------------------------------------------------------------------------------------------------

_HEADS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientation, and what makes such a picture upright."""


def _kind_of(data: bytes) -> str | None:
    """Pillow's name for the format that a file's first bytes tell; None for all that are not opened here."""
    for head, kind in _HEADS:
        if data.startswith(head):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(int.from_bytes(data[:4], "big"), 200)]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if brands[:4] in _HEIF_BRANDS or b"heic" in brands:
            return "HEIF"
    return None


def _learn_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as e:
        raise LessonsError("This copy cannot open HEIC photos: `pip install pillow-heif`, or save the photo as JPEG.") from e
    register_heif_opener()


def _check_pixels(width: int, height: int, kind: str) -> None:
    most = MAX_PIXELS_OF.get(kind, MAX_PIXELS)
    if width * height > most:
        raise LessonsError(f"This picture is {width} x {height}: make it smaller, to at most {_millions(most)} pixels.")


def _as_seen(opened: Image.Image, data: bytes) -> Photo:
    """Decode the opened picture. What this raises, photo() turns into a sentence."""
    size, several, profile = opened.size, _several(opened), opened.info.get("icc_profile")
    turn = _orientation(opened) if opened.format == "TIFF" else 1  # Pillow turns it while it loads, and forgets that it did
    if opened.format in ("JPEG", "MPO"):
        opened.draft(None, (1024, 1024))
    opened.load()
    _check_pixels(*opened.size, opened.format)  # some files lie about it
    done = opened.format == "TIFF"
    if opened.format == "HEIF":
        turn = opened.info.get("original_orientation") or 1
        done = b"irot" in data or b"imir" in data  # the file's own orders to its decoder, which has followed them
    elif opened.format != "TIFF":
        turn = _orientation(opened)  # a PNG's stands behind its pixels
    picture, scaled = _eight_bits(opened)
    picture = _reduced(picture)
    picture, filled = _on_paper(picture, profile)
    if turn in _TURNS and not done:
        picture, size = picture.transpose(_TURNS[turn]), size[::-1] if turn >= 5 else size
    turned = "" if turn not in _TURNS else "mirrored, as it says of itself" if turn in (2, 4) else "turned upright"
    return Photo(picture, size, tuple(filter(None, (several, turned, scaled, filled))), _text(opened))


def _orientation(opened: Image.Image) -> int:
    try:
        return int(opened.getexif().get(0x0112, 1))
    except Exception:  # a broken note about the picture does not matter to the picture
        return 1


def _several(opened: Image.Image) -> str:
    """What is left out of a file of several pictures, in words."""
    if opened.format == "MPO" or not getattr(opened, "is_animated", False):  # a phone's JPEG holds its own depth map
        return ""
    words = {"TIFF": "the first of its pages taken", "HEIF": "the main one of its pictures taken"}
    return words.get(opened.format, "the first frame of the animation taken")


def _text(opened: Image.Image) -> dict[str, str]:
    if opened.format == "GIF":
        comment = opened.info.get("comment", b"")
        return {"comment": comment.decode("utf-8", "replace")} if comment else {}
    if opened.format == "PNG" and not getattr(opened, "is_animated", False):
        return {str(k): str(v) for k, v in opened.text.items()}
    return {}


def _eight_bits(opened: Image.Image) -> tuple[Image.Image, str]:
    """The picture in one of the modes L, LA, RGB, RGBA, CMYK, LAB; and what that took, in words."""
    mode, clear = opened.mode, opened.info.get("transparency")
    if mode[0] not in "IF":
        if clear is not None or mode in ("PA", "RGBa"):
            return opened.convert("RGBA"), ""
        to = {"1": "L", "La": "LA", "LA": "LA", "L": "L", "RGBA": "RGBA", "CMYK": "CMYK", "LAB": "LAB"}.get(mode, "RGB")
        return opened if mode == to else opened.convert(to), ""
    said = "its grey values brought to 8 bits"
    tags = getattr(opened, "tag_v2", {})  # a TIFF's: scanners write 12 bits into 16, and some count from white
    if mode.startswith("I;16"):
        values = np.asarray(opened)
        grey = Image.fromarray((values >> max(tags.get(258, (16,))[0] - 8, 0)).astype(np.uint8))
        if tags.get(262) == 0:
            grey = ImageOps.invert(grey)
        if isinstance(clear, int):
            grey = Image.merge("LA", (grey, Image.fromarray(((values != clear) * 255).astype(np.uint8))))
        return grey, said
    seen = np.nan_to_num(np.asarray(_reduced(opened), np.float32), posinf=0, neginf=0)
    low, top = min(float(seen.min()), 0.0), float(seen.max())
    full = next((k for k in ((1, 255, 65535) if mode == "F" else (255, 65535)) if top <= k), top)
    return Image.fromarray(((seen - low) / max(full - low, 1e-9) * 255).round().clip(0, 255).astype(np.uint8)), said


def _reduced(picture: Image.Image) -> Image.Image:
    """The picture with fewer pixels, each the mean of several, if it has many times ENOUGH."""
    factor = math.isqrt(picture.width * picture.height // ENOUGH)
    return picture.reduce(factor) if factor > 1 else picture


def _on_paper(picture: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """RGB in sRGB, transparent places as white paper; and what was filled, in words.

    Where nothing could be seen on white, as of white ink on transparency, the paper is black.
    """
    if picture.mode not in ("LA", "RGBA"):
        return _in_srgb(picture, profile), ""
    alpha = picture.getchannel("A")
    seen = _in_srgb(picture.convert(picture.mode[:-1]), profile)
    if alpha.getextrema() == (255, 255):
        return seen, ""
    for paper in ("white", "black"):
        laid = Image.composite(seen, Image.new("RGB", seen.size, paper), alpha)
        if not _is_flat(laid):
            return laid, f"its transparent parts filled with {paper}"
    return Image.composite(seen, Image.new("RGB", seen.size, "white"), alpha), "its transparent parts filled with white"


def _is_flat(picture: Image.Image) -> bool:
    return all(high - low < 8 for low, high in picture.getextrema())


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB, by the colour profile if the picture has one that can be used."""
    try:
        if picture.mode == "LAB" and not profile:
            given = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
        if given is not None and "sRGB" not in ImageCms.getProfileDescription(given):
            return ImageCms.profileToProfile(picture, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # a broken profile, or one of another kind of picture: the colours are taken as they stand
        pass
    return picture.convert("RGB")


# --- archives -----------------------------------------------------------------------------------------------------------


@contextmanager
def _archive(data: bytes, said: str) -> Iterator[zipfile.ZipFile]:
    """A ZIP, open, of files that are packed as usual; whatever goes wrong in the body is the sentence `said`."""
    if data.count(b"PK\x01\x02") > MAX_MEMBERS:  # each member has such a mark in the list of contents
        raise LessonsError(f"This archive holds more than {MAX_MEMBERS:,} files: pack fewer.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            if any(i.flag_bits & 1 for i in z.infolist()):
                raise LessonsError("This archive is locked with a password: save it without one.")
            if not {i.compress_type for i in z.infolist()} <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise LessonsError("This archive is packed in a rare way: save it as an ordinary ZIP.")  # and without a bound
            yield z
    except LessonsError:
        raise
    except Exception as e:  # BadZipFile, zlib.error, struct.error, EOFError, ValueError, KeyError, RecursionError, torch's own
        raise LessonsError(said) from e


def _named(member: zipfile.ZipInfo) -> str:
    """The name as it was typed. macOS packs UTF-8 without the flag that says so, and Python then reads it as a code page of 1981."""
    name = member.filename
    if not member.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return unicodedata.normalize("NFC", name)


def _free(name: str, taken: dict[str, bytes]) -> str:
    """The name, or the first of "name (2).png", "name (3).png" ... that is not taken."""
    stem, dot, ending = name.rpartition(".")
    stem, end = (stem, f".{ending}") if dot and "/" not in ending else (name, "")
    n = 1
    while name in taken:
        n += 1
        name = f"{stem} ({n}){end}"
    return name


def _check_unpacked(size: int, most: int) -> None:
    if size > most:
        raise LessonsError(f"This file unpacks to {_in_mb(size)} MB; at most {_in_mb(most)} MB are opened.")


def _array_bytes(z: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """What a .npy member takes in memory, by its header. Raises LessonsError for objects, ValueError if it is cut short."""
    with z.open(member) as f:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[np.lib.format.read_magic(f)](f)
    if dtype.hasobject:
        raise LessonsError(f"{member.filename[:60]} holds Python objects, not numbers: save arrays of numbers.")
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or max(size, math.prod(shape)) > member.file_size:  # values of no bytes could be any number
        raise ValueError(f"{shape} of {dtype} in {member.file_size} bytes")
    return size


def _read_array(z: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with z.open(member) as f:
        return np.lib.format.read_array(f, allow_pickle=False)


def _globals_in(pickled: bytes) -> set[str]:
    """What a pickle would import, "module name" each, found without running it."""
    return {arg for op, arg, _ in pickletools.genops(pickled) if op.name in ("GLOBAL", "INST")}


def _lies_within(found, size: int) -> bool:
    """True if all tensors in nested dicts, lists and tuples lie, together, in no more bytes than the file has."""
    import torch

    storages, seen, stack = {}, set(), [found]
    while stack:
        one = stack.pop()
        if isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif isinstance(one, dict | list | tuple) and id(one) not in seen:  # a list may hold itself
            seen.add(id(one))
            stack += one.values() if isinstance(one, dict) else one
    return sum(storages.values()) <= size


def _bytes(source: bytes | str | Path, most: int, advice: str) -> bytes:
    """The file's bytes. Raises LessonsError if it cannot be read, is empty, or has more than `most`."""
    if isinstance(source, str | Path):
        path = Path(source)
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size <= most else b""
        except OSError as e:
            raise LessonsError(f"{path.name} cannot be read: {e.strerror}.") from e
    else:
        data, size = source, len(source)
    if size > most:
        raise LessonsError(f"This file has {_in_mb(size)} MB, and {_in_mb(most)} MB is the most: {advice}.")
    if not size:
        raise LessonsError("This file is empty: choose another.")
    return data


def _in_mb(size: int) -> str:
    """In megabytes, rounded up so that what is too large also reads so."""
    return f"{math.ceil(size / MB * 10) / 10:g}"


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:.0f} million"
