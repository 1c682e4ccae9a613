"""Training state and weights on disk: safetensors beside JSON, written so that a crash or a full disk loses nothing.

A checkpoint is two files, `checkpoint-STEP.safetensors` and `checkpoint-STEP.json`. The JSON is written last and holds
the SHA-256 of the other, so a pair that was cut short is recognised and the one before it is used. Two are kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lessons_lib.errors import LessonsError

KEPT = 2
PATIENCE = 2.0  # seconds; readers have a file open for milliseconds


def write_atomically(path: Path, data: bytes) -> None:
    """Either the whole new file or the old one, whatever happens in between. Raises LessonsError on a full disk."""
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        replace(part, path)
    except OSError as e:
        raise _not_written(path, e.strerror) from e
    finally:
        with suppress(OSError):
            part.unlink()


def _part_of(path: Path) -> Path:
    """A name beside it for what is still being written, by this thread of this process alone."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")


def replace(part: Path, path: Path) -> None:
    """os.replace(), tried again for PATIENCE seconds: Windows refuses it while somebody has the file open."""
    _patiently(lambda: os.replace(part, path))


def read(path: Path) -> str:
    """The text of a file that another process may be replacing, which Windows lets nobody read at that moment. Raises OSError."""
    return _patiently(lambda: path.read_text(encoding="utf-8"))


def remove(path: Path) -> None:
    """Delete a file; one that is not there, or that Windows keeps because somebody reads it, is left as it is."""
    with suppress(OSError):
        path.unlink()


def _patiently(act: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> str:
    """Write a safetensors file atomically. Returns its SHA-256."""
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part, metadata)
        replace(part, path)
    except Exception as e:  # safetensors reports a full disk as its own SafetensorError
        raise _not_written(path, e) from e
    finally:
        with suppress(OSError):
            part.unlink()
    return sha256(path)


def _not_written(path: Path, why: object) -> LessonsError:
    return LessonsError(
        f"Could not write {path.name}: {why}. Free some disk space, or make {path.parent} writable; what was there is kept."
    )


def sha256(path: Path) -> str:
    """The file's SHA-256, 64 hex digits. Raises OSError if it cannot be read."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def save_checkpoint(
    folder: Path, step: int, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer, about: dict
) -> None:
    """Everything needed to go on from `step`, exactly. Older checkpoints than the last two are removed."""
    tensors = {f"{name}.{k}": v for name, module in modules.items() for k, v in module.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v for k, v in state.items()}
    path = folder / f"checkpoint-{step:08d}.safetensors"
    digest = save_tensors(path, tensors)
    about = {"step": step, "sha256": digest, **about}
    try:
        write_atomically(path.with_suffix(".json"), json.dumps(about, indent=1).encode())
    except LessonsError:
        remove(path)  # without its JSON it only fills the disk further
        raise
    for old in checkpoint_files(folder)[KEPT:]:
        remove(old)
        remove(old.with_suffix(".safetensors"))


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints' JSON files, newest first by step (never by clock, which can be set back)."""
    found = [p for p in Path(folder).glob("checkpoint-*.json") if re.fullmatch(r"checkpoint-\d+", p.stem)]
    return sorted(found, key=lambda p: int(p.stem.split("-")[1]), reverse=True)


def load_checkpoint(folder: Path) -> tuple[dict, dict[str, Tensor]] | None:
    """(about, tensors) of the newest whole checkpoint, or None. Pairs that were cut short are passed over."""
    for path in checkpoint_files(folder):
        try:
            about = json.loads(path.read_text())
            weights = path.with_suffix(".safetensors")
            if sha256(weights) == about["sha256"]:
                return about, load_file(weights)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def restore(tensors: dict[str, Tensor], modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer) -> None:
    """Put a loaded checkpoint back into the modules and the optimiser it was saved from."""
    for name, module in modules.items():
        prefix = name + "."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            state.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def halved(module: nn.Module) -> dict[str, Tensor]:
    """The module's weights for shipping: floats in half precision, counters as they are.

    Raises: LessonsError if a value does not fit in half precision.
    """
    half = {k: v.half() if v.is_floating_point() else v for k, v in module.state_dict().items()}
    for k, v in half.items():
        if v.is_floating_point() and not bool(torch.isfinite(v).all()):
            raise LessonsError(f"{k} holds values that half precision cannot: the training diverged.")
    return half
