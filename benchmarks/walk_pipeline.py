"""A guided walk of the small model: ours against IFPipeline.__call__, same weights, noise and timesteps, in turn.

Ours as the lessons run it, in bfloat16 where the processor has it, and in float32 as the pipeline.

python benchmarks/walk_pipeline.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from lessons_lib import batching, walks
from lessons_lib.models import open_model
from lessons_lib.precision import autocast
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

    def ours_exactly() -> torch.Tensor:
        batching.autocast = nullcontext
        try:
            return ours()
        finally:
            batching.autocast = autocast

    def ours() -> torch.Tensor:
        *_, last = walks.from_noise(model, PROMPT, num_images=1, seed=180, guidance_scale=SCALE, timesteps=[*timesteps, CLEAN])
        return last.x_prev

    def theirs() -> torch.Tensor:
        g = torch.Generator().manual_seed(180)
        return pipeline(
            prompt=PROMPT, timesteps=timesteps, guidance_scale=SCALE, generator=g, output_type="pt", clean_caption=False
        ).images  # fmt: skip

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; opened in {opened:.1f} s; {len(timesteps)} moves")
    reference = theirs()
    reference = reference * 2 - 1 if reference.min() >= 0 else reference
    walks_of_ours = {"as the lessons run it": ours, "in float32": ours_exactly}
    for name, walk in walks_of_ours.items():
        grey = (walk().clamp(-1, 1) - reference.clamp(-1, 1)).abs() * 127.5
        print(f"{name}: grey levels apart {grey.mean():.4f} on average, {grey.max():.4f} at most, of 255")
    ratios = {name: [] for name in walks_of_ours}
    for _ in range(args.rounds):
        pipeline_seconds = seconds(theirs)
        for name, walk in walks_of_ours.items():
            took = seconds(walk)
            ratios[name].append(pipeline_seconds / took)
            print(
                f"ours {name} {took:.2f} s, IFPipeline {pipeline_seconds:.2f} s: {ratios[name][-1]:.2f} times as fast", flush=True
            )
    for name, of_rounds in ratios.items():
        print(f"median {name}: {statistics.median(of_rounds):.2f} times as fast")


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
