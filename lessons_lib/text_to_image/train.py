"""Train the small model: its words, then stage 1 (32x32), then stage 2 (32 to 64).

    python -m lessons_lib.text_to_image.train stage1 --minutes 120
    python -m lessons_lib.text_to_image.train stage2 --minutes 30
    python -m lessons_lib.text_to_image.train ship          # the folders that the lessons open
    python -m lessons_lib.text_to_image.train stage1 --start cache/text_to_image/stage1    # go on from what ships

`train()` is a generator of Progress, as for MNIST: every batch is drawn from (seed, step), so a resumed run continues to
the bit. The words are taught first and then held fixed: a UNet that is given random word vectors learns to ignore them.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate, mse_loss

from lessons_lib import checkpoints
from lessons_lib.errors import LessonsError
from lessons_lib.models.precision import autocast
from lessons_lib.models.text_to_image import open_pipeline
from lessons_lib.schedule import Schedule
from lessons_lib.text_to_image import data, small_model

RUNS = data.FOLDER.parent / "runs" / "text_to_image"
EMA = 0.998


@dataclass(frozen=True)
class Settings:
    stage: str
    images: int  # how many pictures the run sees in all; the learning rate falls to nothing towards it
    batch_size: int = 24
    lr: float = 8e-4
    warmup: int = 200  # steps
    variance_weight: float = 0.05  # of the variance's loss, small so that the noise part comes first
    crop: int | None = None  # stage 2: see squares of so many pixels, four times as many a second; whole pictures at the end
    images_before: int = 0  # that the weights had seen with which the run began
    seed: int = 180


DEFAULTS = {"stage1": Settings("stage1", 200_000), "stage2": Settings("stage2", 150_000, batch_size=32, crop=32)}
WHOLE = 0.9  # the part of stage 2's steps after which it sees whole pictures, a quarter as many in a batch


def squares_until(settings: Settings) -> int:
    """The step from which stage 2 sees whole pictures; 0 where nothing is cropped."""
    return math.ceil(WHOLE * (settings.images // settings.batch_size)) if settings.crop else 0


def whole_batch(settings: Settings) -> int:
    """How many whole pictures cost as much as a batch of squares."""
    return max(1, settings.batch_size * settings.crop**2 // data.SIZE**2) if settings.crop else settings.batch_size


def images_seen(settings: Settings, step: int) -> int:
    """Pictures, and squares of pictures, that the network has seen after so many steps, those before the run among them."""
    squares = min(step, squares_until(settings))
    return settings.images_before + squares * settings.batch_size + (step - squares) * whole_batch(settings)


@dataclass(frozen=True)
class Progress:
    step: int
    total_steps: int
    loss: float
    images_per_second: float
    seconds_left: float


def teach_words(seed: int = 180, steps: int = 1500):
    """A tokenizer and text encoder whose output tells what a caption asks for: which thing, and which artist.

    Two linear heads read the mean over a caption's tokens; they are thrown away afterwards.
    """
    torch.manual_seed(seed)
    tokenizer = small_model.make_tokenizer()
    encoder = small_model.make_text_encoder(len(tokenizer)).train()
    nn.init.normal_(encoder.shared.weight, std=1.0)
    things, styles = len(data.concepts()), len(data.STYLES)
    heads = nn.Linear(small_model.TEXT_WIDTH, things + 1 + styles + 1)
    opt = torch.optim.AdamW([*encoder.parameters(), *heads.parameters()], 2e-3)
    lr = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, total_steps=steps, pct_start=0.1)
    rng = random.Random(seed)
    for step in range(steps):
        thing = [rng.randrange(things) for _ in range(96)]
        style = [rng.randrange(styles) for _ in range(96)]
        text = [data.random_caption(c, s, rng) for c, s in zip(thing, style, strict=True)]
        # a caption that names no thing or no artist is to say so
        thing = torch.tensor([things if x in ("", data.GENERIC) else c for x, c in zip(text, thing, strict=True)])
        style = torch.tensor([s if data.STYLES[s] in x else styles for x, s in zip(text, style, strict=True)])
        tokens = tokenizer(text, padding=True, return_tensors="pt")
        out = encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
        mask = tokens.attention_mask[..., None]
        thing_logits, style_logits = heads((out * mask).sum(1) / mask.sum(1)).split([things + 1, styles + 1], 1)
        loss = cross_entropy(thing_logits, thing) + cross_entropy(style_logits, style)
        opt.zero_grad()
        loss.backward()
        opt.step()
        lr.step()
        if step % 250 == 249:
            right = (thing_logits.argmax(1) == thing).float().mean().item()
            print(f"words: step {step + 1} of {steps}, loss {loss.item():.3f}, things named right {right:.0%}", flush=True)
    return tokenizer, encoder.eval().requires_grad_(False)


def _cropped(x0: Tensor, small: Tensor, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The same random square of both, another one for each picture."""
    last = x0.shape[-1] - side
    at = torch.randint(last + 1, (len(x0), 2), generator=generator).tolist()
    return tuple(
        torch.stack([p[:, y : y + side, x : x + side] for p, (y, x) in zip(pictures, at, strict=True)])
        for pictures in (x0, small)
    )


