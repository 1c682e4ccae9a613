"""Read an uploaded my-arrays.npz without trusting it."""

from __future__ import annotations

import numpy as np

from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders

NOT_OURS = "This file was not made by check_my_code.py: run the script, and upload my-arrays.npz."


def read(file: bytes) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
    """(all arrays by name, what the script told of each function by its name).

    Raises: LessonsError if it is no such file, holds anything but numbers, or is or would unpack to too much.
    """
    arrays = decoders.arrays(file, said=NOT_OURS)
    for name, a in arrays.items():
        if a.dtype.kind not in "fiub" or a.dtype.itemsize > 8:
            raise LessonsError(f"{name[:60]} holds {str(a.dtype)[:40]}, not numbers: upload the file as the script made it.")
    about = arrays.get("about")
    if about is None or about.dtype != np.uint8 or about.ndim != 1:
        raise LessonsError(NOT_OURS)
    told = decoders.json_of(about.tobytes(), NOT_OURS)
    runs = told.get("runs") if isinstance(told, dict) else None
    if not isinstance(runs, dict) or not runs or not all(isinstance(v, dict) for v in runs.values()):
        raise LessonsError(NOT_OURS)
    return arrays, runs
