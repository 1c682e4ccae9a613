"""Short runs of the small model's trainer, compared on a fixed set of (picture, t, eps) and by time: which shape and rate for the cost.

    python benchmarks/small_model_shapes.py --images 6000 lr=0.01 lr=0.02 lr=0.04 channels=16,32,96,192
    python benchmarks/small_model_shapes.py --time-only channels=16,48,96,192 channels=32,64,128,192,groups=16

Each variant is one argument: settings of lessons_lib.training.small_model joined by commas. Losses are the averaged network's, in
brackets the four quarters of the schedule from little noise to much. Compare at equal pictures, then look at the sheets.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from lessons_lib.training import emoji, if_format, loop, small_model
from lessons_lib.training.muon import split
from lessons_lib.training.small_model import FixedSet, Settings, SmallModel


def variant(text: str) -> dict:
    """ "channels=16,48,96,192,groups=8,lr=0.02" -> the settings it names."""
    chosen = {}
    for name, value in re.findall(r"([a-z_]+)=([^=]+?)(?=,[a-z_]+=|$)", text):
        kind = type(getattr(Settings, name))
        chosen[name] = tuple(map(int, value.split(","))) if kind is tuple else kind(value)
    return chosen


def seconds_a_step(settings: Settings, tries: int = 4) -> tuple[float, float]:
    """(forward and backward, optimiser), the best of a few, in seconds of processor time: fair on a busy machine."""
    unet = settings.unet().train()
    matrices, others = split(unet, plain=if_format.OUTER)
    optimizer = small_model.Muon(matrices, others)
    x, t, embeds = (
        torch.randn(settings.batch_size, 3, 64, 64),
        torch.arange(settings.batch_size),
        torch.randn(settings.batch_size, 77, 128),
    )
    learning, moving = [], []
    for _ in range(tries):
        start = time.process_time()
        with small_model.autocast():
            out = unet(x, t, embeds).sample
        out.float().square().mean().backward()
        middle = time.process_time()
        optimizer.step()
        optimizer.zero_grad()
        learning.append(middle - start)
        moving.append(time.process_time() - middle)
    return min(learning), min(moving)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("variants", nargs="*", default=[""], help="settings joined by commas; none is the trainer's own")
    parser.add_argument("--images", type=int, default=6000, help="pictures a run")
    parser.add_argument("--time-only", action="store_true")
    parser.add_argument("--out", type=Path, help="where the sheets go")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pictures = None if args.time_only else emoji.pictures(64)
    for text in args.variants:
        settings = replace(Settings(images=args.images, decay=max(1, args.images // 3)), **variant(text))
        learning, moving = seconds_a_step(settings)
        size = sum(p.numel() for p in settings.unet().parameters()) / 1e6
        speed = settings.batch_size / (learning + moving)
        told = f"{text or 'as it is':40} {size:5.1f} M  {speed:5.1f} pictures/s, optimiser {moving / (learning + moving):4.0%}"
        if args.time_only:
            print(told, flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            training = SmallModel(settings, Path(folder), pictures=pictures, watch=False)
            for _ in loop.run(training, Path(folder), checkpoint_seconds=1e9):
                pass
            trained = pictures[~pictures.held_out]
            fixed = FixedSet.of(trained, emoji.weights(trained), 240)
            errors = fixed.losses(training, training.encode(fixed.prompts))
            quarters = " ".join(f"{q.mean():.3f}"[1:] for q in errors.chunk(4))
            print(f"{told}  loss {errors.mean():.4f} ({quarters})", flush=True)
            if args.out:
                args.out.mkdir(parents=True, exist_ok=True)
                x = small_model.draw(training.averaged, training.encode(list(emoji.SHEET_PROMPTS)), training.encode([""]))
                small_model.write_sheet(args.out / f"{text or 'default'}.webp", x)


if __name__ == "__main__":
    main()
