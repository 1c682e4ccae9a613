"""The measures that settle a lesson's argument: `python -m lessons_lib.lessons.measures [LESSON ...] [--model MODEL]`.

Each is a generator of rows, one a point of the plot, so that a page can draw it live; what the pages open with is kept as
JSON in cache/openings with the day, the number of pictures and the command.
"""

from __future__ import annotations

import argparse
import inspect
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lessons_lib import metrics
from lessons_lib.film import OPENINGS
from lessons_lib.images import lowpass
from lessons_lib.lessons import walks
from lessons_lib.models.model import Model
from lessons_lib.models.names import available
from lessons_lib.models.opening import open_model
from lessons_lib.sources import clean_picture, names


def blur_for(t_fraction: float, size: int) -> tuple[int, float]:
    """(kernel_size, sigma) that suits a noise level: wider for more noise and larger pictures."""
    sigma = max(0.3, 4.0 * t_fraction * size / 64)
    return 2 * round(2.5 * sigma) + 1, sigma


def some_pictures(model: Model, n: int) -> Tensor:
    """(n, C, H, W) clean pictures of the kind the model knows."""
    kind = "digit" if model.shape[0] == 1 else "emoji"
    every = names(kind)
    return torch.cat([clean_picture(kind, every[i * len(every) // n], model.shape) for i in range(n)])


def denoise(model: Model, num_images: int = 16, points: int = 8) -> Iterator[dict]:
    """Blur, one step and many steps from the same noisy pictures, at timesteps from little to much noise.

    Rows: t, and for each method its mean mse, psnr, ssim and sharpness against the clean pictures.
    """
    x0 = some_pictures(model, num_images)
    timesteps = model.schedule.timesteps(model.stride)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(180))
    for k in range(points):
        i = len(timesteps) - 3 - round(k * (len(timesteps) - 5) / max(points - 1, 1))
        t = timesteps[i]
        xt = model.schedule.add_noise(x0, t, eps)
        steps = list(walks.denoise_from(model, xt, timesteps[i:]))
        made = {
            "blur": lowpass(xt, *blur_for(t / model.schedule.T, model.shape[1])).clamp(-1, 1),
            "one step": steps[0].x0_hat,
            "iterative": steps[-1].x_prev.clamp(-1, 1),
        }
        row = {"t": t, "sharpness of the originals": metrics.sharpness(x0).mean().item()}
        for method, x in made.items():
            for name in ("mse", "psnr", "ssim"):
                row[f"{method} {name}"] = getattr(metrics, name)(x, x0).mean().item()
            row[f"{method} sharpness"] = metrics.sharpness(x).mean().item()
        yield row


def sampling(model: Model, num_images: int = 30, step_counts: Sequence[int] = (50, 20, 10, 5)) -> Iterator[dict]:
    """What the number of steps changes, and what the seed does.

    Rows: num_inference_steps; accuracy, top5 and seconds (a picture) at eta = 1; and the mean RMS distance between a picture
    and the one that the largest number of steps makes of the same seed, at eta = 1 and 0; and between two seeds.
    """
    prompts = model.prompts[:10]
    each = max(2, num_images // len(prompts))
    asked = [p for p in prompts for _ in range(each)]
    labels = torch.tensor([model.class_of(p) for p in asked])
    finest: dict[float, Tensor] = {}
    for steps in step_counts:
        made, seconds = {}, {}
        for eta in (1.0, 0.0):
            started = time.perf_counter()
            made[eta] = _pictures(model, asked, eta=eta, timesteps=model.schedule.spaced_timesteps(steps))
            seconds[eta] = (time.perf_counter() - started) / len(asked)
            finest.setdefault(eta, made[eta])
        ranks = model.judge.rank(made[1.0], labels)
        yield {
            "num_inference_steps": steps,
            "accuracy": (ranks == 0).float().mean().item(),
            "top5": (ranks < 5).float().mean().item(),
            "seconds": seconds[1.0],
            "same seed, eta 1": metrics.mse(made[1.0], finest[1.0]).sqrt().mean().item(),
            "same seed, eta 0": metrics.mse(made[0.0], finest[0.0]).sqrt().mean().item(),
            "another seed": sum(metrics.diversity(x) for x in made[1.0].split(each)) / len(prompts),
        }


def _pictures(model: Model, prompts: list[str], **how) -> Tensor:
    """One picture of each prompt, 30 at a time, at the model's own guidance unless said. (B, C, H, W) in [-1, 1]"""
    made, how = [], {"guidance_scale": model.guidance_scale, **how}
    for i in range(0, len(prompts), 30):
        part = prompts[i : i + 30]
        for step in walks.from_noise(model, part, num_images=len(part), seed=180 + i, **how):
            x = step.x_prev
        made.append(x)
    return torch.cat(made).clamp(-1, 1)


MEASURES: dict[str, Callable[..., Iterator[dict]]] = {"denoise": denoise, "sampling": sampling}


def kept_path(measure: str, model: str) -> Path:
    return OPENINGS / f"measure-{measure}-{model}.json"


def kept(measure: str, model: str) -> dict | None:
    """{"rows", "made", "command", ...} of the measure as it was last kept, or None."""
    try:
        return json.loads(kept_path(measure, model).read_text())
    except (OSError, ValueError):
        return None


def keep(measure: str, model: str, rows: list[dict], *, started: float, command: str, about: str) -> None:
    """Keep what was measured since time.monotonic() was `started`, with the day and the command that repeats it."""
    rows = [{k: round(v, 5) if v is not None else None for k, v in row.items()} for row in rows]
    seconds = round(time.monotonic() - started, 1)
    report = {"made": time.strftime("%Y-%m-%d"), "command": command, "seconds": seconds, "about": about, "rows": rows}
    kept_path(measure, model).parent.mkdir(parents=True, exist_ok=True)
    kept_path(measure, model).write_text(json.dumps(report, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.lessons.measures", description=__doc__)
    parser.add_argument("measures", nargs="*", help=f"of {', '.join(MEASURES)}; default: all")
    parser.add_argument("--model", nargs="*", help="default: all that ship")
    parser.add_argument("--num-images", type=int, help="default: the measure's own")
    args = parser.parse_args()
    for name in args.model or available():
        for measure in args.measures or MEASURES:
            started, rows = time.monotonic(), []
            num_images = args.num_images or inspect.signature(MEASURES[measure]).parameters["num_images"].default
            for row in MEASURES[measure](open_model(name), num_images=num_images):
                rows.append(row)
                print(measure, name, row, flush=True)
            command = f"python -m lessons_lib.lessons.measures {measure} --model {name} --num-images {num_images}"
            keep(measure, name, rows, started=started, command=command, about=open_model(name).about)


if __name__ == "__main__":
    main()
