"""Train on pictures of one's own: a zip or a folder of them becomes digits in MNIST's format, labelled by the folders they lie in.

A run is a process of its own and outlives the page, so its pictures are written into its folder, as one .npz.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps

from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.files.checkpoints import write_atomically
from lessons_lib.files.pictures import is_dark_on_light, light_on_dark
from lessons_lib.mnist import Digits
from lessons_lib.models.digits import NUM_CLASSES

SIDE = 28
FEWEST = 10
MOST = 20_000
LEAST_INK = 8  # of 255: between the lightest and the darkest pixel of a picture that is not blank
LONGEST = 40  # characters of a class's name, as it is shown
MOST_BYTES = 300 * decoders.MB  # of all files together, unpacked
NAME = "pictures.npz"
NO_ZIP = "This is not a ZIP, or it was cut short: pack a folder with a folder of pictures for each label, and nothing else."


@dataclass(frozen=True, eq=False)
class Pictures:
    """What was given, ready to train on.

    digits: 28 x 28, light ink on dark paper, in a fixed mixed order. classes: what the labels 0, 1, ... stand for.
    changes: what was done to them that a person may want to know, a phrase each.
    """

    digits: Digits
    classes: tuple[str, ...]
    changes: tuple[str, ...]


def from_zip(data: bytes | Path) -> Pictures:
    """The pictures in a ZIP. Raises: LessonsError in one sentence for what is no ZIP, a bomb, or no pictures to train on."""
    return of(decoders.unzip(data, said=NO_ZIP, largest=decoders.WEIGHTS_MB * decoders.MB, most=MOST_BYTES).items())


def from_folder(folder: Path) -> Pictures:
    """The pictures below a folder. Raises: as from_zip()."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    if not folder.is_dir() or not found:
        raise LessonsError(f"{folder} is no folder, or there are no files in it.")
    _check_bytes(sum(p.stat().st_size for p in found))
    return of((p.relative_to(folder.parent).as_posix(), p.read_bytes()) for p in found)


def of(files: Iterable[tuple[str, bytes]]) -> Pictures:
    """Pictures from (path, content) pairs, such as a browser's upload of a folder. Raises: as from_zip()."""
    named, others = [], []
    for path, data in files:
        parts = tuple(part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("..", "/"))
        if not parts or any(part.startswith((".", "__MACOSX")) for part in parts) or parts[-1:] == ("Thumbs.db",):
            continue  # a system's own notes
        called_one = parts[-1].rpartition(".")[2].lower() in decoders.ENDINGS
        (named if called_one or decoders.is_picture(data) else others).append((parts, data))
    named.sort(key=lambda one: one[0])
    _check_bytes(sum(len(data) for _, data in named))
    if len(named) < FEWEST:
        raise LessonsError(
            f"{_counted(len(named), 'picture is', 'pictures are')} in it, and {FEWEST} are the fewest to train on ({decoders.KINDS})."
        )
    if len(named) > MOST:
        raise LessonsError(f"{len(named):,} pictures are in it, and {MOST:,} are the most: leave some out.")
    labels, classes, said = _labels([parts for parts, _ in named])
    images, changes = _images(named)
    if others:
        what = _counted(len(others), "file that is no picture", "files that are no pictures")
        changes.append(f"{what} left out, such as {'/'.join(others[0][0])[-60:]}")
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    return Pictures(_digits(images, labels, classes), classes, (said, *changes))


def _counted(n: int, one: str, several: str) -> str:
    return f"{n:,} {one if n == 1 else several}"


def _check_bytes(size: int) -> None:
    if size > MOST_BYTES:
        raise LessonsError(f"These pictures have {size // decoders.MB} MB, and {MOST_BYTES // decoders.MB} MB are the most.")


