"""The judge: a small classifier that says what a picture is read as. One for digits, two for the small model's things.

It is trained by this file on real pictures only (`python -m lessons_lib.models.judge digits`, `emoji` or `emoji_64`), never on what
the diffusion models make, and its own accuracy on pictures it has not seen stands in the JSON beside its weights. Lessons ask
`emoji`, which looks at 32 pixels; `emoji_64` sees what stage 2 adds to them. The judges of the second generation, which may also say
"nothing I know", are trained by lessons_lib/training/judges.py.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy

from lessons_lib import checkpoints
from lessons_lib.errors import LessonsError
from lessons_lib.models.precision import autocast
from lessons_lib.places import CACHE

FOLDERS = {
    "digits": CACHE / "mnist" / "judge", "emoji": CACHE / "text_to_image" / "judge", "emoji_64": CACHE / "text_to_image" / "judge_64",
    "choosing": CACHE / "text_to_image" / "judge_choosing", "reporting": CACHE / "text_to_image" / "judge_reporting",
    "honest_digits": CACHE / "mnist" / "judge_honest",
}  # fmt: skip


class Judge(nn.Module):
    """A plain convolutional classifier.

    Args:
        classes: the names it chooses from. channels: of its pictures. size: side it looks at, others are averaged down.
        width: channels of the first stage; they double as the side halves. layers: convolutions a stage.
        nothing: whether it may also say "nothing I know": its probabilities of the classes then sum to less than one.
        temperature: what its logits are divided by, so that it is right as often as it is sure (Guo et al. 2017, arXiv:1706.04599).
    """

    def __init__(self, classes: tuple[str, ...], channels: int, size: int, width: int, *, layers: int = 2, nothing: bool = False,
                 temperature: float = 1.0) -> None:  # fmt: skip
        super().__init__()
        self.classes, self.channels, self.size = classes, channels, size
        self.nothing, self.temperature = nothing, temperature

        def stage(n_in: int, n_out: int) -> list[nn.Module]:
            pairs = ((n_in, n_out), *((n_out, n_out),) * (layers - 1))
            return [m for i, o in pairs for m in (nn.Conv2d(i, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())]

        widths = [width]  # doubled at half the size, until 8 pixels or a little less are left
        while size >> len(widths) >= 7:
            widths.append(2 * widths[-1])
        stages = [stage(channels, width)]
        for narrow, wide in zip(widths, widths[1:], strict=False):
            stages.append([nn.MaxPool2d(2), *stage(narrow, wide)])
        self.net = nn.Sequential(
            *sum(stages, []), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(widths[-1], len(classes) + nothing),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B, classes) logits; one more, the last, where it may say "nothing I know"."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"this judge reads (B, {self.channels}, H, W), got {tuple(x.shape)}")
        return self.net(adaptive_avg_pool2d(x, self.size) if x.shape[-1] != self.size else x)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """What the last layer decides by: (B, C, H, W) in [-1, 1] -> (B, N). Pictures that look alike to the judge are near."""
        if x.shape[-1] != self.size:
            x = adaptive_avg_pool2d(x, self.size)
        return self.net[:-1](x.float())  # all but the linear layer; dropout does nothing outside training

    @torch.no_grad()
    def read(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B, classes) probabilities. What is missing to one is "nothing I know"."""
        return (self(x.float()) / self.temperature).softmax(1)[:, : len(self.classes)]

    def says(self, x: Tensor) -> list[str]:
        """ "dog 83%" for each picture (B, C, H, W): the likeliest reading; "unsure" where none has a half."""
        return [
            f"{self.classes[i]} {v:.0%}" if v >= 0.5 else "unsure"
            for v, i in zip(*map(Tensor.tolist, self.read(x).max(1)), strict=True)
        ]

    def rank(self, x: Tensor, label: int | Tensor) -> Tensor:
        """How high the asked-for class stands among all readings of each picture: 0 is read right at once. (B,) int."""
        p = self.read(x)
        asked = p.gather(1, torch.as_tensor(label).expand(len(x)).view(-1, 1))
        return (p > asked).sum(1)


@cache
def open_judge(name: str) -> Judge:
    """The shipped judge, "digits" or "emoji". Raises LessonsError if its files are missing or broken."""
    folder = FOLDERS[name]
    try:
        about = json.loads((folder / "judge.json").read_text())
        shape = {k: about[k] for k in ("layers", "nothing", "temperature") if k in about}
        judge = Judge(tuple(about["classes"]), about["channels"], about["size"], about["width"], **shape)
        weights = load_file(folder / "judge.safetensors")
        judge.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as e:
        raise LessonsError(f"The judge in {folder} cannot be opened: restore it with `git checkout {folder.name}`.") from e
    return judge.eval()


