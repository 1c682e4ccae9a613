"""A walk's time: sample() against diffusers' own loop with DDPMScheduler.step, same network, noise and timesteps, in turn.

python benchmarks/walk_mnist.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from diffusers import DDPMScheduler

from lessons_lib.maths.denoisers import Conditioned
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import CLEAN
from lessons_lib.models.digits import condition_of, open_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1)
    args = parser.parse_args()
    unet, settings = open_network("class_conditioned")
    timesteps = settings.schedule.timesteps(10)
    condition = condition_of([3] * args.images)
    denoiser = Conditioned(settings.objective.network(unet), condition)
    scheduler = DDPMScheduler(
        num_train_timesteps=settings.T, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", clip_sample=True
    )

    def ours() -> torch.Tensor:
        g = torch.Generator().manual_seed(180)
        xt = torch.randn(args.images, 1, 28, 28, generator=g)
        for step in sample(denoiser, settings.schedule, xt, [*timesteps, CLEAN], generator=g):
            xt = step.x_prev
        return xt

    @torch.no_grad()
    def theirs() -> torch.Tensor:
        g = torch.Generator().manual_seed(180)
        xt = torch.randn(args.images, 1, 28, 28, generator=g)
        scheduler.set_timesteps(timesteps=timesteps)
        for t in scheduler.timesteps:
            eps = unet(xt, torch.full((len(xt),), int(t)) / settings.T, condition)
            xt = scheduler.step(eps, t, xt, generator=g).prev_sample
        return xt

    a, b = ours(), theirs()
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; {len(timesteps)} moves, largest difference {(a - b).abs().max():.1e}"
    )
    ratios = []
    for _ in range(args.rounds):
        times = []
        for walk in (ours, theirs):
            started = time.perf_counter()
            walk()
            times.append(time.perf_counter() - started)
        ratios.append(times[0] / times[1])
        print(f"ours {times[0]:.2f} s, diffusers' loop {times[1]:.2f} s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}: below 1 is faster than diffusers")


if __name__ == "__main__":
    main()
