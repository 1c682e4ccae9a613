"""A guided walk of the small model: ours against IFPipeline.__call__, same weights, noise and timesteps, in turn.

python benchmarks/walk_pipeline.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from lessons_lib import walks
from lessons_lib.models import open_model
from lessons_lib.schedule import CLEAN
from lessons_lib.text_to_image.data import FOLDER

PROMPT, SCALE = "a penguin", 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    started = time.perf_counter()
    model = open_model("emoji")
    model.warm()
    opened = time.perf_counter() - started
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(str(FOLDER / "stage1"), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    timesteps = model.schedule.timesteps(30)

    def ours() -> torch.Tensor:
        *_, last = walks.from_noise(model, PROMPT, num_images=1, seed=180, guidance_scale=SCALE, timesteps=[*timesteps, CLEAN])
        return last.x_prev

    def theirs() -> torch.Tensor:
        g = torch.Generator().manual_seed(180)
        return pipeline(
            prompt=PROMPT, timesteps=timesteps, guidance_scale=SCALE, generator=g, output_type="pt", clean_caption=False
        ).images  # fmt: skip

    a, b = ours(), theirs()
    b = b * 2 - 1 if b.min() >= 0 else b
    grey = (a.clamp(-1, 1) - b.clamp(-1, 1)).abs().max().item() * 127.5
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; opened in {opened:.1f} s; {len(timesteps)} moves")
    print(f"largest difference: {grey:.4f} grey levels of 255")
    ratios = []
    for _ in range(args.rounds):
        times = []
        for walk in (ours, theirs):
            started = time.perf_counter()
            walk()
            times.append(time.perf_counter() - started)
        ratios.append(times[1] / times[0])
        print(f"ours {times[0]:.2f} s, IFPipeline {times[1]:.2f} s: {ratios[-1]:.2f} times as fast", flush=True)
    print(f"median: {statistics.median(ratios):.2f} times as fast")


if __name__ == "__main__":
    main()