def augment(x: Tensor, generator: torch.Generator, *, colour: bool) -> Tensor:
    """Shift, scale, turn a little, blur into noise: what a careful eye sees past. x (B, C, H, W) in [-1, 1]."""
    n = len(x)
    u = torch.rand(6, n, generator=generator) * 2 - 1
    scale, angle = 1 + 0.12 * u[0], 0.15 * u[1]
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([torch.stack([cos, -sin, 0.12 * u[2]], 1), torch.stack([sin, cos, 0.12 * u[3]], 1)], 1)
    grid = nn.functional.affine_grid(theta, list(x.shape), align_corners=False)
    x = nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    if colour:
        gain = 1 + 0.15 * (torch.rand(n, x.shape[1], 1, 1, generator=generator) * 2 - 1)
        x = (1 - (1 - x) * gain + 0.08 * u[4].view(-1, 1, 1, 1)).clamp(-1, 1)
    noise = 0.25 * torch.rand(n, 1, 1, 1, generator=generator) ** 2
    return (x + noise * torch.randn(x.shape, generator=generator)).clamp(-1, 1)


def train_judge(name: str, images: Tensor, labels: Tensor, classes: tuple[str, ...], *, size: int, width: int, steps: int,
                batch_size: int, colour: bool, seed: int = 180) -> Judge:  # fmt: skip
    """Train on (N, C, H, W) uint8 pictures; the learning rate rises for a tenth of the steps and falls to nothing."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(seed)
    judge = Judge(classes, images.shape[1], size, width).train()
    opt = torch.optim.AdamW(judge.parameters(), 3e-3, weight_decay=0.02)
    lr = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=steps, pct_start=0.1)
    started = time.monotonic()
    for step in range(steps):
        i = torch.randint(len(images), (batch_size,), generator=g)
        x = adaptive_avg_pool2d(images[i].float() / 127.5 - 1, size)
        with autocast():
            logits = judge(augment(x, g, colour=colour))
        loss = cross_entropy(logits.float(), labels[i], label_smoothing=0.05)
        opt.zero_grad()
        loss.backward()
        opt.step()
        lr.step()
        if step % 100 == 99:
            print(f"{name}: step {step + 1} of {steps}, loss {loss.item():.3f}, {time.monotonic() - started:.0f} s", flush=True)
    return judge.eval()


def accuracy(judge: Judge, images: Tensor, labels: Tensor, k: int = 1) -> float:
    """The share of uint8 pictures whose label is among the k likeliest readings."""
    ranks = [judge.rank(x.float() / 127.5 - 1, y) for x, y in zip(images.split(512), labels.split(512), strict=True)]
    return (torch.cat(ranks) < k).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.models.judge", description=__doc__)
    parser.add_argument("name", choices=("digits", "emoji", "emoji_64"))
    parser.add_argument("--data", type=Path, help="digits: MNIST in torchvision's layout")
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.name == "digits":
        from lessons_lib.mnist import DATA_DIR, load_digits

        digits, test = (load_digits(s, args.data or DATA_DIR) for s in ("train", "test"))
        made = {"size": 28, "width": 32}
        judge = train_judge("digits", digits.images, digits.labels, tuple("0123456789"), steps=args.steps or 2400,
                            batch_size=128, colour=False, **made)  # fmt: skip
        measured = {"data": test.source, "test_accuracy": accuracy(judge, test.images, test.labels)}
    else:
        from lessons_lib.text_to_image.data import concepts, pictures

        p = pictures()
        made, steps = ({"size": 64, "width": 24}, 2400) if args.name == "emoji_64" else ({"size": 32, "width": 40}, 4000)
        judge = train_judge(args.name, p.images[~p.held_out], p.concept[~p.held_out], tuple(c.name for c in concepts()),
                            steps=args.steps or steps, batch_size=64, colour=True, **made)  # fmt: skip
        held = p.images[p.held_out], p.concept[p.held_out]
        seen = augment(p.images[~p.held_out].float() / 127.5 - 1, torch.Generator().manual_seed(1), colour=True)
        measured = {
            "top1_on_pairs_never_seen": accuracy(judge, *held),
            "top5_on_pairs_never_seen": accuracy(judge, *held, 5),
            "pairs_never_seen": len(held[0]),
            "top1_on_fresh_distortions": (judge.rank(seen, p.concept[~p.held_out]) == 0).float().mean().item(),
        }
    folder = FOLDERS[args.name]
    checkpoints.save_tensors(folder / "judge.safetensors", checkpoints.halved(judge))
    about = {"classes": judge.classes, "channels": judge.channels, **made, "seed": 180, **measured}
    checkpoints.write_atomically(folder / "judge.json", json.dumps(about, indent=1).encode())
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
