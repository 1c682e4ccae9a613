"""Train one of the course's networks on MNIST. `train()` is a generator; `python -m lessons_lib.training.digits --help` runs it.

Every batch draws its noise from a generator seeded by (seed, step) and every epoch its order from (seed, epoch), so a
resumed run needs no saved random state to continue exactly as an unbroken one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lessons_lib import checkpoints
from lessons_lib.denoisers import Conditioned, guided
from lessons_lib.errors import LessonsError
from lessons_lib.mnist import DATA_DIR, Digits, load_digits
from lessons_lib.models.digits import (
    COURSE,
    NETWORKS,
    NUM_CLASSES,
    Settings,
    condition_of,
    load_weights,
    make_unet,
    save_weights,
)
from lessons_lib.models.precision import autocast
from lessons_lib.models.unet import UNet


@dataclass(frozen=True, eq=False)
class Progress:
    """One finished optimiser step."""

    step: int  # steps done so far, 1 after the first
    total_steps: int
    epoch: int  # epochs wholly done
    loss: float
    images_per_second: float
    seconds_left: float
    samples: Tensor | None = None  # (N, 1, 28, 28) in [-1, 1], on the steps where sample grids were asked for
    checkpointed: bool = False


def train(
    settings: Settings,
    digits: Digits,
    folder: str | Path,
    *,
    device: str = "cpu",
    time_budget: float | None = None,
    checkpoint_seconds: float = 180,
    keep_epochs: tuple[int, ...] = (),
    sample_steps: int | None = None,
) -> Iterator[Progress]:
    """Train, one Progress a step; go on from the folder's last checkpoint if it has one.

    Args:
        folder: gets settings.json, losses.csv, checkpoint-*, and epoch-NN.safetensors for each of keep_epochs.
        time_budget: seconds after which it checkpoints and ends; None for no limit.
        checkpoint_seconds: how often the whole state is saved.
        sample_steps: attach sample pictures to every so-manieth Progress.
    Raises: LessonsError if the folder holds a run with other settings, the disk is full, or the loss is no number.
    Closing the generator after any Progress leaves a checkpoint of that very step.
    """
    folder, device = Path(folder), torch.device(device)
    folder.mkdir(parents=True, exist_ok=True)
    _check_or_write_settings(folder, settings, digits)

    images, labels = digits.images[: settings.num_digits].to(device), digits.labels[: settings.num_digits].to(device)
    unet = make_unet(settings).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(unet.parameters(), settings.lr)
    step = 0
    if saved := checkpoints.load_checkpoint(folder):
        about, tensors = saved
        checkpoints.restore(tensors, {"unet": unet}, optimizer)
        step = about["step"]
    losses = _LossLog(folder / "losses.csv", step)
    steps_per_epoch = -(-len(images) // settings.batch_size)
    total = settings.epochs * steps_per_epoch
    saved_step, started, last_save = step, time.monotonic(), time.monotonic()
    first_step, paused = step, 0.0  # `paused`: time not spent in training steps (saving, sampling, waiting caller)

    def save() -> None:
        nonlocal saved_step, last_save
        losses.flush()
        checkpoints.save_checkpoint(folder, step, {"unet": unet}, optimizer, {"settings": asdict(settings)})
        saved_step, last_save = step, time.monotonic()

    try:
        while step < total:
            if time_budget is not None and time.monotonic() - started >= time_budget:
                break
            epoch, batch = divmod(step, steps_per_epoch)
            if batch == 0 or step == first_step:
                order = torch.randperm(len(images), generator=_generator(settings.seed, epoch, 1)).to(device)
                for group in optimizer.param_groups:
                    group["lr"] = settings.lr * settings.lr_final_factor ** (epoch / settings.epochs)
            index = order[batch * settings.batch_size : (batch + 1) * settings.batch_size]
            with autocast(device):
                x = images[index].float() / 255
                loss = settings.objective.loss(unet, x, labels[index], _generator(settings.seed, step, 0))
            value = loss.item()
            if not math.isfinite(value):
                saved_step = step  # the weights that gave it are not worth keeping: the last checkpoint stays
                raise LessonsError(f"The loss became {value} at step {step + 1}: try a smaller lr than {settings.lr:g}.")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
            losses.add(step, value)

            rest = time.monotonic()
            end_of_epoch = step % steps_per_epoch == 0
            if end_of_epoch and step // steps_per_epoch in keep_epochs:
                save_weights(folder / f"epoch-{step // steps_per_epoch:02d}.safetensors", unet, settings, step)
            if end_of_epoch or time.monotonic() - last_save >= checkpoint_seconds:
                save()
            samples = None
            if sample_steps and (step % sample_steps == 0 or step == total):
                samples = training_samples(unet, settings, digits)
            elapsed = max(rest - started - paused, 1e-9)
            speed = (step - first_step) * settings.batch_size / elapsed
            yield Progress(
                step, total, step // steps_per_epoch, value, speed,
                (total - step) * settings.batch_size / speed, samples, saved_step == step,
            )  # fmt: skip
            paused += time.monotonic() - rest
    finally:
        if step > saved_step:
            save()


@torch.no_grad()
def training_samples(unet: UNet, settings: Settings, digits: Digits, n: int = 10, num_inference_steps: int = 25) -> Tensor:
    """(n, 1, 28, 28) in [-1, 1] from a fixed seed: what the network makes at this moment of its training.

    The one-step denoiser shows noisy digits cleaned; the others walk from noise, those with a class to the digits 0 .. 9
    at guidance 5. At most num_inference_steps steps. Leaves the network in training mode if it was.
    """
    training, device = unet.training, next(unet.parameters()).device
    g = torch.Generator().manual_seed(settings.seed)
    unet.eval()
    try:
        network = settings.objective.network(unet)
        labels = torch.arange(n) % NUM_CLASSES
        denoiser = Conditioned(network, condition_of(labels).to(device))
        if unet.num_classes:
            denoiser = guided(denoiser, Conditioned(network, condition_of(None).to(device)), 5.0)
        xt = settings.objective.start(digits.images[:n].float() / 255, g).to(device)
        for step in settings.objective.walk(denoiser, xt, num_inference_steps, generator=g):
            xt = step.x_prev
        return xt.cpu().clamp(-1, 1)
    finally:
        unet.train(training)


class _LossLog:
    """losses.csv: a line a step, cut back to the checkpoint on resume so that no step stands in it twice."""

    def __init__(self, path: Path, step: int):
        self.path, self.pending = path, []
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        kept = [line for line in lines if (m := re.fullmatch(r"(\d{1,12}),\S+", line)) and 0 < int(m[1]) <= step]
        checkpoints.write_atomically(path, "\n".join(["step,loss", *kept, ""]).encode())

    def add(self, step: int, loss: float) -> None:
        self.pending.append(f"{step},{loss:.6g}\n")
        if len(self.pending) >= 10:
            self.flush()

    def flush(self) -> None:
        try:
            with open(self.path, "a") as f:
                f.writelines(self.pending)
        except OSError as e:
            raise LessonsError(f"Could not write {self.path.name}: {e.strerror}. Free some disk space.") from e
        self.pending = []


def begin_from(weights: Path, settings: Settings, folder: Path) -> None:
    """Lay the first checkpoint of a run that goes on from weights kept before: at their step, with an optimiser that starts anew.

    The loss curve beside the weights comes along. A folder that has a checkpoint already is left as it is.
    Raises: LessonsError if the weights cannot be read, or were trained with other settings.
    """
    from safetensors import safe_open

    if checkpoints.checkpoint_files(folder):
        return
    unet, before = load_weights(weights)
    if before != settings:
        raise LessonsError(f"{weights} was trained with {before}, not with {settings}.")
    with safe_open(str(weights), "pt") as f:
        step = int(f.metadata()["step"])
    folder.mkdir(parents=True, exist_ok=True)
    if (curve := weights.with_name("losses.csv")).exists():
        checkpoints.write_atomically(folder / "losses.csv", curve.read_bytes())
    optimizer = torch.optim.Adam(unet.parameters(), settings.lr)
    checkpoints.save_checkpoint(folder, step, {"unet": unet}, optimizer, {"settings": asdict(settings)})


def _generator(seed: int, number: int, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + number) * 2 + stream)


def _check_or_write_settings(folder: Path, settings: Settings, digits: Digits) -> None:
    path = folder / "settings.json"
    about = asdict(settings) | {"data": digits.source}
    if path.exists():
        try:
            before = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as e:
            raise LessonsError(f"{path} is broken, so nobody knows what is trained there: use another folder.") from e
        differ = [f"{k} = {before.get(k)!r}" for k in about if before.get(k) != about[k]]
        if differ:
            raise LessonsError(f"{folder} holds a run with {', '.join(differ)}. Use another folder, or the same settings.")
    else:
        checkpoints.write_atomically(path, json.dumps(about, indent=1).encode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.training.digits", description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--folder", type=Path, help="where the run lives; default cache/runs/NETWORK")
    parser.add_argument("--start", type=Path, help="a run that has no checkpoint goes on from this epoch-NN.safetensors")
    parser.add_argument("--data", type=Path, default=DATA_DIR, help="MNIST in torchvision's layout (default %(default)s)")
    parser.add_argument("--download", action="store_true", help="download MNIST there if it is missing")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, help="time budget; run the same command again to go on")
    parser.add_argument("--until-epoch", type=int, help="stop after this epoch of the whole run, to go on another day")
    parser.add_argument("--keep-epochs", type=int, nargs="*", help="epochs whose weights are kept; default: 1, 5 and the last")
    parser.add_argument("--threads", type=int, help="processor threads")
    for name in ("num_hiddens", "batch_size", "epochs", "num_digits", "seed", "T"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, dest=name, help="default: the course's")
    for name in ("lr", "sigma", "class_dropout"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, dest=name, help="default: the course's")
    args = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # a background shell ignores Ctrl+C: hear it all the same, and checkpoint
        signal.signal(ending, signal.default_int_handler)
    if args.threads:
        torch.set_num_threads(args.threads)
    chosen = {k: getattr(args, k, None) for k in Settings.__dataclass_fields__ if k != "network"}
    settings = replace(COURSE[args.network], **{k: v for k, v in chosen.items() if v is not None})
    digits = load_digits("train", args.data, download=args.download)
    print(f"{settings.network}, D = {settings.num_hiddens}, {digits.source}, {os.cpu_count()} processors, {args.device}")
    from tqdm import tqdm

    folder = args.folder or DATA_DIR.parent / "runs" / args.network
    budget = args.minutes * 60 if args.minutes else None
    try:
        if args.start:
            begin_from(args.start, settings, folder)
        keep = (1, 5, settings.epochs, args.until_epoch) if args.keep_epochs is None else tuple(args.keep_epochs)
        run = train(settings, digits, folder, device=args.device, time_budget=budget, keep_epochs=keep)
        with closing(run), tqdm(unit="step", smoothing=0.05) as bar:
            for p in run:
                bar.total = p.total_steps
                bar.set_postfix_str(f"epoch {p.epoch} loss {p.loss:.4f} {p.images_per_second:.0f} images/s", refresh=False)
                bar.update(p.step - bar.n)
                if args.until_epoch and p.epoch >= args.until_epoch:
                    break
    except LessonsError as e:
        raise SystemExit(str(e)) from None
    except KeyboardInterrupt:
        print("Stopped; run the same command again to go on.")


if __name__ == "__main__":
    main()
