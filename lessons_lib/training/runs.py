"""Training runs as folders. What counts stands in files: a reload, another tab or a restarted server sees the same.

cache/runs/mnist/ holds a folder a run, and
    lock            held for the moment in which a run is started or steered, so that two tabs or servers cannot clash
cache/runs/mnist/ID/ holds
    start.json      what to train                 (written once, at the start)
    order           its place in the queue        (a whole number, larger than all before)
    wanted          "run", "pause" or "cancel"    (what people want; the last press counts, but a stop holds until it is taken back)
    key             SHA-256 of the secret that steers it; without this file everybody may
    pictures.npz    what it trains on, where that is not MNIST
    lock            held by the worker while it lives, let go by the system when it dies, however it dies
    progress.json   the worker's last word        (replaced about twice a second)
    tries           how often a worker was started from the checkpoints that are there
    spare           disk space put by for a last word on a full disk
    errors.txt      what the last worker wrote to stderr
    node            the node it trained on last, where that is one of a cluster
    settings.json, samples-STEP.png, losses.csv, checkpoint-*    (see mnist.train)

A worker that died (killed, power cut, out of memory) is seen by its free lock; tend() starts it again from its last
checkpoint if it is still wanted, and gives up after TRIES deaths in a row without a new checkpoint. No decision is made by
the clock, and none by a process number. Where a cluster was joined (engine.py), it is asked too which runs live, and told to
start them on its nodes.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lessons_lib import engine
from lessons_lib.errors import LessonsError
from lessons_lib.files.checkpoints import checkpoint_files, read, remove, replace, write_atomically
from lessons_lib.files.curves import read_losses, thinned
from lessons_lib.files.lock import INHERITED, holding, is_held, take
from lessons_lib.models.digits import Settings
from lessons_lib.places import ROOT, RUNS
from lessons_lib.training import own_pictures
from lessons_lib.training.own_pictures import Pictures

FOLDER = RUNS
AT_ONCE = 1  # runs that train at the same time; the others queue
KEPT = 20  # finished runs that are kept
EACH = 3  # runs of one browser that are not done yet
MOST = 100  # runs of all that wait or train
POINTS = 300  # of a loss curve that is sent to a page
TRIES = 3  # workers started in a row from the same checkpoints before a run is given up
MNIST = 60_000  # pictures that a run trains on where it does not say how many
SPARE = 4096  # bytes, put by for a last word on a full disk
NAME = r"r[0-9a-f]{7}"
ENDED = ("finished", "failed", "cancelled")
WORKER = (sys.executable, "-m", "lessons_lib.training.worker")
WORDS = {  # what may stand in progress.json
    "status": str,
    "said": str,
    "data": str,
    "step": int,
    "total_steps": int,
    "epoch": int,
    "loss": (int, float, type(None)),
    "images_per_second": (int, float),
    "seconds_left": (int, float),
}


@dataclass(frozen=True)
class State:
    """What a page shows of a run.

    status: "queued", "running", "paused", "finished", "failed", "cancelled" or "interrupted" (its process died).
    said: one sentence on what happened, where there is something to say. place: 1 is next in the queue. waits: about how many
    seconds until it begins, None where that is not known.
    step, epoch: how many are done. loss: the last step's mean squared error. seconds_left: an estimate, in seconds.
    samples: (step, PNG file) of every grid made so far, oldest first. losses: (steps, means), at most POINTS of each.
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
    waits: float | None = None


def start(
    settings: Settings,
    data: str | None = None,
    *,
    key: str = "",
    pictures: Pictures | None = None,
    own: Collection[str] = (),
) -> str:
    """Queue a run and return its id. Raises LessonsError if its folder cannot be written, or too many are not done yet.

    data: MNIST's folder for another place than cache/data. pictures: to train on in MNIST's place; they are kept beside the run. key: the secret that may steer it, "" for everybody; its hash is kept. own: runs that whoever asks has started before.
    """
    _refuse_too_many(own)
    run = "r" + secrets.token_hex(4)[1:]  # a letter first: links with 8616e633 are taken for the number infinity
    folder = FOLDER / run
    try:
        folder.mkdir(parents=True)
    except OSError as e:
        raise LessonsError(f"No run can be started: {folder.parent} cannot be written ({e.strerror}).") from e
    try:
        with holding(FOLDER / "lock"):
            order = 1 + max(map(_order, _folders()), default=0)
            write_atomically(folder / "order", str(order).encode())
            if key:
                write_atomically(folder / "key", _hash(key).encode())
            if pictures is not None:
                own_pictures.write(folder / own_pictures.NAME, pictures)
                data = own_pictures.NAME
            write_atomically(folder / "wanted", b"run")
            write_atomically(folder / "start.json", json.dumps({"settings": asdict(settings), "data": data}).encode())
            _tidy()
            _start_waiting()
    except LessonsError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return run


