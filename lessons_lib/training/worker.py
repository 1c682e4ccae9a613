"""The process that trains one run: `python -m lessons_lib.training.worker FOLDER`, started by runs.tend()."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import torch

from lessons_lib.errors import LessonsError
from lessons_lib.files.checkpoints import checkpoint_files, write_atomically
from lessons_lib.files.lock import take
from lessons_lib.files.pictures import picture_of, to_png
from lessons_lib.log import set_up
from lessons_lib.maths.images import to_uint8
from lessons_lib.mnist import DATA_DIR, load_digits
from lessons_lib.training import own_pictures, runs
from lessons_lib.training.digits import train

log = logging.getLogger(__name__)

EVERY = 0.5  # seconds between two progress files
GRIDS = 24  # sample grids in a whole run, and one early


class _Wanted(Exception):
    """People want something else than running: "pause" or "cancel"."""


def main(folder: Path, inherited: int | None = None) -> bool:
    """Train what the folder says until it is done or something else is wanted. Nothing is raised: progress.json tells.

    Args: inherited: the open lock that tend() took for this process.
    Returns: False if it was interrupted, and is to go on another time.
    """
    lock = take(folder / "lock") if inherited is None else os.fdopen(inherited, "a+")
    if lock is None:  # another worker was quicker
        return False
    said = runs.read_progress(folder)

    def tell(status: str, **more) -> None:
        said.update(status=status, **more)
        runs.say(folder, said)

    try:
        settings, data = runs.read_start(folder)
        own = data is not None and Path(data).name == own_pictures.NAME
        digits = own_pictures.read(Path(data)) if own else load_digits("train", data or DATA_DIR)
        before = said.get("data", digits.source)
        if before != digits.source and checkpoint_files(folder):
            raise LessonsError(f"This run began with {before}, and now there is {digits.source}: start a new one with Train.")
        n = min(settings.num_digits or len(digits), len(digits))
        total = settings.epochs * -(-n // settings.batch_size)
        tell("running", data=digits.source, total_steps=total, said="", images_per_second=0.0, seconds_left=0.0)
        sample_steps = max(1, total // GRIDS)
        spoke = 0.0
        how = {"device": "cuda" if torch.cuda.is_available() else "cpu", "checkpoint_seconds": 60, "sample_steps": sample_steps}
        keep = (1, 5, settings.epochs)  # which the lessons of Part B open
        with closing(train(settings, digits, folder, **how, keep_epochs=keep)) as run:
            for p in run:
                if p.samples is not None:
                    grid = picture_of(to_uint8(p.samples).numpy(), 10)
                    write_atomically(
                        folder / f"samples-{p.step:07d}.png", to_png(grid, {"step": p.step, "network": settings.network})
                    )
                if time.monotonic() - spoke >= EVERY or p.step == p.total_steps:
                    spoke = time.monotonic()
                    if not (folder / "start.json").exists():
                        raise _Wanted("cancel")  # somebody deleted the folder
                    tell(
                        "running",
                        step=p.step,
                        total_steps=p.total_steps,
                        epoch=p.epoch,
                        loss=p.loss,
                        images_per_second=p.images_per_second,
                        seconds_left=p.seconds_left,
                    )
                    wanted = runs.wanted(folder)
                    if wanted != "run":
                        raise _Wanted(wanted)
        tell("finished", step=total, epoch=settings.epochs, seconds_left=0.0)
    except _Wanted as e:  # the closed generator has checkpointed
        _last(tell, "paused" if str(e) == "pause" else "cancelled")
    except KeyboardInterrupt:  # checkpointed; found as interrupted, and goes on when it is tended
        return False
    except LessonsError as e:
        log.warning("training ended", exc_info=e)
        _last(tell, "failed", said=str(e))
    except (MemoryError, RuntimeError) as e:
        log.error("training ended", exc_info=e)
        why = (str(e) or "memory ran out").splitlines()[0][:300]
        _last(tell, "failed", said=f"Training ended: {why}. Try a smaller batch_size or num_hiddens.")
    except Exception as e:  # said, and not tried again by itself: what is unforeseen would only happen again
        log.error("training ended", exc_info=e)
        _last(tell, "failed", said=f"Training ended: {type(e).__name__}: {e}"[:300])
    finally:
        lock.close()
        if re.fullmatch(runs.NAME, folder.name) and not (folder / "start.json").exists():  # deleted meanwhile: leave nothing
            shutil.rmtree(folder, ignore_errors=True)
    return True


def _last(tell, status: str, **more) -> None:
    """Where not even a last word can be written, the run is found interrupted, and tend() says why it cannot go on."""
    with suppress(LessonsError):
        tell(status, **more)


def give_way() -> None:
    """Lessons come first: this process takes the time and the processors that they leave. DIFFUSION_NICE, 10 if not set, is by how much."""
    nice = os.environ.get("DIFFUSION_NICE", "10")
    nice = int(nice) if nice.isdecimal() else 10
    with suppress(AttributeError, OSError):
        os.nice(max(0, nice - os.nice(0)))
    with suppress(AttributeError, OSError):  # Linux weighs whole sessions against each other, and nice only within one
        if os.getsid(0) == os.getpid():  # in a session of others, they would stand back too
            Path("/proc/self/autogroup").write_text(str(nice))
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))


def process(folder: Path, inherited: int | None = None) -> None:
    """The whole life of a worker's process: train, and then see whose turn it is, even when no page is open."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    set_up()
    give_way()
    if main(folder, inherited):
        runs.FOLDER = folder.parent
        runs.tend()


if __name__ == "__main__":
    process(Path(sys.argv[1]), *map(int, sys.argv[2:]))
