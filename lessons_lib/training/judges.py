"""Train the judges, which say what a picture is read as, and may say: nothing I know.

    python -m lessons_lib.training.judges choosing          # may choose: an anagram's pair, a contact sheet's order
    python -m lessons_lib.training.judges reporting         # alone may report, since nothing was chosen by it
    python -m lessons_lib.training.judges digits --data FOLDER

They learn from real pictures only, never from what a diffusion model makes: strongly distorted ones that keep their name, and ones that
are nothing: noise, two pictures in one, patches shuffled, the blurred mean of several, which is what the first guesses of a walk look
like. Then a temperature makes them as often right as they are sure, on pictures they never saw; others that they never saw, in turn,
say how good they are.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, cross_entropy, grid_sample, interpolate, pad

from lessons_lib.files import checkpoints
from lessons_lib.maths.images import from_uint8
from lessons_lib.mnist import DATA_DIR, load_digits
from lessons_lib.models import prompts
from lessons_lib.models.judge import FOLDERS, Judge
from lessons_lib.models.precision import autocast
from lessons_lib.places import CACHE
from lessons_lib.training import emoji, loop
from lessons_lib.training.muon import Muon, scale_lr, split

NOTHING = 0.2  # of every batch
COLOURS = ("red ", "blue ", "green ")  # things that only their colour tells apart: none learns from them in ink or on stone


@dataclass(frozen=True)
class Settings:
    """One judge: what it is asked for, its shape, how long it learns."""

    name: str
    width: int
    layers: int
    size: int
    seed: int
    steps: int
    batch_size: int = 64
    lr: float = 0.02  # Muon's; AdamW's, for first and last layer, biases and norms:
    lr_others: float = 3e-3


JUDGES = {
    "choosing": Settings("choosing", width=32, layers=1, size=64, seed=180, steps=1000),
    "reporting": Settings("reporting", width=20, layers=2, size=64, seed=42, steps=1000),
    "digits": Settings("digits", width=24, layers=2, size=28, seed=180, steps=1500, batch_size=96),
}


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures (N, C, H, W) uint8 with their labels, and the names of the labels."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]


# ---------------------------------------------------------------- what a careful eye sees past


def distorted(x: Tensor, g: torch.Generator) -> Tensor:
    """Turned, scaled, sheared, shifted, blurred, recoloured, noised, and with a hole: (B, C, H, W) in [-1, 1], each otherwise."""
    n, side = len(x), x.shape[-1]
    u = torch.rand(12, n, generator=g) * 2 - 1
    angle, scale, shear = 0.35 * u[0], 1 + 0.22 * u[1], 0.2 * u[2]
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = torch.stack([cos, -sin + shear, 0.15 * u[3]], 1)
    theta = torch.stack([across, torch.stack([sin, cos, 0.15 * u[4]], 1)], 1)
    x = grid_sample(x, affine_grid(theta, list(x.shape), align_corners=False), padding_mode="border", align_corners=False)
    soft = avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = interpolate(avg_pool2d(x, 2), size=side, mode="bilinear", align_corners=False)
    amount = (u[5].clamp(min=0) * 1.5).clamp(max=1).view(-1, 1, 1, 1)  # half of them stay sharp
    x = x + amount * (torch.where((u[6] > 0).view(-1, 1, 1, 1), soft, softer) - x)
    if x.shape[1] == 3:
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * (1 + 0.35 * u[7]).view(-1, 1, 1, 1)
        gain = 1 + 0.2 * (torch.rand(n, 3, 1, 1, generator=g) * 2 - 1)
        x = 1 - (1 - x) * gain + 0.15 * u[8].view(-1, 1, 1, 1)
    else:
        x = (x + 1) * (1 - 0.25 * u[8].clamp(min=0).view(-1, 1, 1, 1)) - 1
    x = x + 0.35 * u[9].clamp(min=0).square().view(-1, 1, 1, 1) * torch.randn(x.shape, generator=g)
    at, length = torch.rand(2, n, generator=g), 0.3 * u[10].clamp(min=0)  # the hole, in half of them
    line = (torch.arange(side) + 0.5) / side
    inside = [
        (line[None] > (at[i] * (1 - length))[:, None]) & (line[None] < (at[i] * (1 - length) + length)[:, None]) for i in (0, 1)
    ]
    hole = (inside[0][:, None, :, None] & inside[1][:, None, None, :]).float()
    return (x * (1 - hole) + u[11].view(-1, 1, 1, 1) * hole).clamp(-1, 1)


# ---------------------------------------------------------------- what is nothing


def nothing(x: Tensor, g: torch.Generator) -> Tensor:
    """As many pictures of nothing as there are pictures: each made in one of five ways from real ones, (B, C, H, W) in [-1, 1]."""
    n = len(x)
    order = torch.randperm(n, generator=g)
    made = x.clone()
    for which, how in enumerate((_noise, _two_in_one, _shuffled, _blurred_mean, _drowned)):
        mine = order[which::5]
        if len(mine):
            made[mine] = how(x, mine, g)
    return made.clamp(-1, 1)


def _noise(x: Tensor, mine: Tensor, g: torch.Generator) -> Tensor:
    """Noise of any coarseness and strength about any grey or colour."""
    n, c, side = len(mine), x.shape[1], x.shape[-1]
    made = []
    for _ in range(n):
        coarse = 2 ** int(torch.randint(0, max(1, int(math.log2(side)) - 2), (1,), generator=g))
        z = torch.randn(1, c, -(-side // coarse), -(-side // coarse), generator=g)
        z = interpolate(z, size=side, mode="bilinear", align_corners=False) if coarse > 1 else z
        strength, about = torch.rand(2, generator=g).tolist()
        middle = 2 * torch.rand(1, c, 1, 1, generator=g) - 1 if about < 0.5 else torch.ones(1, c, 1, 1) * (1 if c == 3 else -1)
        made.append(middle + 1.5 * strength * z)
    return torch.cat(made)


def _two_in_one(x: Tensor, mine: Tensor, g: torch.Generator) -> Tensor:
    """Two pictures over each other, or cut and put side by side."""
    a, b = x[mine], x[torch.randint(len(x), (len(mine),), generator=g)]
    b = torch.where((a - b).abs().mean((1, 2, 3), keepdim=True) < 1e-3, a.flip(2), b)  # not twice the same
    share = (0.4 + 0.2 * torch.rand(len(mine), generator=g)).view(-1, 1, 1, 1)
    half = (torch.arange(x.shape[-1]) < x.shape[-1] // 2).float()
    tall = (torch.rand(len(mine), generator=g) < 0.5).view(-1, 1, 1, 1)
    cut = torch.where(tall, half.view(1, 1, -1, 1), half.view(1, 1, 1, -1))
    blended = (torch.rand(len(mine), generator=g) < 0.5).view(-1, 1, 1, 1)
    weight = torch.where(blended, share, cut)
    return weight * a + (1 - weight) * b


def _shuffled(x: Tensor, mine: Tensor, g: torch.Generator) -> Tensor:
    """The picture's own patches, sixteen or a few more, in another order."""
    side = x.shape[-1]
    size = side // 4
    made = []
    for i in mine.tolist():
        patches = x[i].unfold(1, size, size).unfold(2, size, size)  # (C, 4, 4, size, size)
        flat = patches.flatten(1, 2)[:, torch.randperm(16, generator=g)]
        made.append(flat.view(patches.shape).permute(0, 1, 3, 2, 4).reshape(x[i].shape))
    return torch.stack(made)


