"""What the small model draws, and what is read in it.

    python -m lessons_lib.lessons.report                                # the reporting judge on 200 prompts and the pairs held out
    python -m lessons_lib.lessons.report --blind 100 --to docs          # a sheet to be read by a person, and its key apart

A blind sheet is shuffled and has numbers but no names: name each picture before opening the key.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lessons_lib.files import checkpoints
from lessons_lib.lessons._common import from_noise, seeds_of
from lessons_lib.maths import metrics
from lessons_lib.maths.images import to_uint8
from lessons_lib.models import prompts
from lessons_lib.models.judge import open_judge
from lessons_lib.models.opening import open_model
from lessons_lib.training import emoji


def draw(model, asked: list[str], *, seed: int = 180, guidance_scale: float = 3.0, batch: int = 40) -> Tensor:
    """One picture a prompt by the course's walk, (N, 3, H, W) in [-1, 1]."""
    made = []
    for start in range(0, len(asked), batch):
        part = asked[start : start + batch]
        *_, last = from_noise(model, part, seeds_of(seed + start, len(part)), guidance_scale=guidance_scale)
        made.append(last.x_prev.clamp(-1, 1))
        print(f"{start + len(part)} of {len(asked)} pictures", flush=True)
    return torch.cat(made)


def spread(n: int) -> list[int]:
    """n things, evenly over all; each once at least, if there are more prompts than things."""
    things = len(prompts.concepts())
    return [i * things // n for i in range(n)]


def measure(model, *, num_prompts: int = 200, guidance_scale: float = 3.0, seed: int = 180) -> tuple[dict, Tensor]:
    """The reporting judge's readings of what was trained on and of the pairs held out, how far two seeds are apart, and the pictures of
    the former. Nothing was chosen: every prompt is drawn once, from the next seed."""
    judge = open_judge("reporting")
    asked = spread(num_prompts)
    x = draw(model, [prompts.caption(i) for i in asked], seed=seed, guidance_scale=guidance_scale)
    concept, style = (v.flatten() for v in torch.meshgrid(torch.arange(len(prompts.concepts())), torch.arange(9), indexing="ij"))
    held = emoji.held_out(concept, style).nonzero()[:, 0]
    pairs = [(int(concept[i]), int(style[i])) for i in held]
    y = draw(model, [prompts.caption(*pair) for pair in pairs], seed=seed, guidance_scale=guidance_scale)
    few = [prompts.caption(i) for i in spread(40)]
    a, b = (draw(model, few, seed=s, guidance_scale=guidance_scale) for s in (1, 2))
    return {
        "made": time.strftime("%Y-%m-%d"),
        "model": model.about,
        "seed": seed,
        "guidance_scale": guidance_scale,
        "trained": read(judge, x, asked),
        "held_out": read(judge, y, [c for c, _ in pairs]),
        "rms_between_two_seeds": round(metrics.mse(a, b).sqrt().mean().item(), 4),
    }, x


def read(judge, x: Tensor, asked: list[int]) -> dict:
    """The shares that a judge reads right at once and among its first five, and of which it is unsure."""
    ranks, best = judge.rank(x, torch.tensor(asked)), judge.read(x).amax(1)
    shares = {"top1": ranks < 1, "top5": ranks < 5, "unsure": best < 0.5}
    return {"pictures": len(x)} | {k: round(v.float().mean().item(), 4) for k, v in shares.items()}


def numbered(x: Tensor, columns: int = 10, enlarged: int = 2) -> Image.Image:
    """Pictures (N, 3, H, W) in [-1, 1] on a white sheet, a number under each."""
    side, foot, gap = x.shape[-1] * enlarged, 16, 6
    rows = -(-len(x) // columns)
    whole = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + foot + gap) + gap), "white")
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(13)
    for i, picture in enumerate(to_uint8(x).numpy()):
        r, c = divmod(i, columns)
        left, top = gap + c * (side + gap), gap + r * (side + foot + gap)
        large = np.repeat(np.repeat(picture.transpose(1, 2, 0), enlarged, 0), enlarged, 1)
        whole.paste(Image.fromarray(large), (left, top))
        pen.text((left + side / 2, top + side + foot / 2), str(i + 1), fill=(90, 90, 90), font=font, anchor="mm")
    return whole


def blind(model, n: int, folder: Path, *, seed: int = 180, guidance_scale: float = 3.0) -> tuple[Path, Path]:
    """Draw n things, shuffled, into blind-sheet.png, and what they are into blind-key.json. Returns both paths.

    The order depends on the seed alone. Nothing was chosen among several pictures.
    """
    asked = spread(n)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed + 1)).tolist()
    shuffled = [prompts.caption(asked[i]) for i in order]
    x = draw(model, shuffled, seed=seed, guidance_scale=guidance_scale)
    folder.mkdir(parents=True, exist_ok=True)
    sheet, key = folder / "blind-sheet.png", folder / "blind-key.json"
    numbered(x).save(sheet, optimize=True)
    told = {str(i + 1): text for i, text in enumerate(shuffled)}
    about = {"model": model.about, "seed": seed, "guidance_scale": guidance_scale, "pictures": told}
    checkpoints.write_atomically(key, json.dumps(about, indent=1).encode())
    return sheet, key


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.lessons.report", description=__doc__, formatter_class=raw)
    parser.add_argument("--model", default="emoji", help="a model's name, or a folder in IFPipeline's format")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--guidance-scale", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=180)
    parser.add_argument("--blind", type=int, metavar="N", help="write a sheet of N pictures to be named, and its key")
    parser.add_argument("--to", type=Path, help="into which folder; without one, only printed", default=None)
    args = parser.parse_args()
    model, same = open_model(args.model), {"guidance_scale": args.guidance_scale, "seed": args.seed}
    if args.blind:
        print("name what you see in {} before you open {}".format(*blind(model, args.blind, args.to or Path(), **same)))
        return
    told, x = measure(model, num_prompts=args.prompts, **same)
    print(json.dumps(told, indent=1))
    if args.to:
        checkpoints.write_atomically(args.to / "report.json", json.dumps(told, indent=1).encode())
        numbered(x[:: max(1, len(x) // 100)][:100]).save(args.to / "sheet.png", optimize=True)


if __name__ == "__main__":
    main()