def _labels(paths: Sequence[tuple[str, ...]]) -> tuple[np.ndarray, tuple[str, ...], str]:
    """(labels, what they stand for, that in words), from the folder that each picture lies in."""
    folders = [path[-2] if len(path) > 1 else "" for path in paths]
    names = sorted(set(folders), key=lambda name: (_by_number(name), name))
    if len(names) == 1:
        return np.zeros(len(paths), np.int64), ("",), "all in one folder, so they have no labels"
    if len(names) > NUM_CLASSES:
        raise LessonsError(
            f"Pictures lie in {len(names)} folders, each a label, and the course's networks know {NUM_CLASSES}: join some, or leave some out."
        )
    digits = {name: number for name in names if (number := _digit(name)) is not None}
    if len(set(digits.values())) == len(names):
        said = ", ".join(name if name == str(d) else f"{d} is {name}" for name, d in digits.items())
        return np.array([digits[f] for f in folders]), tuple("0123456789"), f"labels by folder: {said}"
    classes = tuple(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\u2026" for name in names)
    said = ", ".join(f"{i} is {name or 'no folder'}" for i, name in enumerate(classes))
    return np.array([names.index(f) for f in folders]), classes, f"labels by folder: {said}"


def _digit(name: str) -> int | None:
    """The digit that a folder is named for, "3" or "03", in any script."""
    name = name.strip()
    return int(name) if name.isdecimal() and len(name) < 10 and int(name) < NUM_CLASSES else None


def _by_number(name: str) -> list[tuple[int, str]]:
    """For sorting as people do: 9 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,9})", name)]


def _images(named: Sequence[tuple[tuple[str, ...], bytes]]) -> tuple[np.ndarray, list[str]]:
    """(N, 1, 28, 28) uint8, and what was changed. Of a set that is dark on light nearly throughout, all are turned."""
    seen, dark, resized, coloured = [], [], 0, 0
    for path, data in named:
        try:
            picture = decoders.photo(data).picture
        except LessonsError as e:
            raise LessonsError(f"{'/'.join(path)[-80:]}: {e}") from e
        dark.append(is_dark_on_light(picture))
        seen.append(as_digit(light_on_dark(picture) if dark[-1] else picture))
        resized += picture.size != (SIDE, SIDE)
        coloured += picture.convert("L").convert("RGB").tobytes() != picture.tobytes()
    share = sum(dark) / len(dark)
    turn = [share > 0.9 or (d and share >= 0.1) for d in dark]
    seen = [p if t == d else ImageOps.invert(p) for p, t, d in zip(seen, turn, dark, strict=True)]
    images = np.stack([np.asarray(p) for p in seen])[:, None]
    blank = int((np.ptp(images, axis=(1, 2, 3)) < LEAST_INK).sum())
    if blank == len(images):
        raise LessonsError(
            f"All {blank} pictures are blank, one grey at {SIDE} x {SIDE}: is the ink on them, or in another file?"
        )
    counts = {"blank": blank, "made 28 x 28": resized, "made grey": coloured, "turned, dark ink on light paper": sum(turn)}
    n = len(named)
    return images, [f"{'all' if k == n else f'{k} of {n}'} {what}" for what, k in counts.items() if k]


def as_digit(picture: Image.Image) -> Image.Image:
    """28 x 28, grey, and whole: what is not square gets paper of its corners' colour."""
    grey, (w, h) = picture.convert("L"), picture.size
    if (w, h) == (SIDE, SIDE):
        return grey
    size = tuple(max(1, round(SIDE * side / max(w, h))) for side in (w, h))
    small = grey.resize(size, Image.Resampling.BOX)  # before the paper: a square around 1 x 60,000 pixels has 3.6 billion
    corner = np.median([grey.getpixel((x, y)) for x in (0, w - 1) for y in (0, h - 1)])
    paper = Image.new("L", (SIDE, SIDE), int(corner))
    paper.paste(small, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return paper


def _digits(images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Digits:
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()[:8]
    of_what = "" if len(classes) in (1, NUM_CLASSES) else f" of {', '.join(classes)}"
    source = f"{len(images):,} own pictures{of_what} ({digest})"
    return Digits(torch.from_numpy(images), torch.from_numpy(labels).long(), source)


def write(path: Path, pictures: Pictures) -> None:
    """Keep them beside a run. Raises LessonsError on a full disk."""
    buffer = io.BytesIO()
    images, labels = pictures.digits.images.numpy(), pictures.digits.labels.numpy()
    np.savez_compressed(buffer, images=images, labels=labels, classes=np.array(pictures.classes, dtype=np.str_))
    write_atomically(path, buffer.getvalue())


def read(path: Path) -> Digits:
    """What write() kept. Raises LessonsError if it is not there, or not such a file."""
    said = f"The run's {path.name} is not there, or was cut short: start a new run with the pictures."
    found = decoders.arrays(path, ("images", "labels", "classes"), said=said, most=2 * MOST_BYTES)
    try:
        images, labels, classes = found["images"], found["labels"], [str(c) for c in found["classes"]]
        fits = images.shape == (len(labels), 1, SIDE, SIDE) and images.dtype == np.uint8 and labels.dtype == np.int64
        if not fits or not len(labels) or not 0 <= labels.min() <= labels.max() < NUM_CLASSES:
            raise LessonsError(said)
    except (KeyError, TypeError, ValueError) as e:
        raise LessonsError(said) from e
    return _digits(images, labels, classes)