def _blurred_mean(x: Tensor, mine: Tensor, g: torch.Generator) -> Tensor:
    """The mean of three to eight pictures, blurred: what the first guess of a walk looks like."""
    made = []
    for _ in range(len(mine)):
        several = x[torch.randint(len(x), (int(torch.randint(3, 9, (1,), generator=g)),), generator=g)]
        mean = several.mean(0, keepdim=True)
        made.append(interpolate(avg_pool2d(mean, 4), size=x.shape[-1], mode="bicubic", align_corners=False))
    return torch.cat(made)


def _drowned(x: Tensor, mine: Tensor, g: torch.Generator) -> Tensor:
    """A picture under so much noise that nobody could name it."""
    strength = (2 + 2 * torch.rand(len(mine), generator=g)).view(-1, 1, 1, 1)
    return 0.5 * x[mine] + strength * torch.randn(x[mine].shape, generator=g)


# ---------------------------------------------------------------- training


class JudgeTraining(loop.Training):
    """A judge as the loop trains it: its learning rate rises for a tenth of the steps and falls along a cosine to nothing."""

    def __init__(self, settings: Settings, examples: Examples) -> None:
        self.settings, self.examples = settings, examples
        self.batch_size, self.total_steps = settings.batch_size, settings.steps
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.judge = Judge(
                examples.classes, examples.images.shape[1], settings.size, settings.width, layers=settings.layers, nothing=True
            ).train()
        self.judge.to(memory_format=torch.channels_last)  # half as long again otherwise
        self.modules = {"judge": self.judge}
        last = f"net.{len(self.judge.net) - 1}."
        matrices, others = split(self.judge, plain=("net.0.", last))
        self.optimizer = Muon(matrices, others, lr=settings.lr, lr_others=settings.lr_others)

    def loss(self, step: int) -> Tensor:
        rising, falling = (step + 1) / (0.1 * self.total_steps), 0.5 * (1 + math.cos(math.pi * step / self.total_steps))
        scale_lr(self.optimizer, min(1.0, rising) * falling)
        torch.manual_seed(self.settings.seed * 1_000_003 + step)  # dropout
        x, y = batch(self.examples, self.batch_size, loop.generator(self.settings.seed, step))
        with autocast():
            logits = self.judge(x.contiguous(memory_format=torch.channels_last))
        return cross_entropy(logits.float(), y, label_smoothing=0.05)