def _batch(settings: Settings, step: int, images: Tensor, picked: Tensor, pictures: data.Pictures, size: int):
    """x0 at the stage's size, captions, t, eps and one more generator draw, all from (seed, step)."""
    g = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    rng = random.Random(settings.seed * 1_000_003 + step)
    i = picked[torch.randint(len(picked), (size,), generator=g)]
    x0 = images[i].float() / 127.5 - 1
    side = x0.shape[-1]
    dx, dy = torch.randint(-2, 3, (2, len(i)), generator=g).tolist()  # shifted a little, white coming in
    padded = nn.functional.pad(x0, (2, 2, 2, 2), value=1.0)
    x0 = torch.stack([p[:, 2 + y : 2 + y + side, 2 + x : 2 + x + side] for p, x, y in zip(padded, dx, dy, strict=True)])
    text = [data.random_caption(c, s, rng) for c, s in zip(pictures.concept[i].tolist(), pictures.style[i].tolist(), strict=True)]
    return x0, text, g


def train(settings: Settings, folder: Path, *, time_budget: float | None = None, checkpoint_seconds: float = 240,
          sheet_seconds: float = 720) -> Iterator[Progress]:  # fmt: skip
    """Train one stage in `folder`, one Progress a step, going on from its last checkpoint.

    Every sheet_seconds the averaged (EMA) network draws data.SHEET_PROMPTS from a fixed seed into sheet-STEP.png, and a line with
    loss and the judge's reading goes to log.jsonl. Closing the generator leaves a checkpoint of that step.
    Raises: LessonsError on a full disk or a loss that is no number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    schedule = Schedule.cosine()
    pictures = data.pictures()
    picked = (~pictures.held_out).nonzero()[:, 0]
    images = pictures.images
    if settings.stage == "stage1":
        images = avg_pool2d(images.float(), 2).round().to(torch.uint8)
    words = folder.parent / "words"
    tokenizer, encoder = _words(words, settings.seed)
    torch.manual_seed(settings.seed)
    unet = small_model.make_stage1() if settings.stage == "stage1" else small_model.make_stage2()
    unet = unet.to(memory_format=torch.channels_last).train()
    averaged = copy.deepcopy(unet).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(unet.parameters(), settings.lr, weight_decay=0.01, betas=(0.9, 0.99))
    total, step, loss_mean = settings.images // settings.batch_size, 0, None
    modules = {"unet": unet, "averaged": averaged}
    if saved := checkpoints.load_checkpoint(folder):
        checkpoints.restore(saved[1], modules, optimizer)
        step, loss_mean = saved[0]["step"], saved[0]["loss_mean"]
    started = last_save = last_sheet = time.monotonic()
    first_step, saved_step, paused = step, step, 0.0

    def save() -> None:
        nonlocal saved_step, last_save
        about = {"settings": asdict(settings), "loss_mean": loss_mean}
        checkpoints.save_checkpoint(folder, step, modules, optimizer, about)
        saved_step, last_save = step, time.monotonic()

    try:
        while step < total:
            if time_budget is not None and time.monotonic() - started >= time_budget:
                break
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * min(1.0, (step + 1) / settings.warmup) * 0.5 * (1 + math.cos(math.pi * step / total))
            crop = settings.crop if step < squares_until(settings) else None
            size = settings.batch_size if crop or not settings.crop else whole_batch(settings)
            x0, text, g = _batch(settings, step, images, picked, pictures, size)
            if settings.stage == "stage2":  # as the pipeline enlarges stage 1's picture
                small = interpolate(avg_pool2d(x0, 2), size=x0.shape[-1], mode="bilinear", align_corners=True)
                if crop:
                    x0, small = _cropped(x0, small, crop, g)
            t = torch.randint(schedule.T, (len(x0),), generator=g)
            eps = torch.randn(x0.shape, generator=g)
            xt = schedule.add_noise(x0, t, eps)
            with torch.no_grad():
                embeds = small_model.encode(tokenizer, encoder, text)
            extra, network_input = {}, xt
            if settings.stage == "stage2":
                level = torch.randint(500, (len(x0),), generator=g)
                noised = schedule.add_noise(small, level, torch.randn(small.shape, generator=g))
                network_input, extra = torch.cat([xt, noised], 1), {"class_labels": level}
            with autocast():
                out = unet(network_input.contiguous(memory_format=torch.channels_last), t, embeds, **extra).sample
            v, var = out.float().split(3, 1)
            loss = mse_loss(v, schedule.velocity(x0, t, eps))
            whole = loss + settings.variance_weight * small_model.variance_loss(schedule, xt, x0, t, v, var)
            optimizer.zero_grad(set_to_none=True)
            whole.backward()
            nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
            optimizer.step()
            step += 1
            decay = min(EMA, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(list(averaged.parameters()), list(unet.parameters()), 1 - decay)
            value = loss.item()
            if not math.isfinite(value):
                raise LessonsError(f"The loss became {value} at step {step}: lower --lr and start from the last checkpoint.")
            loss_mean = value if loss_mean is None else 0.99 * loss_mean + 0.01 * value

            rest = time.monotonic()
            if rest - last_save >= checkpoint_seconds or step == total:
                save()
            if rest - last_sheet >= sheet_seconds or step == total:
                _sheet(folder, settings, step, loss_mean, tokenizer, encoder, averaged)
                last_sheet = time.monotonic()
            speed = (step - first_step) * settings.batch_size / max(rest - started - paused, 1e-9)
            yield Progress(step, total, loss_mean, speed, (total - step) * settings.batch_size / speed)
            paused += time.monotonic() - rest
    finally:
        if step > saved_step:
            save()


def begin_from(shipped: Path, settings: Settings, folder: Path) -> Settings:
    """Lay the first checkpoint of a run that goes on from a pipeline folder: its weights and words, all else starting anew.

    Returns the settings, with what the weights had seen before. A folder that has a checkpoint keeps it.
    Raises: LessonsError if there is no such pipeline.
    """
    training = shipped / "training.json"
    if not training.exists():
        raise LessonsError(f"{shipped} is no model that this trainer made: it has no training.json.")
    settings = replace(settings, images_before=json.loads(training.read_text())["images_seen"])
    if checkpoints.checkpoint_files(folder):
        return settings
    pipeline, words = open_pipeline(shipped), folder.parent / "words"
    if not (words / "done").exists():
        pipeline.tokenizer.save_pretrained(words)
        pipeline.text_encoder.save_pretrained(words)
        (words / "done").write_text("")
    optimizer = torch.optim.AdamW(pipeline.unet.parameters(), settings.lr)
    modules = {"unet": pipeline.unet, "averaged": copy.deepcopy(pipeline.unet)}
    checkpoints.save_checkpoint(folder, 0, modules, optimizer, {"settings": asdict(settings), "loss_mean": None})
    if (shipped / "log.jsonl").exists():
        (folder / "log.jsonl").write_text((shipped / "log.jsonl").read_text())
    return settings


def _words(folder: Path, seed: int):
    """The taught tokenizer and text encoder, kept beside the runs so that both stages hear the same words."""
    from transformers import T5EncoderModel, T5TokenizerFast

    if not (folder / "done").exists():
        tokenizer, encoder = teach_words(seed)
        tokenizer.save_pretrained(folder)
        encoder.save_pretrained(folder)
        (folder / "done").write_text("")
    return T5TokenizerFast.from_pretrained(folder), T5EncoderModel.from_pretrained(folder).eval().requires_grad_(False)


def _sheet(folder: Path, settings: Settings, step: int, loss: float, tokenizer, encoder, unet) -> None:
    """Fixed prompts from a fixed seed, as a picture and as the judge's verdict in log.jsonl."""
    line = {"step": step, "images": images_seen(settings, step), "loss": round(loss, 5)}
    if settings.stage == "stage1":
        from lessons_lib.models.judge import open_judge
        from lessons_lib.text_to_image.report import draw

        x = draw(unet, tokenizer, encoder, list(data.SHEET_PROMPTS), seed=settings.seed)
        of_caption = {data.caption(i, None): i for i in range(len(data.concepts()))}
        asked = [of_caption[p.split(" in ")[0]] for p in data.SHEET_PROMPTS]
        ranks = open_judge("emoji").rank(x, torch.tensor(asked))
        line |= {"top1": (ranks < 1).float().mean().item(), "top5": (ranks < 5).float().mean().item()}
        u8 = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        grid = u8.view(4, 5, 3, 32, 32).permute(0, 3, 1, 4, 2).reshape(128, 160, 3).numpy()
        Image.fromarray(np.repeat(np.repeat(grid, 3, 0), 3, 1)).save(folder / f"sheet-{step:06d}.png")
    with open(folder / "log.jsonl", "a") as f:
        f.write(json.dumps(line) + "\n")


