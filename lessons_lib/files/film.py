"""A walk kept as pictures: what a page shows, scrubs, saves and opens with. Without torch, so a kept film shows at once."""

from __future__ import annotations

import atexit
import io
import json
import os
import shutil
import tempfile
import threading
import time
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np

from lessons_lib.files.pictures import picture_of, png_url, to_png
from lessons_lib.places import CACHE

MAX_KEPT = 500_000  # bytes of a kept film
MAX_ENCODED = 4_000_000  # bytes of PNG that a film holds on to
OPENINGS = CACHE / "openings"
CHANNELS = ("xt", "x0_hat", "eps")
HEAVY = (*CHANNELS, "numbers")  # what a film lets go while nobody looks: megabytes
IDLE = float(os.environ.get("DIFFUSION_IDLE") or 600)  # seconds after which it does


@dataclass(eq=False)
class Film:
    """The steps of one walk as uint8 pictures, growing while the walk runs.

    about: what made it: model, prompt, seed, guidance_scale, ... for people and for the files saved from it.
    total: steps of the whole walk. index: which of them each frame is, from 0; a film kept from an earlier run has a few only.
    t: timestep of each frame. xt, x0_hat, eps: lists of (B, C, H, W) uint8, a frame each; eps as grey-centred picture.
    final: (B, C, H, W) uint8 after the last step. numbers: float32 (4, C, H, W) of the first picture a frame: xt, x0_hat,
    eps, x_prev, for the microscope. x0: (C, H, W) float32, the clean picture that the walk is about, if there is one.
    eta: the walk's share of fresh noise, 1 for DDPM, 0 for DDIM.
    link: the query of the link to the page as it stood when Run was pressed; empty for a film that was kept.
    weights: the files of the networks that were asked, of a live film.
    seconds: computing time so far. kept: the day it was made if it was kept from an earlier run, None if it is live.
    """

    about: dict
    total: int = 0
    index: list[int] = field(default_factory=list)
    t: list[int] = field(default_factory=list)
    t_prev: list[int] = field(default_factory=list)
    xt: list[np.ndarray] = field(default_factory=list)
    x0_hat: list[np.ndarray] = field(default_factory=list)
    eps: list[np.ndarray] = field(default_factory=list)
    numbers: list[np.ndarray] = field(default_factory=list)
    final: np.ndarray | None = None
    x0: np.ndarray | None = None
    eta: float = 1.0
    seconds: float = 0.0
    kept: str | None = None
    link: dict[str, str] = field(default_factory=dict)
    weights: tuple[Path, ...] = ()
    name: str = field(default_factory=lambda: uuid4().hex)  # no other film's
    used: float = field(default_factory=time.monotonic)  # when it was last recorded or looked at
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _ended: bool = False
    _encoded: dict[tuple, bytes] = field(default_factory=dict, repr=False)
    _made: dict[tuple[str, int], object] = field(default_factory=dict, repr=False)

    @property
    def finished(self) -> bool:
        """True if the walk came to its end."""
        return bool(self.index) and self.index[-1] == self.total - 1

    def __len__(self) -> int:
        return len(self.t)

    def rest(self) -> bool:
        """Put the frames on disk until they are asked for again. False if they cannot be written, and stay."""
        with self._lock:
            if "_resting" in self.__dict__ or not len(self):
                return False
            path = _resting_place() / f"{self.name}.npz"
            try:
                np.savez(path, **{name: np.stack(getattr(self, name)) for name in HEAVY})
            except OSError:
                path.unlink(missing_ok=True)
                return False
            self._resting = path, weakref.finalize(self, path.unlink, missing_ok=True)
            self._encoded.clear()
            for name in HEAVY:
                del self.__dict__[name]
            return True

    def __getattr__(self, name: str):
        """The frames of a film that rests come back when one is asked for."""
        if name not in HEAVY or "_resting" not in self.__dict__:
            raise AttributeError(f"a film has no {name}")
        with self._lock:
            if name not in self.__dict__:  # another thread may have been quicker
                path, forget = self.__dict__["_resting"]
                with np.load(path, allow_pickle=False) as kept:
                    self.__dict__.update({heavy: list(kept[heavy]) for heavy in HEAVY})
                self.used = time.monotonic()
                del self.__dict__["_resting"]
                forget()
            return self.__dict__[name]

    def frames(self, channel: str = "xt") -> list[np.ndarray]:
        """The pictures of one of CHANNELS, (B, C, H, W) uint8 each. Those of xt end with the picture after the last step."""
        self.used = time.monotonic()
        made = getattr(self, channel)
        return [*made, self.final] if channel == "xt" and self.final is not None else made

    def png(self, i: int, channel: str = "xt", columns: int = 8) -> bytes:
        """Frame i of frames(channel) as a PNG at its own size, grey where the pictures are grey. Encoded once, then cached.

        Args: i: from 0; negative from the end. columns: pictures in a row.
        """
        frames = self.frames(channel)
        i = range(len(frames))[i]
        key = (channel, i, columns, id(frames[i]))  # while the walk runs, the last of them changes
        encoded = self._encoded.get(key)
        if encoded is None:
            encoded = to_png(picture_of(frames[i], columns))
            with self._lock:
                self._encoded[key] = encoded
                while sum(map(len, self._encoded.values())) > MAX_ENCODED and len(self._encoded) > 1:
                    del self._encoded[next(iter(self._encoded))]
        return encoded

    def data_url(self, i: int, channel: str = "xt", columns: int = 8) -> str:
        """png() as a link that holds the picture itself."""
        return png_url(self.png(i, channel, columns))

    def once(self, what: str, make: Callable):
        """What make() says of the film as it is now; asked again, the same: a page runs anew at every widget."""
        self.used = time.monotonic()
        key = what, len(self)
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def final_tensor(self):
        """The picture after the last step: (B, C, H, W) float32 in [-1, 1], as a torch tensor."""
        from lessons_lib.maths.images import from_uint8

        return from_uint8(self.final)

    def end(self) -> None:
        """Take no further step: Streamlit starts the run that shows a stopped walk while the old one is still in the middle of a step."""
        with self._lock:
            self._ended = True

    def record(self, step) -> None:
        """Take one samplers.Step into the film, whole, unless it was ended."""
        import torch

        from lessons_lib.maths.images import eps_picture, to_uint8

        xt, x0_hat, eps, final = (to_uint8(v).numpy() for v in (step.xt, step.x0_hat, eps_picture(step.eps), step.x_prev))
        numbers = torch.stack([v[0].float().cpu() for v in (step.xt, step.x0_hat, step.eps, step.x_prev)]).numpy()
        with self._lock:
            if self._ended:
                return
            self.used = time.monotonic()
            with _live_lock:
                _live.add(self)
            self.total, self.final, self.eta = step.total, final, getattr(step, "eta", 1.0)
            self.index.append(step.index)
            self.t.append(step.t)
            self.t_prev.append(step.t_prev)
            self.xt.append(xt)
            self.x0_hat.append(x0_hat)
            self.eps.append(eps)
            self.numbers.append(numbers)

    def record_all(self, walk: Iterable) -> Iterator[Film]:
        """Run a walk into the film, yielding the film after every step; closes the walk if it is left early."""
        walk = iter(walk)
        try:
            while True:
                started = time.perf_counter()
                step = next(walk, None)
                if step is None:
                    return
                self.record(step)
                if self._ended:
                    return
                self.seconds += time.perf_counter() - started
                yield self
        finally:
            walk.close()

    def save(self, path: Path, frames: int | Sequence[int] = 8, channels: tuple[str, ...] = CHANNELS) -> None:
        """Keep it for opening a page: so many frames, evenly spread, or these; the numbers in half precision. Deterministic."""
        if isinstance(frames, int):
            frames = [round(i) for i in np.linspace(0, len(self.t) - 1, min(frames, len(self.t)))]
        pick = sorted({i for i in frames if i < len(self.t)})
        arrays = {name: np.stack([getattr(self, name)[i] for i in pick]) for name in channels}
        arrays["numbers"] = np.stack([self.numbers[i] for i in pick]).astype(np.float16)
        if self.x0 is not None:
            arrays["x0"] = self.x0.astype(np.float16)
        about = {
            "about": self.about,
            "t": [self.t[i] for i in pick],
            "t_prev": [self.t_prev[i] for i in pick],
            "index": [self.index[i] for i in pick],
            "eta": self.eta,
            "seconds": round(self.seconds, 2),
            "made": time.strftime("%Y-%m-%d"),
            "steps": self.total,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, final=self.final, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
        path.write_bytes(buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Film | None:
        """A kept film, or None if there is none or it cannot be read."""
        try:
            with np.load(path, allow_pickle=False) as f:
                about = json.loads(f["about"].tobytes())
                steps, t = about["steps"], about["t"]
                even = [round(i) for i in np.linspace(0, steps - 1, len(t))]  # which frames they are where the file does not say
                film = cls(about["about"], steps, about.get("index", even), t, about["t_prev"], final=f["final"])
                film.xt, film.x0_hat, film.eps = (list(f[name]) if name in f else [] for name in CHANNELS)
                film.numbers = list(f["numbers"].astype(np.float32))
                film.x0 = f["x0"].astype(np.float32) if "x0" in f else None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None
        film.seconds, film.kept = about["seconds"], about["made"]
        film.eta = about.get("eta", film.about.get("eta", 1.0))
        film.about.setdefault("steps", about["steps"])
        return film


_live: weakref.WeakSet[Film] = weakref.WeakSet()  # recorded in this process
_live_lock = threading.Lock()


def let_idle_rest(seconds: float = IDLE) -> int:
    """Put the frames of all films that nobody looked at for so long on disk; returns how many. A look brings them back."""
    before = time.monotonic() - seconds
    with _live_lock:
        idle = [film for film in _live if film.used < before]
    return sum(film.rest() for film in idle)


_places: list[Path] = []


def _resting_place() -> Path:
    """A folder of this process's own in the system's place for temporary files (TMPDIR); it goes with the process."""
    if not _places:
        _places.append(Path(tempfile.mkdtemp(prefix="lessons-films-")))
        atexit.register(shutil.rmtree, _places[0], ignore_errors=True)
    return _places[0]


def keep(
    film: Film,
    path: Path,
    *,
    frames: int | Sequence[int] = 8,
    channels: tuple[str, ...] = CHANNELS,
    max_bytes: int = MAX_KEPT,
) -> int:
    """Save with as many of the frames as fit into max_bytes: noise does not compress. Returns the file's size in bytes.

    frames: at most so many, evenly spread; or which, and of these the first ones stay.
    """
    chosen = [] if isinstance(frames, int) else list(frames)
    for n in range(len(chosen) or frames, 0, -1):
        film.save(path, chosen[:n] or n, channels)
        if path.stat().st_size <= max_bytes:
            break
    return path.stat().st_size


def opening_path(lesson: str, model: str) -> Path:
    return OPENINGS / f"{lesson}-{model}.npz"
