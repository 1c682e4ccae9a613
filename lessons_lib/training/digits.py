"""Train one of the course's networks on MNIST. `train()` is a generator; `python -m lessons_lib.training.digits --help` runs it.

Every batch draws its noise from a generator seeded by (seed, step) and every epoch its order from (seed, epoch), so a
resumed run needs no saved random state to continue exactly as an unbroken one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints
from lessons_lib.maths.denoisers import Conditioned, guided
from lessons_lib.mnist import DATA_DIR, Digits, load_digits
from lessons_lib.models.digits import (
    COURSE,
    NETWORKS,
    OPTIMIZERS,
    Settings,
    condition_of,
    load_weights,
    make_unet,
    save_weights,
)
from lessons_lib.models.precision import autocast
from lessons_lib.models.unet import UNet
from lessons_lib.training import loop, own_pictures
from lessons_lib.training.muon import Muon, scale_lr, split


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


class DigitsTraining(loop.Training):
    """One of the course's networks on MNIST, as loop.run() trains it.

    Args: folder: gets losses.csv, and epoch-NN.safetensors for each of keep_epochs.
    """

    def __init__(self, settings: Settings, digits: Digits, folder: Path, device: torch.device, keep_epochs: tuple[int, ...] = ()):
        self.settings, self.folder, self.device, self.keep_epochs = settings, folder, device, keep_epochs
        self.images = digits.images[: settings.num_digits].to(device)
        self.labels = digits.labels[: settings.num_digits].to(device)
        self.unet = make_unet(settings).to(device, memory_format=torch.channels_last).train()
        self.modules = {"unet": self.unet}
        self.optimizer = optimizer_of(settings, self.unet)
        self.batch_size = settings.batch_size
        self.steps_per_epoch = -(-len(self.images) // settings.batch_size)
        self.total_steps = settings.epochs * self.steps_per_epoch
        self.losses: _LossLog | None = None
        self.order: tuple[int, Tensor] | None = None  # an epoch, and the order of its digits

    def loss(self, step: int) -> Tensor:
        """The objective's loss on batch number `step`, its noise drawn from (seed, step)."""
        settings = self.settings
        self.losses = self.losses or _LossLog(self.folder / "losses.csv", step)
        epoch, batch = divmod(step, self.steps_per_epoch)
        if self.order is None or self.order[0] != epoch:
            drawn = torch.randperm(len(self.images), generator=loop.generator(settings.seed, epoch, 1))
            self.order = epoch, drawn.to(self.device)
            scale_lr(self.optimizer, settings.lr_final_factor ** (epoch / settings.epochs))
        index = self.order[1][batch * settings.batch_size : (batch + 1) * settings.batch_size]
        with autocast(self.device):
            x = self.images[index].float() / 255
            return settings.objective.loss(self.unet, x, self.labels[index], loop.generator(settings.seed, step))

    def rest(self, step: int, loss: float) -> None:
        """Log the loss, and keep the weights at the end of an epoch that is wanted."""
        self.losses.add(step, loss)
        epoch, batch = divmod(step, self.steps_per_epoch)
        if batch == 0 and epoch in self.keep_epochs:
            save_weights(self.folder / f"epoch-{epoch:02d}.safetensors", self.unet, self.settings, step)

    def wants_saving(self, step: int) -> bool:
        """At the end of every epoch."""
        return step % self.steps_per_epoch == 0

    def about(self) -> dict:
        """The settings; the curve is on disk before the checkpoint that it goes with."""
        if self.losses is not None:
            self.losses.flush()
        return {"settings": asdict(self.settings)}