def _refuse_too_many(own: Collection[str]) -> None:
    undone = [p.name for p in _folders() if _status(p, read_progress(p)) not in ENDED]
    if len(set(own) & set(undone)) >= EACH:
        raise LessonsError(f"{EACH} of your trainings are not done yet, and that is the most at once: stop one, or wait for one.")
    if len(undone) >= MOST:
        raise LessonsError(f"{MOST} trainings wait on this server, which is the most: try again when some are done.")


def folder_of(run: str) -> Path:
    """The run's folder. Raises LessonsError for an id that is none, or that is not there."""
    if not re.fullmatch(NAME, run or ""):
        raise LessonsError(f"{run[:40]!r} is not the name of a run: start one with Train, or check the link.")
    folder = FOLDER / run
    if not (folder / "start.json").exists():
        raise LessonsError(f"There is no run {run} on this machine any more: start a new one with Train.")
    return folder


def watch(run: str) -> State:
    """How the run stands. Raises LessonsError for an unknown run, and for one whose start.json is broken."""
    folder = folder_of(run)
    settings, _ = read_start(folder)
    progress = read_progress(folder)
    status, place, waits = _status(folder, progress), 0, None
    if status == "queued":
        queue = _queue()
        place = 1 + queue.index(folder) if folder in queue else 1
        with suppress(LessonsError):  # a run ahead cannot be read: nobody knows how long it takes
            waits = _waits(queue[: place - 1])
    samples = [(int(m[1]), p) for p in folder.glob("samples-*.png") if (m := re.fullmatch(r"samples-(\d+)", p.stem))]
    return State(
        run,
        settings,
        progress.get("data", ""),
        status,
        _said(folder, status, progress),
        place,
        progress.get("step", 0),
        progress.get("total_steps", 0),
        progress.get("epoch", 0),
        progress.get("loss"),
        progress.get("images_per_second", 0.0),
        progress.get("seconds_left", 0.0),
        tuple(sorted(samples)),
        _curve(folder),
        waits,
    )


def pause(run: str) -> None:
    """Checkpoint and let go of the processor; resume() goes on. Pausing a run that has ended changes nothing.

    Raises LessonsError for an unknown run, or a full disk. So do resume() and cancel().
    """
    folder = folder_of(run)
    with holding(FOLDER / "lock"):
        if _status(folder, read_progress(folder)) not in ENDED and wanted(folder) != "cancel":
            write_atomically(folder / "wanted", b"pause")


def resume(run: str) -> None:
    """Go on from the last checkpoint, in the queue like any other; one that failed is tried again. Stopped stays stopped:
    a late press in another tab does not undo a stop; take_up() does.
    """
    folder = folder_of(run)
    with holding(FOLDER / "lock"):
        progress = read_progress(folder)
        status = _status(folder, progress)
        if status in ("finished", "cancelled") or wanted(folder) == "cancel":
            return
        _go_on(folder, progress, status)


def take_up(run: str) -> None:
    """Go on with a run that was stopped, from the checkpoint that it left. One that is not stopped is left as it is."""
    folder = folder_of(run)
    with holding(FOLDER / "lock"):
        progress = read_progress(folder)
        if _status(folder, progress) == "cancelled":
            _go_on(folder, progress, "cancelled")


def _go_on(folder: Path, progress: dict, status: str) -> None:
    if status in ("failed", "cancelled"):
        read_start(folder)
        say(folder, {**progress, "status": "queued", "said": ""})
    remove(folder / "tries")
    write_atomically(folder / "wanted", b"run")
    _start_waiting()


def may_steer(run: str, key: str) -> bool:
    """True if this secret may pause, stop and take up the run. Raises LessonsError for an unknown run."""
    try:
        return hmac.compare_digest((folder_of(run) / "key").read_text(), _hash(key))
    except FileNotFoundError:
        return True  # started without one
    except (OSError, ValueError):
        return False


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def cancel(run: str) -> None:
    """End the run; what it made stays to be seen, and take_up() goes on with it."""
    folder = folder_of(run)
    with holding(FOLDER / "lock"):
        if _status(folder, read_progress(folder)) != "finished":
            write_atomically(folder / "wanted", b"cancel")


def tend() -> str:
    """Start the workers that should be running and are not. Pages call it whenever they draw, and a worker that ends; it is quick.

    Returns: one sentence on why none can be started, such as a full disk; "" if all is well. It is tried again at the next call.
    """
    if not FOLDER.is_dir():
        return ""
    try:
        lock = take(FOLDER / "lock")
    except OSError as e:
        return f"No run can be started: {FOLDER} cannot be written ({e.strerror})."
    if lock is None:  # somebody else is at it
        return ""
    with lock:
        try:
            return _start_waiting()
        except LessonsError as e:  # the cluster does not answer
            return str(e)


