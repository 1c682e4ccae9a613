"""The process that trains one run: `python -m lessons_lib.runs.worker FOLDER`, started by runs.tend()."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import torch
from PIL import Image

from lessons_lib.checkpoints import write_atomically
from lessons_lib.errors import LessonsError
from lessons_lib.images import to_uint8
from lessons_lib.mnist.data import DATA_DIR, load_digits
from lessons_lib.mnist.train import Settings, train
from lessons_lib.pictures import tiled, to_png
from lessons_lib.runs.lock import take

EVERY = 0.5  # seconds between two progress files
GRIDS = 24  # sample grids in a whole run, and one early


class _Wanted(Exception):
    """People want something else than running: "pause" or "cancel"."""


def main(folder: Path, inherited: int | None = None) -> None:
    """Train what the folder says until it is done or something else is wanted. inherited: the lock that tend() took for it."""
    lock = take(folder / "lock") if inherited is None else os.fdopen(inherited, "a+")
    if lock is None:  # another worker was quicker
        return
    with suppress(AttributeError, OSError):
        os.nice(10)  # lessons come first
    with suppress(OSError):  # Linux weighs whole sessions against each other, and nice only within one
        Path("/proc/self/autogroup").write_text("10")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    about = json.loads((folder / "start.json").read_text())
    settings, said = Settings(**about["settings"]), {}
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))

    def tell(status: str, **more) -> None:
        said.update(status=status, **more)
        write_atomically(folder / "progress.json", json.dumps(said).encode())

    try:
        digits = load_digits("train", about["data"] or DATA_DIR)
        n = min(settings.num_digits or len(digits), len(digits))
        total = settings.epochs * -(-n // settings.batch_size)
        tell("running", data=digits.source, total_steps=total, said="")
        sample_steps = max(1, total // GRIDS)
        spoke = 0.0
        device = "cuda" if torch.cuda.is_available() else "cpu"
        with closing(train(settings, digits, folder, device=device, checkpoint_seconds=60, sample_steps=sample_steps)) as run:
            for p in run:
                if p.samples is not None:
                    grid = Image.fromarray(tiled(to_uint8(p.samples).numpy(), 10))
                    write_atomically(
                        folder / f"samples-{p.step:07d}.png", to_png(grid, {"step": p.step, "network": settings.network})
                    )
                if time.monotonic() - spoke >= EVERY or p.step == p.total_steps:
                    spoke = time.monotonic()
                    tell(
                        "running", step=p.step, total_steps=p.total_steps, epoch=p.epoch, loss=p.loss,
                        images_per_second=p.images_per_second, seconds_left=p.seconds_left,
                    )  # fmt: skip
                    wanted = (folder / "wanted").read_text()
                    if wanted != "run":
                        raise _Wanted(wanted)
        tell("finished", said="", seconds_left=0.0)
    except _Wanted as e:  # the closed generator has checkpointed
        if str(e) == "cancel":
            tell("cancelled", said=f"Stopped at step {said.get('step', 0)}.")
        else:
            tell("paused", said=f"Paused at step {said.get('step', 0)}.")
    except KeyboardInterrupt:
        pass  # checkpointed; found as interrupted, and goes on when it is tended
    except LessonsError as e:
        tell("failed", said=str(e))
    except (MemoryError, RuntimeError) as e:
        tell("failed", said=f"Training ended: {str(e).splitlines()[0]}. Try a smaller batch_size or num_hiddens.")
        raise
    except Exception as e:  # said, and not tried again: what is unforeseen would only happen again
        tell("failed", said=f"Training ended: {type(e).__name__}: {e}"[:300])
        raise
    finally:
        lock.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