def optimizer_of(settings: Settings, unet: UNet) -> torch.optim.Optimizer:
    """The course's Adam, or Muon for every convolution and matrix but the first and last, and AdamW for the rest."""
    if settings.optimizer == "adam":
        return torch.optim.Adam(unet.parameters(), settings.lr)
    matrices, others = split(unet, plain=("conv_in", "out"))
    return Muon(matrices, others, lr=settings.lr, lr_others=settings.lr / 25)


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
        sample_steps: attach sample pictures to every N-th Progress.
    Raises: LessonsError if the folder holds a run with other settings, the disk is full, or the loss is NaN or infinite.
    Closing the generator after any Progress leaves a checkpoint of that very step.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _check_or_write_settings(folder, settings, digits)
    training = DigitsTraining(settings, digits, folder, torch.device(device), keep_epochs)
    steps = loop.run(training, folder, time_budget=time_budget, checkpoint_seconds=checkpoint_seconds)
    with closing(steps):
        for p in steps:
            wanted = sample_steps and (p.step % sample_steps == 0 or p.step == p.total_steps)
            samples = training_samples(training.unet, settings, digits) if wanted else None
            epoch = p.step // training.steps_per_epoch
            yield Progress(p.step, p.total_steps, epoch, p.loss, p.images_per_second, p.seconds_left, samples)


@torch.no_grad()
def training_samples(unet: UNet, settings: Settings, digits: Digits, n: int = 10, num_inference_steps: int = 25) -> Tensor:
    """(n, 1, 28, 28) in [-1, 1] from a fixed seed: what the network makes at this moment of its training.

    The one-step denoiser shows noisy digits cleaned; the others walk from noise, those with a class to each label in turn
    at guidance 5. At most num_inference_steps steps. Leaves the network in training mode if it was.
    """
    training, device = unet.training, next(unet.parameters()).device
    g = torch.Generator().manual_seed(settings.seed)
    unet.eval()
    try:
        network = settings.objective.network(unet)
        there = digits.labels.unique()
        labels = there[torch.arange(n) % len(there)]
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
    optimizer = optimizer_of(settings, unet)
    checkpoints.save_checkpoint(folder, step, {"unet": unet}, optimizer, {"settings": asdict(settings)})


def _check_or_write_settings(folder: Path, settings: Settings, digits: Digits) -> None:
    path = folder / "settings.json"
    about = asdict(settings) | {"data": digits.source}
    if path.exists():
        try:
            before = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as e:
            raise LessonsError(f"{path} is broken, so nobody knows what is trained there: use another folder.") from e
        before = {"optimizer": "adam"} | before  # the only one, when it was not written down
        differ = [f"{k} = {before.get(k)!r}" for k in about if before.get(k) != about[k]]
        if differ:
            raise LessonsError(f"{folder} holds a run with {', '.join(differ)}. Use another folder, or the same settings.")
    else:
        checkpoints.write_atomically(path, json.dumps(about, indent=1).encode())


def _own(path: Path) -> Digits:
    """A zip or folder of pictures as digits; what was done to them is printed."""
    pictures = own_pictures.from_folder(path) if path.is_dir() else own_pictures.from_zip(path)
    print("; ".join(pictures.changes))
    return pictures.digits


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.training.digits", description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--folder", type=Path, help="where the run lives; default cache/runs/NETWORK")
    parser.add_argument("--start", type=Path, help="a run that has no checkpoint goes on from this epoch-NN.safetensors")
    parser.add_argument("--data", type=Path, default=DATA_DIR, help="MNIST in torchvision's layout (default %(default)s)")
    parser.add_argument(
        "--pictures", type=Path, help="train on a zip or folder of pictures instead: a folder in it for each label"
    )
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
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="default: the course's, adam; muon wants --lr 0.02")
    args = parser.parse_args()
    loop.hear_endings()
    if args.threads:
        torch.set_num_threads(args.threads)
    chosen = {k: getattr(args, k, None) for k in Settings.__dataclass_fields__ if k != "network"}
    settings = replace(COURSE[args.network], **{k: v for k, v in chosen.items() if v is not None})
    try:
        digits = _own(args.pictures) if args.pictures else load_digits("train", args.data, download=args.download)
    except LessonsError as e:
        raise SystemExit(str(e)) from None
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
