"""A guided walk of the small model: ours against IFPipeline.__call__, same weights, noise and timesteps, in turn.

Ours as the lessons run it, in bfloat16 where the processor has it, and in float32 as the pipeline. Each lives in a process of
its own, as it would without the other: a second pool of OpenMP threads, even an idle one, makes both slower.

python benchmarks/walk_pipeline.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

PROMPT, SCALE, SEED = "a penguin", 3.0, 180


def ours(exactly: bool):
    """Returns a walk: () -> (3, 32, 32) array in [-1, 1]."""
    from lessons_lib import serving
    from lessons_lib.lessons._common import from_noise
    from lessons_lib.maths.schedule import CLEAN
    from lessons_lib.models import batching
    from lessons_lib.models.opening import open_model

    if exactly:
        batching.autocast = nullcontext
    serving.begin()
    model = open_model("emoji")
    warming = threading.Thread(target=model.warm)  # as a page does
    warming.start()
    warming.join()
    timesteps = [*model.schedule.timesteps(30), CLEAN]

    def walk():
        *_, last = from_noise(model, PROMPT, [SEED], guidance_scale=SCALE, timesteps=timesteps)
        return last.x_prev[0].numpy()

    return walk


def theirs():
    import torch
    from diffusers import DiffusionPipeline

    from lessons_lib.models.text_to_image import schedule_of
    from lessons_lib.things import FOLDER

    pipeline = DiffusionPipeline.from_pretrained(str(FOLDER / "stage1"), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    timesteps = schedule_of(pipeline.scheduler.config).timesteps(30)

    def walk():
        g = torch.Generator().manual_seed(SEED)
        made = pipeline(
            prompt=PROMPT, timesteps=timesteps, guidance_scale=SCALE, generator=g, output_type="pt", clean_caption=False
        ).images
        return (made * 2 - 1 if made.min() >= 0 else made)[0].numpy()

    return walk


def work(name: str, asked) -> None:
    """A process that opens, says how long that took, and then walks whenever it is asked: (seconds, picture)."""
    import torch  # noqa: F401, not counted as opening

    started = time.perf_counter()
    walk = theirs() if name == "IFPipeline" else ours(exactly=name.endswith("float32"))
    asked.send(time.perf_counter() - started)
    while asked.recv():
        started = time.perf_counter()
        picture = walk()
        asked.send((time.perf_counter() - started, picture))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    spawn, asking = multiprocessing.get_context("spawn"), {}
    for name in ("IFPipeline", "ours", "ours in float32"):
        asking[name], theirs_end = spawn.Pipe()
        spawn.Process(target=work, args=(name, theirs_end), daemon=True).start()
        print(f"{name}: opened in {asking[name].recv():.1f} s after torch")

    def walked(name: str):
        asking[name].send(True)
        return asking[name].recv()

    pictures = {name: walked(name)[1] for name in asking}
    baseline, *names = asking
    for name in names:
        grey = abs(pictures[name].clip(-1, 1) - pictures[baseline].clip(-1, 1)) * 127.5
        print(f"{name}: grey levels apart {grey.mean():.4f} on average, {grey.max():.4f} at most, of 255")
    ratios = {name: [] for name in names}
    for _ in range(args.rounds):
        seconds = {name: walked(name)[0] for name in asking}
        for name in names:
            ratios[name].append(seconds[baseline] / seconds[name])
        print(", ".join(f"{name} {took:.2f} s" for name, took in seconds.items()), flush=True)
    for name, of_rounds in ratios.items():
        print(f"median, {name}: {statistics.median(of_rounds):.2f} times as fast as {baseline}")
    for pipe in asking.values():
        pipe.send(False)


if __name__ == "__main__":
    main()
