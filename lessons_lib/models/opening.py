"""Open a model by name, once for the whole process."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path

from lessons_lib.errors import LessonsError
from lessons_lib.models.deepfloyd import open_deepfloyd
from lessons_lib.models.digits import open_digits
from lessons_lib.models.folder import open_folder
from lessons_lib.models.model import Model
from lessons_lib.models.names import REPOSITORIES, TITLES
from lessons_lib.places import CACHE

_opened: dict[str, Model] = {}
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_choosing = threading.Lock()  # held for the moment in which a name's own lock is found


def open_model(name: str) -> Model:
    """Open a model once for the whole process; others open meanwhile, since each name has its own lock.

    Args: name: "mnist", "emoji", "IF-I-XL" and its like, or a folder in IFPipeline's format.
    Raises: LessonsError in one sentence, with the next step, if it is unknown or cannot be opened.
    """
    if name in _opened:
        return _opened[name]
    with _choosing:
        lock = _locks[name]
    with lock:  # the background warm-up and a hasty Run must not both load it
        if name not in _opened:
            _opened[name] = _open(name)
        return _opened[name]


def _open(name: str) -> Model:
    if name == "mnist":
        return open_digits()
    if name == "emoji":
        return open_folder(CACHE / "text_to_image" / "stage1", name=name)
    if name in REPOSITORIES:
        return open_deepfloyd(name)
    if not Path(name).is_dir():
        raise LessonsError(f"There is no model called {name[:60]!r}: choose {', '.join(TITLES)}, or a folder.")
    return open_folder(Path(name), name=name)
