"""What the small model draws, and what the judge says of it: `python -m lessons_lib.text_to_image.report [--stage 2]`."""

from __future__ import annotations

import argparse
import json
import time

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from lessons_lib import metrics
from lessons_lib.denoisers import Conditioned, guided
from lessons_lib.images import to_uint8
from lessons_lib.lessons import walks
from lessons_lib.models.judge import open_judge
from lessons_lib.models.text_to_image import network_of
from lessons_lib.pictures import enlarge, picture_of
from lessons_lib.samplers import sample
from lessons_lib.schedule import CLEAN, Schedule
from lessons_lib.text_to_image import data, small_model


@torch.no_grad()
def draw(
    unet, tokenizer, encoder, prompts: list[str], *, seed: int = 180, guidance_scale: float = 3.0, stride: int = 30
) -> Tensor:
    """One 32x32 picture a prompt, (B, 3, 32, 32) in [-1, 1], by the course's strided walk."""
    schedule = Schedule.cosine()
    network = network_of(unet, schedule, "v_prediction")
    cond, uncond = (Conditioned(network, small_model.encode(tokenizer, encoder, p)) for p in (prompts, [""]))
    g = torch.Generator().manual_seed(seed)
    xt = torch.randn(len(prompts), 3, 32, 32, generator=g)
    for step in sample(guided(cond, uncond, guidance_scale), schedule, xt, [*schedule.timesteps(stride), CLEAN], generator=g):
        xt = step.x_prev
    return xt


def draw_with(model, prompts: list[str], *, seed: int, guidance_scale: float, batch: int = 50) -> Tensor:
    """One picture a prompt from an opened Model, (N, 3, 32, 32) in [-1, 1], by the course's walk."""
    made = []
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        *_, last = walks.from_noise(model, part, num_images=len(part), seed=seed + start, guidance_scale=guidance_scale)
        made.append(last.x_prev.clamp(-1, 1))
        print(f"{start + len(part)} of {len(prompts)} pictures", flush=True)
    return torch.cat(made)


