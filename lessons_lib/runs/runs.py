"""Training runs as folders. Nothing is kept in memory: a reload, another tab or a restarted server sees the same.

cache/runs/ID/ holds
    settings.json   what to train                 (written once, at the start)
    wanted          "run", "pause" or "cancel"    (what people want; each press replaces it, so two tabs cannot clash)
    lock            held by the worker while it lives, let go by the system when it dies, however it dies
    progress.json   the worker's last word        (replaced about twice a second)
    samples-STEP.png, losses.csv, checkpoint-*    (see mnist.train)

A worker that died (killed, power cut, server stopped) is seen by its free lock; tend() starts it again from its last
checkpoint if it is still wanted. No decision is made by the clock.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lessons_lib.checkpoints import write_atomically
from lessons_lib.errors import LessonsError
from lessons_lib.mnist.train import Settings, read_losses
from lessons_lib.runs.lock import INHERITED, is_held, take

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "cache" / "runs" / "mnist"
AT_ONCE = 1  # runs that train at the same time; the others queue
KEPT = 20  # finished runs that are kept
POINTS = 300  # of a loss curve that is sent to a page
ENDED = ("finished", "failed", "cancelled")


@dataclass(frozen=True)
class State:
    """What a page shows of a run.

    status: "queued", "running", "paused", "finished", "failed", "cancelled" or "interrupted" (its process died).
    said: one sentence on what happened, where there is something to say. place: 1 is next in the queue.
    samples: (step, PNG file) of every grid made so far, oldest first.
    """

    run: str
    settings: Settings
    data: str
    status: str
    said: str = ""
    place: int = 0
    step: int = 0
    total_steps: int = 0
    epoch: int = 0
    loss: float | None = None
    images_per_second: float = 0.0
    seconds_left: float = 0.0
    samples: tuple[tuple[int, Path], ...] = field(default=())
    losses: tuple[list[int], list[float]] = field(default=((), ()))


def start(settings: Settings, data: str | None = None) -> str:
    """Queue a run and return its id. Raises LessonsError if its folder cannot be written.

    data: MNIST's folder for another place than cache/data.
    """
    run = "r" + secrets.token_hex(4)[1:]  # a letter first: links with 8616e633 are taken for the number infinity
    folder = FOLDER / run
    try:
        folder.mkdir(parents=True)
    except OSError as e:
        raise LessonsError(f"No run can be started: {folder.parent} cannot be written ({e.strerror}).") from e
    order = 1 + max((int((p / "order").read_text()) for p in FOLDER.iterdir() if (p / "order").exists()), default=0)
    write_atomically(folder / "order", str(order).encode())
    write_atomically(folder / "wanted", b"run")
    write_atomically(folder / "start.json", json.dumps({"settings": asdict(settings), "data": data}).encode())
    _tidy()
    tend()
    return run


def folder_of(run: str) -> Path:
    """The run's folder. Raises LessonsError for an id that is none, or that is not there."""
    if not re.fullmatch(r"r[0-9a-f]{7}", run or ""):
        raise LessonsError(f"{run[:40]!r} is not the name of a run: start one with Train, or check the link.")
    folder = FOLDER / run
    if not (folder / "start.json").exists():
        raise LessonsError(f"There is no run {run} on this machine any more: start a new one with Train.")
    return folder


def watch(run: str) -> State:
    """How the run stands. Raises LessonsError for an unknown run."""
    folder = folder_of(run)
    about = json.loads((folder / "start.json").read_text())
    settings = Settings(**about["settings"])
    progress = _progress(folder)
    status, place = _status(folder, progress), 0
    if status == "queued":
        queue = _queue()
        place = 1 + queue.index(folder) if folder in queue else 1
    said = progress.get("said", "")
    if status == "interrupted":
        said = f"Its process ended at step {progress.get('step', 0)}; it goes on from its last checkpoint."
    samples = sorted((int(p.stem.split("-")[1]), p) for p in folder.glob("samples-*.png"))
    return State(
        run, settings, progress.get("data", ""), status, said, place, progress.get("step", 0), progress.get("total_steps", 0),
        progress.get("epoch", 0), progress.get("loss"), progress.get("images_per_second", 0.0), progress.get("seconds_left", 0.0),
        tuple(samples), _thinned(folder),
    )  # fmt: skip


def pause(run: str) -> None:
    """Checkpoint and let go of the processor; resume() goes on. Pausing a run that has ended changes nothing."""
    _want(run, "pause")


def resume(run: str) -> None:
    """Go on from the last checkpoint, in the queue like any other."""
    _want(run, "run")
    tend()


def cancel(run: str) -> None:
    """End the run for good; what it made stays to be seen."""
    _want(run, "cancel")


def tend() -> None:
    """Start the workers that should be running and are not. Pages call it whenever they draw; it is quick."""
    if not FOLDER.exists():
        return
    free = AT_ONCE - sum(is_held(p / "lock") for p in _folders())
    for folder in _queue()[: max(free, 0)]:
        command, passed = [sys.executable, "-m", "lessons_lib.runs.worker", str(folder)], ()
        if INHERITED:  # held from now on: the worker needs seconds to import torch, and the next tend() must not start another
            lock = take(folder / "lock")
            if lock is None:
                continue
            command, passed = [*command, str(lock.fileno())], (lock.fileno(),)
        with open(folder / "errors.txt", "ab") as errors:
            subprocess.Popen(
                command, cwd=ROOT, start_new_session=True, pass_fds=passed,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        if INHERITED:
            lock.close()  # the worker's copy still holds it


def last_runs(n: int = 5) -> list[str]:
    """The newest runs' ids, newest first."""
    return [p.name for p in reversed(_folders())][:n] if FOLDER.exists() else []


def _folders() -> list[Path]:
    """All runs in the order they were asked for."""
    found = [p for p in FOLDER.iterdir() if (p / "start.json").exists()] if FOLDER.exists() else []
    return sorted(found, key=lambda p: int((p / "order").read_text() or 0))


def _queue() -> list[Path]:
    """Runs that are wanted and have no living worker, in order."""
    return [p for p in _folders() if _status(p, _progress(p)) in ("queued", "interrupted")]


def _status(folder: Path, progress: dict) -> str:
    ended = progress.get("status")
    if ended in ENDED:
        return ended
    wanted = _wanted(folder)
    if is_held(folder / "lock"):
        return "running"
    if wanted == "cancel":
        return "cancelled"
    if wanted == "pause":
        return "paused"
    return "interrupted" if ended == "running" else "queued"


def _progress(folder: Path) -> dict:
    try:
        return json.loads((folder / "progress.json").read_text())
    except (OSError, ValueError):
        return {}


def _wanted(folder: Path) -> str:
    try:
        return (folder / "wanted").read_text()
    except OSError:
        return "run"


def _want(run: str, what: str) -> None:
    folder = folder_of(run)
    if _progress(folder).get("status") not in ENDED and _wanted(folder) != "cancel":  # stopped stays stopped
        write_atomically(folder / "wanted", what.encode())


def _thinned(folder: Path) -> tuple[list[int], list[float]]:
    """The loss curve in at most POINTS points, each the mean of its stretch."""
    try:
        steps, losses = read_losses(folder / "losses.csv")
    except OSError:
        return [], []
    width = -(-len(steps) // POINTS) or 1
    groups = range(0, len(steps), width)
    return [steps[min(i + width, len(steps)) - 1] for i in groups], [sum(g := losses[i : i + width]) / len(g) for i in groups]


def _tidy() -> None:
    ended = [p for p in _folders() if _progress(p).get("status") in ENDED]
    for folder in ended[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