def last_runs(n: int = 5) -> list[str]:
    """The newest runs' ids, newest first."""
    return [p.name for p in reversed(_folders())][:n]


def finished(networks: Collection[str], most: int = KEPT) -> dict[str, Settings]:
    """{run: what it trained} of the newest runs that are done and whose weights are kept, for these kinds of network, newest first."""
    found: dict[str, Settings] = {}
    for folder in reversed(_folders()):
        if read_progress(folder).get("status") == "finished" and any(folder.glob("epoch-*.safetensors")):
            with suppress(LessonsError):
                settings, _ = read_start(folder)
                if settings.network in networks:
                    found[folder.name] = settings
        if len(found) == most:
            break
    return found


# ---- what stands in a run's folder ----


def read_start(folder: Path) -> tuple[Settings, str | None]:
    """What to train, and MNIST's folder if it is another than cache/data, or the file of one's own pictures. Raises LessonsError if start.json is broken."""
    try:
        about = json.loads((folder / "start.json").read_text())
        own = about["data"] == own_pictures.NAME
        return Settings(**about["settings"]), str(folder / own_pictures.NAME) if own else about["data"]
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise LessonsError(
            f"Run {folder.name} cannot be read: its start.json was cut short, or is from another version. Start a new one with Train."
        ) from e