def measure(model, *, num_prompts: int = 200, guidance_scale: float = 3.0, seed: int = 180) -> tuple[dict, Tensor]:
    """The judge's verdict on trained and held-out prompts, how far two seeds are apart, and the pictures of the first."""
    things, pictures, judge = data.concepts(), data.pictures(), model.judge
    asked = [i * len(things) // num_prompts for i in range(num_prompts)]
    x = draw_with(model, [data.caption(i, None) for i in asked], seed=seed, guidance_scale=guidance_scale)
    ranks = judge.rank(x, torch.tensor(asked))
    held = [
        (c, s)
        for c, s, h in zip(pictures.concept.tolist(), pictures.style.tolist(), pictures.held_out.tolist(), strict=True)
        if h
    ]
    y = draw_with(model, [data.caption(c, s) for c, s in held], seed=seed, guidance_scale=guidance_scale)
    held_ranks = judge.rank(y, torch.tensor([c for c, _ in held]))
    few = asked[:: max(1, num_prompts // 40)]
    a, b = (draw_with(model, [data.caption(i, None) for i in few], seed=s, guidance_scale=guidance_scale) for s in (1, 2))
    small = avg_pool2d(pictures.images.float() / 127.5 - 1, 2).view(len(things), len(data.STYLES), 3, 32, 32)[few]
    return {
        "made": time.strftime("%Y-%m-%d"), "model": model.about, "seed": seed, "guidance_scale": guidance_scale,
        "moves": len(model.schedule.timesteps(model.stride)) - 1, "prompts": num_prompts,
        "top1": (ranks < 1).float().mean().item(), "top5": (ranks < 5).float().mean().item(),
        "held_out_pairs": len(held), "held_out_top1": (held_ranks < 1).float().mean().item(),
        "held_out_top5": (held_ranks < 5).float().mean().item(),
        "rms_between_two_seeds": metrics.mse(a, b).sqrt().mean().item(),
        "rms_between_two_artists": metrics.mse(small[:, 0], small[:, 1]).sqrt().mean().item(),
    }, x  # fmt: skip


def measure_upscaling(model, which: Tensor, *, noise_level: int = 0, seed: int = 180) -> tuple[dict, dict[str, Tensor]]:
    """Stage 2 against bicubic: real 64x64 pictures made half as large, and enlarged again by both.

    Stage 2 is asked twice: for its whole walk, and for its first guess, the mean of all that could be, which PSNR likes best.

    Args: which: indices of the shipped pictures.
    Returns the mean PSNR (dB), SSIM and sharpness of each, and what the judge that looks at 64x64 pixels makes of it: read right
    at once, among its first five, how surely it is read as what it is, and its surprise (cross-entropy in nats, the less the
    better); and the pictures, {name: (N, 3, 64, 64)}.
    """
    pictures, judge, upscaler = data.pictures(), open_judge("emoji_64"), model.upscaler()
    concept, style = pictures.concept[which], pictures.style[which]
    x0 = pictures.images[which].float() / 127.5 - 1
    prompts = [data.caption(c, s) for c, s in zip(concept.tolist(), style.tolist(), strict=True)]
    small = avg_pool2d(x0, 2)
    made, guessed = [], []
    for a in range(0, len(which), 16):
        some = slice(a, a + 16)
        first, *_, last = walks.upscale(upscaler, small[some], prompts[some], noise_level=noise_level, seed=seed + a)
        made.append(last.x_prev.clamp(-1, 1))
        guessed.append(first.x0_hat)
        print(f"{min(a + 16, len(which))} of {len(which)} pictures enlarged", flush=True)
    enlarged = {
        "original": x0,
        "stage 2": torch.cat(made),
        "stage 2, first guess": torch.cat(guessed),
        "bicubic": interpolate(small, size=x0.shape[-1], mode="bicubic").clamp(-1, 1),
    }
    report = {"pictures": len(which)}
    for name, x in enlarged.items():
        ranks, p = judge.rank(x, concept), judge.read(x).gather(1, concept.view(-1, 1))
        report[name] = {
            "sharpness": metrics.sharpness(x).mean().item(), "top1": (ranks < 1).float().mean().item(),
            "top5": (ranks < 5).float().mean().item(), "sure": p.mean().item(), "surprise": -p.log().mean().item(),
        }  # fmt: skip
        if name != "original":
            report[name] |= {k: getattr(metrics, k)(x, x0).mean().item() for k in ("psnr", "ssim")}
    return report, enlarged


def report_on_upscaling(model, *, num_pictures: int = 48, seed: int = 180) -> tuple[dict, Tensor]:
    """measure_upscaling() on pictures spread over all, and on those that neither stage 2 nor the judge has ever seen.

    Returns both, and for a sheet the first sixteen of the former with their enlargements.
    """
    pictures, noise_level = data.pictures(), 0
    every = len(pictures.images)
    spread = torch.tensor([k * every // num_pictures for k in range(num_pictures)])
    of_all, enlarged = measure_upscaling(model, spread, noise_level=noise_level, seed=seed)
    never_seen, _ = measure_upscaling(model, pictures.held_out.nonzero().flatten(), noise_level=noise_level, seed=seed)
    training = json.loads((data.FOLDER / "stage2" / "training.json").read_text())
    moves = len(model.upscaler().schedule.timesteps(walks.UPSCALE_STRIDE)) - 1
    report = {"made": time.strftime("%Y-%m-%d"), "images_seen": training["images_seen"], "seed": seed,
              "noise_level": noise_level, "moves": moves, "spread over all": of_all, "never seen": never_seen}  # fmt: skip
    return report, torch.cat([x[:16] for x in enlarged.values()])


def _rounded(x):
    """The report, its numbers to four places."""
    return {k: _rounded(v) for k, v in x.items()} if isinstance(x, dict) else round(x, 4) if isinstance(x, float) else x


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.text_to_image.report", description=__doc__)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--guidance-scale", type=float, default=3.0)
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1)
    args = parser.parse_args()
    from lessons_lib.models.opening import open_model

    model = open_model("emoji")
    folder = data.FOLDER / f"stage{args.stage}"
    if args.stage == 1:
        report, x = measure(model, num_prompts=args.prompts, guidance_scale=args.guidance_scale)
        sheet = picture_of(to_uint8(x[:: max(1, len(x) // 100)][:100]).numpy(), 10)
    else:
        report, x = report_on_upscaling(model)
        sheet = picture_of(to_uint8(x).numpy(), 16)
    text = json.dumps(_rounded(report), indent=1)
    (folder / "report.json").write_text(text)
    enlarge(sheet, sheet.width * (4 - args.stage)).save(folder / "sheet.png", optimize=True)
    print(text)


if __name__ == "__main__":
    main()