def ship(runs: Path, stages: Iterable[int] = (1, 2)) -> None:
    """Write the averaged networks of the stages as pipeline folders, with how they were trained beside them."""
    for stage in stages:
        run = runs / f"stage{stage}"
        saved = checkpoints.load_checkpoint(run)
        if saved is None:
            print(f"stage {stage}: nothing trained in {run}")
            continue
        about, tensors = saved
        settings = Settings(**about["settings"])
        unet = small_model.make_stage1() if stage == 1 else small_model.make_stage2()
        prefix = "averaged."
        unet.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        tokenizer, encoder = _words(runs / "words", settings.seed)
        out = data.FOLDER / f"stage{stage}"
        small_model.save_pipeline(out, tokenizer, encoder, unet, stage=stage)
        seen = images_seen(settings, about["step"])
        training = {"settings": asdict(settings), "step": about["step"], "images_seen": seen, "loss": about["loss_mean"]}
        (out / "training.json").write_text(json.dumps(training, indent=1))
        if (run / "log.jsonl").exists():
            (out / "log.jsonl").write_text((run / "log.jsonl").read_text())
        print(f"stage {stage}: {seen:,} images, into {out}")


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.text_to_image.train", description=__doc__, formatter_class=raw)
    parser.add_argument("what", choices=("stage1", "stage2", "ship"))
    parser.add_argument("--runs", type=Path, default=RUNS, help="where checkpoints live (default %(default)s)")
    parser.add_argument("--minutes", type=float, help="time budget; run the same command again to go on")
    parser.add_argument("--start", type=Path, help="a run that has no checkpoint goes on from this pipeline folder")
    parser.add_argument("--images", type=int, help="how many pictures the whole run sees")
    parser.add_argument("--batch-size", type=int, help="pictures a step")
    parser.add_argument("--lr", type=float, help="highest learning rate")
    parser.add_argument("--stages", type=int, nargs="+", choices=(1, 2), default=(1, 2), help="which to ship")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # a background shell ignores Ctrl+C: hear it all the same, and checkpoint
        signal.signal(ending, signal.default_int_handler)
    torch.set_num_threads(args.threads)
    if args.what == "ship":
        return ship(args.runs, args.stages)
    chosen = {k: getattr(args, k) for k in ("images", "batch_size", "lr") if getattr(args, k)}
    settings = replace(DEFAULTS[args.what], **chosen)
    from tqdm import tqdm

    try:
        if args.start:
            settings = begin_from(args.start, settings, args.runs / args.what)
        with tqdm(unit="step", mininterval=5) as bar:
            for p in train(settings, args.runs / args.what, time_budget=args.minutes * 60 if args.minutes else None):
                bar.total = p.total_steps
                bar.set_postfix_str(f"loss {p.loss:.4f} {p.images_per_second:.1f} images/s", refresh=False)
                bar.update(p.step - bar.n)
    except LessonsError as e:
        raise SystemExit(str(e)) from None
    except KeyboardInterrupt:
        print("Stopped; run the same command again to go on.")


if __name__ == "__main__":
    main()