def read_progress(folder: Path) -> dict:
    """The worker's last word; {} if there is none yet, or if it is broken."""
    try:
        progress = json.loads(read(folder / "progress.json"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(progress, dict) and all(isinstance(progress[k], kind) for k, kind in WORDS.items() if k in progress)
    return progress if whole else {}


def say(folder: Path, progress: dict) -> None:
    """Replace progress.json. A last word is said on a full disk too, in the space put by for it. Raises LessonsError otherwise."""
    try:
        write_atomically(folder / "progress.json", json.dumps(progress).encode())
    except LessonsError:
        if progress["status"] == "running":
            raise
        spare = folder / "spare"
        try:
            with open(spare, "r+b") as f:  # in place: it takes no new space
                f.write(json.dumps({**progress, "said": progress.get("said", "")[:500]}).encode().ljust(SPARE))
                f.flush()
                os.fsync(f.fileno())
            replace(spare, folder / "progress.json")
            return
        except OSError:
            pass  # the first error says more
        raise


def wanted(folder: Path) -> str:
    """What people want of the run: "run", "pause" or "cancel"; "run" if the file is broken."""
    try:
        word = read(folder / "wanted")
    except (OSError, ValueError):
        return "run"
    return word if word in ("pause", "cancel") else "run"


def _order(folder: Path) -> int:
    try:
        return int((folder / "order").read_text())
    except (OSError, ValueError):
        return 0


def _tries(folder: Path) -> tuple[int, list[str]]:
    """(how often a worker was started since the last press or new checkpoint, the checkpoints it was started from)."""
    try:
        tries = json.loads((folder / "tries").read_text())
        return int(tries["tries"]), list(tries["checkpoints"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0, []


# ---- all runs ----


def _folders() -> list[Path]:
    """All runs in the order they were asked for."""
    found = [p for p in FOLDER.iterdir() if re.fullmatch(NAME, p.name) and (p / "start.json").exists()] if FOLDER.is_dir() else []
    return sorted(found, key=lambda p: (_order(p), p.name))


def _queue() -> list[Path]:
    """Runs that are wanted and have no living worker, in order."""
    return [p for p in _folders() if _status(p, read_progress(p)) in ("queued", "interrupted")]


def _waits(ahead: list[Path]) -> float | None:
    """About how many seconds until those that train and those ahead leave a place; None while no run has told its speed.

    Raises: LessonsError for a run whose start.json is broken.
    """
    folders, places = _folders(), at_once()
    newest = next((p for p in reversed(folders) if read_progress(p).get("images_per_second")), None)
    training = [_seconds(p, newest) for p in folders if _lives(p)]
    each = [_seconds(p, newest) for p in ahead]
    if None in training or None in each or places < 1:
        return None
    free = sorted(training) + [0.0] * (places - len(training))
    heapq.heapify(free)
    for seconds in each:
        heapq.heapreplace(free, free[0] + seconds)
    return free[0]


def _seconds(folder: Path, newest: Path | None) -> float | None:
    """About how long a run still trains: by its own word, or by the speed of the newest that told one; the cost grows with D squared."""
    left = read_progress(folder).get("seconds_left")
    if left or newest is None:
        return left or None
    settings, told = read_start(folder)[0], read_start(newest)[0]
    pictures, speed = settings.epochs * (settings.num_digits or MNIST), read_progress(newest)["images_per_second"]
    return pictures / speed * (settings.num_hiddens / told.num_hiddens) ** 2


def _tidy() -> None:
    ended = [p for p in _folders() if _status(p, read_progress(p)) in ENDED]
    for folder in ended[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _start_waiting() -> str:
    """What tend() does, with FOLDER's lock held."""
    free, trouble = at_once() - sum(map(_lives, _folders())), ""
    for folder in _queue():
        if free <= 0:
            break
        try:
            free -= _start_worker(folder)
        except LessonsError as e:  # the next one may lie better
            trouble = trouble or str(e)
    return trouble


def at_once() -> int:
    """How many runs train at the same time: AT_ONCE here, more on a cluster. Raises LessonsError if that does not answer."""
    cluster = engine.current()
    return AT_ONCE if cluster is None else cluster.trainings.at_once()


def _start_worker(folder: Path) -> bool:
    """False if the run was given up instead. Raises LessonsError on a full disk, before anything was started."""
    tries, before = _tries(folder)
    there = [p.name for p in checkpoint_files(folder)]
    tries = tries + 1 if there == before else 1
    if tries > TRIES:
        say(folder, {**read_progress(folder), "status": "failed", "said": _gave_up(folder)})
        return False
    write_atomically(folder / "spare", b" " * SPARE)
    write_atomically(folder / "tries", json.dumps({"tries": tries, "checkpoints": there}).encode())
    if (cluster := engine.current()) is not None:
        cluster.trainings.start(folder)
        return True
    command, passed, lock = [*WORKER, str(folder)], (), None
    try:
        if INHERITED:  # held from now on: the worker needs seconds to import torch, and the next tend() must not start another
            lock = take(folder / "lock")
            if lock is None:
                return True
            command, passed = [*command, str(lock.fileno())], (lock.fileno(),)
        with open(folder / "errors.txt", "wb") as errors:
            worker = subprocess.Popen(
                command,
                cwd=ROOT,
                start_new_session=True,
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
    except OSError as e:
        raise LessonsError(f"Run {folder.name} cannot be started ({e.strerror}): free some memory and disk space.") from e
    finally:
        if lock is not None:
            lock.close()  # the worker's copy still holds it
    if not INHERITED:
        _begun[folder] = worker
    return True


_begun: dict[Path, subprocess.Popen] = {}  # Windows only, where no lock can be handed on: workers that may not hold theirs yet


def _lives(folder: Path) -> bool:
    if is_held(folder / "lock") or (folder in _begun and _begun[folder].poll() is None):
        return True
    cluster = engine.current()
    return cluster is not None and cluster.trainings.lives(folder)


# ---- how a run stands ----


def _status(folder: Path, progress: dict) -> str:
    said, want = progress.get("status"), wanted(folder)
    if said in ("finished", "cancelled"):
        return said
    if said == "failed":
        return "cancelled" if want == "cancel" else "failed"
    if _lives(folder):
        return "running"
    if want == "cancel":
        return "cancelled"
    try:
        read_start(folder)
    except LessonsError:
        return "failed"
    if want == "pause":
        return "paused"
    return "interrupted" if said == "running" or _tries(folder)[0] else "queued"


def _said(folder: Path, status: str, progress: dict) -> str:
    """One sentence on what happened, where there is something to say."""
    at = f"at step {progress['step']}" if "step" in progress else "before its first step"
    if status == "running":
        want = wanted(folder)
        beginning = "" if progress.get("status") == "running" else "Beginning ..."
        return {"pause": "Pausing: it saves a checkpoint first ...", "cancel": "Stopping ..."}.get(want, beginning)
    if not progress and (folder / "progress.json").exists():
        return "Its progress.json is broken, so its step is not known; nothing else is lost, and it goes on from its last checkpoint."
    if status == "paused":
        return f"Paused {at}."
    if status == "cancelled":
        return f"Stopped {at}."
    if status == "interrupted":
        return f"Its process ended {at}; it goes on from its last checkpoint."
    return progress.get("said", "") if status == "failed" else ""


def _gave_up(folder: Path) -> str:
    try:
        lines = (folder / "errors.txt").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    last = next((f" ({line[:200]})" for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), "")
    return (
        f"Its process ended {TRIES} times in a row before it could save anything new{last}. If memory ran out, close other programs "
        "and try again, or train a smaller num_hiddens or batch_size; what was saved is kept."
    )


def _curve(folder: Path) -> tuple[list[float], list[float]]:
    """The loss curve in at most POINTS points."""
    try:
        return thinned(*read_losses(folder / "losses.csv"), POINTS)
    except (OSError, ValueError):
        return [], []
