"""One training loop for every network of the app: it stops at any step and goes on from there, on any device.

A `Training` says what is learned: modules, optimiser, the loss of a step. `run()` is a generator of Progress that steps it, saves it
and restores it. All that is random in a step must be drawn from its number (`generator`), so that a run which was stopped goes on to
the bit, and no random state is saved.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints


class Training:
    """What a run trains. Subclasses set the attributes and write loss(); the other methods have nothing to do unless they wish.

    modules: what is saved, by name. optimizer: torch's, or Muon. total_steps: of the whole run. batch_size: pictures a step, for the
    speed. clip: the gradient's largest norm, or None. read_every: after how many steps the loss is read: 1 where that costs nothing,
    more on a GPU, which would wait for Python at every step.
    """

    modules: dict[str, nn.Module]
    optimizer: torch.optim.Optimizer
    total_steps: int
    batch_size: int
    clip: float | None = None
    read_every: int = 1

    def loss(self, step: int) -> Tensor:
        """The loss of step number `step`, 0 the first, to go backward from. Sets the learning rate too, where it changes."""
        raise NotImplementedError

    def watched(self, loss: Tensor) -> Tensor:
        """Which number to report of it; the loss itself unless it is made of several."""
        return loss

    def stepped(self, step: int) -> None:
        """After the optimiser's step, `step` of them being done: averages follow their network here."""

    def rest(self, step: int, loss: float) -> None:
        """Between two steps, outside the measured time: logs, sheets, weights kept."""

    def wants_saving(self, step: int) -> bool:
        """Whether a checkpoint is due after `step` steps, whatever the clock says: the end of an epoch."""
        return False

    def about(self) -> dict:
        """What a checkpoint's JSON says besides the step."""
        return {}

    def restored(self, about: dict) -> None:
        """What a checkpoint's JSON said, after its tensors were put back."""


@dataclass(frozen=True)
class Progress:
    """One finished optimiser step."""

    step: int  # steps done so far, 1 after the first
    total_steps: int
    loss: float  # the last one read
    images_per_second: float
    seconds_left: float
    checkpointed: bool = False


def generator(seed: int, number: int, stream: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one step (or epoch) of a run: another for every seed, number and stream (0 or 1)."""
    return torch.Generator(device).manual_seed((seed * 1_000_003 + number) * 2 + stream)


def run(
    training: Training, folder: Path, *, time_budget: float | None = None, checkpoint_seconds: float = 240
) -> Iterator[Progress]:
    """Step the training until it is done, one Progress a step, going on from the folder's last checkpoint.

    Args: time_budget: seconds after which it saves and ends; None for no limit. checkpoint_seconds: how often the state is saved.
    Raises: LessonsError on a full disk or a loss that is NaN or infinite; the last checkpoint stays.
    Closing the generator after any Progress leaves a checkpoint of that very step.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    step = 0
    if saved := checkpoints.load_checkpoint(folder):
        about, tensors = saved
        checkpoints.restore(tensors, training.modules, training.optimizer)
        step = about["step"]
        training.restored(about)
    started = last_save = time.monotonic()
    saved_step, first_step, working, value, kept = step, step, 0.0, math.nan, None
    params = [p for group in training.optimizer.param_groups for p in group["params"]]

    def read(number: int) -> None:
        nonlocal value, kept, saved_step
        if kept is None:
            return
        value, kept = kept.item(), None
        if not math.isfinite(value):
            saved_step = step  # the weights that gave it are not worth keeping
            lr = training.optimizer.param_groups[0]["lr"]
            raise LessonsError(f"The loss became {value} at step {number}: try a smaller lr than {lr:g}.")

    def save() -> None:
        nonlocal saved_step, last_save
        read(step)
        checkpoints.save_checkpoint(folder, step, training.modules, training.optimizer, training.about())
        saved_step, last_save = step, time.monotonic()

    try:
        while step < training.total_steps:
            now = time.monotonic()
            if time_budget is not None and now - started >= time_budget:
                break
            loss = training.loss(step)
            kept = training.watched(loss).detach()
            if training.read_every == 1:
                read(step + 1)
            training.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if training.clip is not None:
                nn.utils.clip_grad_norm_(params, training.clip)
            training.optimizer.step()
            step += 1
            training.stepped(step)
            if step % training.read_every == 0 or step == training.total_steps:
                read(step)
            working += time.monotonic() - now
            training.rest(step, value)
            if training.wants_saving(step) or time.monotonic() - last_save >= checkpoint_seconds or step == training.total_steps:
                save()
            speed = (step - first_step) * training.batch_size / max(working, 1e-9)
            left = (training.total_steps - step) * training.batch_size / speed
            yield Progress(step, training.total_steps, value, speed, left, saved_step == step)
    finally:
        if step > saved_step:
            save()


def hear_endings() -> None:
    """Ctrl+C and a polite kill raise KeyboardInterrupt, also in a background shell, which ignores the former: so it checkpoints."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)


def show(progress: Iterator[Progress]) -> None:
    """Run it in a terminal, with a bar. Raises SystemExit with one sentence where it cannot go on."""
    from tqdm import tqdm

    try:
        with closing(progress), tqdm(unit="step", mininterval=5) as bar:
            for p in progress:
                bar.total = p.total_steps
                bar.set_postfix_str(f"loss {p.loss:.4f} {p.images_per_second:.1f} images/s", refresh=False)
                bar.update(p.step - bar.n)
    except LessonsError as e:
        raise SystemExit(str(e)) from None
    except KeyboardInterrupt:
        print("Stopped; run the same command again to go on.")