def batch(examples: Examples, size: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures with their labels, and NOTHING of them pictures of nothing, whose label is one more than the last.

    A quarter of either is left undistorted: distortion must not tell one from the other.
    """
    i = torch.randint(len(examples.images), (size,), generator=g)
    x, y = from_uint8(examples.images[i]), examples.labels[i].clone()
    empty = max(1, round(NOTHING * size))
    y[:empty] = len(examples.classes)
    x = torch.cat([nothing(x, g)[:empty], x[empty:]])
    plain = (torch.rand(size, generator=g) < 0.25).view(-1, 1, 1, 1)
    return torch.where(plain, x, distorted(x, g)), y


# ---------------------------------------------------------------- how good it is


@torch.no_grad()
def logits_of(judge: Judge, x: Tensor) -> Tensor:
    """(N, classes + 1) of pictures in [-1, 1]."""
    return torch.cat([judge(part).float() for part in x.split(256)])


def test_set(examples: Examples, seed: int) -> tuple[Tensor, Tensor]:
    """Real pictures undistorted, and a quarter as many of nothing: (N, C, H, W) in [-1, 1], labels (N,)."""
    g = torch.Generator().manual_seed(seed)
    x = examples.images.float() / 127.5 - 1
    some = x[torch.randperm(len(x), generator=g)[: max(5, len(x) // 4)]]
    empty = nothing(some, g)
    return torch.cat([x, empty]), torch.cat([examples.labels, torch.full((len(empty),), len(examples.classes))])


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """What to divide logits by for the smallest cross-entropy, sought between 0.2 and 5 in steps of 2%."""
    tried = [0.2 * 1.02**i for i in range(163)]
    return min(tried, key=lambda t: cross_entropy(logits / t, labels).item())


def verdict(logits: Tensor, labels: Tensor, known: int) -> dict:
    """How often it is right, of real pictures and of nothing, and how far its sureness is from that (the expected calibration error
    in ten bins, Guo et al. 2017)."""
    p = logits.softmax(1)
    real = labels < known
    sure, said = p.max(1)
    right = (said == labels).float()
    bins = (sure * 10).long().clamp(max=9)
    error = sum(
        (bins == b).float().mean() * (right[bins == b].mean() - sure[bins == b].mean()).abs() for b in bins.unique().tolist()
    )
    ranks = (p[real, :known] > p[real].gather(1, labels[real][:, None])).sum(1)
    best = p[:, :known].amax(1)
    return {
        "pictures": int(real.sum()),
        "top1": (ranks < 1).float().mean().item(),
        "top5": (ranks < 5).float().mean().item(),
        "unsure_of_pictures": (best[real] < 0.5).float().mean().item(),
        "of_nothing": int((~real).sum()),
        "unsure_of_nothing": (best[~real] < 0.5).float().mean().item(),
        "calibration_error": float(error),
    }


def emoji_examples() -> tuple[Examples, Examples, Examples]:
    """What the judges of the small model learn from; what they are calibrated on; what says how good they are. The latter two are the
    pairs held out, by turns of sixteen things: which style of a thing is held out repeats after sixteen, so either has every style."""
    p = emoji.pictures(64)
    classes = tuple(c.name for c in prompts.concepts())
    coloured = torch.tensor([name.startswith(COLOURS) for name in classes])[p.concept]
    clear = ~(coloured & ((p.style == prompts.STYLES.index("ink")) | (p.style == prompts.STYLES.index("lithograph"))))
    even = p.concept // emoji.HELD_OUT_EVERY % 2 == 0
    sets = (~p.held_out & clear, p.held_out & clear & even, p.held_out & clear & ~even)
    return tuple(Examples(p.images[m], p.concept[m], classes) for m in sets)


def digit_examples(root: Path) -> tuple[Examples, Examples, Examples]:
    """The first 55,000 of MNIST, its last 5,000, and its test set."""
    train, test, classes = load_digits("train", root), load_digits("test", root), tuple("0123456789")
    n = len(train) * 11 // 12
    parts = ((train.images[:n], train.labels[:n]), (train.images[n:], train.labels[n:]), (test.images, test.labels))
    return tuple(Examples(*part, classes) for part in parts)


def finish(judge: Judge, settings: Settings, calibration: Examples, test: Examples, folder: Path) -> dict:
    """Find the temperature, measure, and write weights and judge.json."""
    judge.eval()
    x, y = test_set(calibration, 1)
    judge.temperature = round(best_temperature(logits_of(judge, x), y), 4)
    x, y = test_set(test, 2)
    never = verdict(logits_of(judge, x) / judge.temperature, y, len(judge.classes))
    checkpoints.save_tensors(folder / "judge.safetensors", checkpoints.halved(judge))
    shape = {"channels": judge.channels, "size": judge.size, "width": settings.width, "layers": settings.layers, "nothing": True}
    learned = {
        "temperature": judge.temperature,
        "seed": settings.seed,
        "steps": settings.steps,
        "batch_size": settings.batch_size,
    }
    about = {**shape, **learned, "never_seen": {k: round(v, 4) for k, v in never.items()}, "classes": judge.classes}
    checkpoints.write_atomically(folder / "judge.json", json.dumps(about).encode())
    return about["never_seen"] | {"temperature": judge.temperature}


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.training.judges", description=__doc__, formatter_class=raw)
    parser.add_argument("name", choices=list(JUDGES))
    parser.add_argument(
        "--runs", type=Path, default=CACHE / "runs" / "judges", help="where checkpoints live (default %(default)s)"
    )
    parser.add_argument("--minutes", type=float, help="time budget; run the same command again to go on")
    parser.add_argument("--data", type=Path, default=DATA_DIR, help="digits: MNIST in torchvision's layout")
    args = parser.parse_args()
    loop.hear_endings()
    torch.set_num_threads(1)
    settings = JUDGES[args.name]
    examples, calibration, test = digit_examples(args.data) if args.name == "digits" else emoji_examples()
    training = JudgeTraining(settings, examples)
    folder = args.runs / args.name
    loop.show(loop.run(training, folder, time_budget=args.minutes * 60 if args.minutes else None))
    saved = checkpoints.load_checkpoint(folder)
    if saved and saved[0]["step"] == settings.steps:
        checkpoints.restore(saved[1], training.modules, training.optimizer)
        print(json.dumps(finish(training.judge, settings, calibration, test, FOLDERS[settings.name]), indent=1))


if __name__ == "__main__":
    main()
