"""Train the small model on any device: stage 1, 64x64, and stage 2, which enlarges that to 128x128.

    python -m lessons_lib.training.small_model train --out FOLDER --images 1000000             # go on with the same command
    python -m lessons_lib.training.small_model train --out FOLDER --device cuda --minutes 9 --batch-size 512
    python -m lessons_lib.training.small_model train --out OTHER --start FOLDER --images 150000 --decay 40000      # weights of the day
    python -m lessons_lib.training.small_model keep --out FOLDER --to cache/text_to_image/stage1_next              # to go on elsewhere
    python -m lessons_lib.training.small_model ship --out OTHER --to cache/text_to_image/stage1
    python -m lessons_lib.training.small_model train --out SECOND --stage 2 --images 300000 --crop 64

The learning rate rises, stays, and falls in a straight line to nothing over the last `--decay` pictures. So nobody need know at the
start how long the run will be, as a cosine must: the constant part goes on for as many days as there are, and whenever weights are
wanted, a branch of it (`--start`) decays on its own, while the run itself trains on undecayed. Both come to the same loss as a cosine
of that length (Hu et al. 2024, arXiv:2404.06395; Haegele et al. 2024, arXiv:2405.18392).

A batch is drawn, shifted and noised on the device, from pictures and caption embeddings that lie there: nothing waits for Python.
Everything random comes from (seed, pictures seen). The words were taught first and are held fixed: a UNet that is given random word
vectors learns to ignore them. `words` teaches them anew, into cache/text_to_image/words. What the prompt adds to the embedding of time
(add_embedding) is held as it was made for the same reason: free to learn, it says the same of every thing after 50,000 pictures
(deviation between things 0.07 of 0.87 as made), because a name means nothing yet when the network begins.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, mse_loss

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints
from lessons_lib.maths.denoisers import Conditioned, Prediction, guided
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.models import prompts
from lessons_lib.models.precision import autocast
from lessons_lib.places import CACHE
from lessons_lib.training import emoji, if_format, loop
from lessons_lib.training.muon import Muon, scale_lr, split

RUNS = CACHE / "runs"
WORDS = emoji.FOLDER / "words"
STAGES = {1: {}, 2: {"images": 300_000, "decay": 100_000, "channels": (16, 32, 64, 96)}}  # what differs from the defaults
MOST_NOISE = 500  # stage 2: the enlarged picture is noised to any timestep below this one
LOG_EVERY, SHEET_EVERY = 1.2, 1.5  # by what factor the pictures seen grow from a line of the log, or a sheet, to the next
FIRST_LOG = 3000  # pictures; a line costs as much as training on a hundred, a sheet on four hundred


FREE = ("images", "decay", "batch_size", "crop", "noise")


@dataclass(frozen=True)
class Settings:
    """What a run is made with. Those in FREE may change from one command to the next; the rest may not."""

    stage: int = 1
    images: int = 1_000_000  # how many pictures the run sees in all
    decay: int = 150_000  # of these, over how many the learning rate falls
    batch_size: int = 24
    noise: float = 1.0  # t is drawn as T u^noise, u uniform: below 1 there is much noise more often
    lr: float = 0.02  # Muon's, for matrices and convolutions
    lr_others: float = 8e-4  # AdamW's, for all else
    warmup: int = 200  # steps
    average: int = 12_000  # pictures: the averaged (EMA) network forgets at this rate
    variance_weight: float = 0.05  # of the variance's loss, small so that the noise part comes first
    channels: tuple[int, ...] = (16, 48, 96, 192)
    groups: int = 8
    crop: int | None = None  # stage 2: sees squares of so many pixels, four times as many a second; without it whole pictures
    seed: int = 180

    def __post_init__(self):
        if self.stage not in STAGES:
            raise ValueError(f"stage must be 1 or 2, got {self.stage!r}")
        if self.crop is not None and (self.stage == 1 or self.crop % 8):
            raise ValueError(f"crop is for stage 2, a multiple of 8 pixels; got {self.crop!r}")
        for name in ("images", "decay", "batch_size", "noise", "lr", "lr_others", "warmup", "average", "groups"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)!r}")
        object.__setattr__(self, "channels", tuple(self.channels))

    def lr_factor(self, step: int, seen: int) -> float:
        """What the learning rate is of its highest, `step` steps after the optimiser began and `seen` pictures after the network did."""
        return min(1.0, (step + 1) / self.warmup, max(0.0, (self.images - seen) / self.decay))

    def unet(self):
        """A network as these settings say, with the seed's initial weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            head = 64 if self.channels[-1] % 64 == 0 else 48 if self.channels[-1] % 48 == 0 else self.channels[-1]
            same = {"groups": self.groups, "head": head}
            if self.stage == 1:
                return if_format.make_unet(self.channels, **same)
            return if_format.make_unet(self.channels, size=128, time_width=128, upscales=True, **same)


# ---------------------------------------------------------------- words


def caption_table(of: emoji.Pictures) -> tuple[list[str], Tensor]:
    """All captions that these pictures are trained with, each once, and which of them each picture may have, (N, SLOTS) int64."""
    number: dict[str, int] = {"": 0}
    rows = {}
    for pair in zip(of.concept.tolist(), of.style.tolist(), strict=True):
        if pair not in rows:
            rows[pair] = [number.setdefault(text, len(number)) for text in prompts.captions(*pair)]
    slots = torch.tensor([rows[pair] for pair in zip(of.concept.tolist(), of.style.tolist(), strict=True)])
    return list(number), slots


def teach_words(of: emoji.Pictures, seed: int = 180, steps: int = 2000):
    """A tokenizer and text encoder whose output tells what a caption asks for: which thing, and which artist or medium.

    Two linear heads read the mean over a caption's words; they are thrown away afterwards. Only captions of pictures that are trained
    on are heard.
    """
    torch.manual_seed(seed)
    tokenizer = if_format.make_tokenizer()
    encoder = if_format.make_text_encoder(len(tokenizer)).train()
    nn.init.normal_(encoder.shared.weight, std=1.0)
    things, styles = len(prompts.concepts()), len(prompts.STYLES)
    heads = nn.Linear(if_format.TEXT_WIDTH, things + 1 + styles + 1)
    opt = torch.optim.AdamW([*encoder.parameters(), *heads.parameters()], 2e-3)
    lr = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, total_steps=steps, pct_start=0.1)
    rng = random.Random(seed)
    trained = of[~of.held_out]
    pairs = sorted(set(zip(trained.concept.tolist(), trained.style.tolist(), strict=True)))
    for step in range(steps):
        asked = [(c, s, rng.choice(prompts.captions(c, s))) for c, s in rng.choices(pairs, k=96)]
        text = [x for *_, x in asked]
        # a caption that names no thing or no style is to say so
        thing = torch.tensor([things if x == "" or x in prompts.GENERIC else c for c, _, x in asked])
        style = torch.tensor([s if prompts.STYLES[s] in x else styles for _, s, x in asked])
        tokens = tokenizer(text, padding=True, return_tensors="pt")
        out = encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
        mask = tokens.attention_mask[..., None]
        thing_logits, style_logits = heads((out * mask).sum(1) / mask.sum(1)).split([things + 1, styles + 1], 1)
        loss = cross_entropy(thing_logits, thing) + cross_entropy(style_logits, style)
        opt.zero_grad()
        loss.backward()
        opt.step()
        lr.step()
        if step % 500 == 499:
            right = (thing_logits.argmax(1) == thing).float().mean().item()
            print(f"words: step {step + 1} of {steps}, loss {loss.item():.3f}, things named right {right:.0%}", flush=True)
    return tokenizer, encoder.eval().requires_grad_(False)


def words_in(folder: Path, of: emoji.Pictures, seed: int):
    """The taught tokenizer and text encoder of a run. A folder without them gets those that ship, so that every run and both stages
    hear the same words; where none ship, they are taught now."""
    from transformers import T5EncoderModel, T5TokenizerFast

    if not (folder / "model.safetensors").exists() and (WORDS / "model.safetensors").exists():
        shutil.copytree(WORDS, folder, dirs_exist_ok=True)
    if not (folder / "model.safetensors").exists():
        tokenizer, encoder = teach_words(of, seed)
        tokenizer.save_pretrained(folder)
        encoder.save_pretrained(folder)
    return T5TokenizerFast.from_pretrained(folder), T5EncoderModel.from_pretrained(folder).eval().requires_grad_(False)


@torch.no_grad()
def encoded(tokenizer, encoder, texts: list[str], device: torch.device) -> Tensor:
    """(N, 77, 128) in half precision on the device: what every caption becomes, once for the whole run."""
    encoder = encoder.to(device)
    made = []
    for a in range(0, len(texts), 256):
        ids, mask = prompts.tokens(tokenizer, texts[a : a + 256])
        made.append(encoder(ids.to(device), attention_mask=mask.to(device))[0].half())
    encoder.to("cpu")
    return torch.cat(made)


# ---------------------------------------------------------------- what is compared and looked at


@dataclass(frozen=True, eq=False)
class FixedSet:
    """The same pictures, timesteps, noises and captions for every network: what losses are compared on."""

    x0: Tensor  # (N, 3, 64, 64) in [-1, 1]
    t: Tensor
    eps: Tensor
    prompts: list[str]

    @classmethod
    def of(cls, pictures: emoji.Pictures, weights: Tensor, n: int, seed: int = 7) -> FixedSet:
        """n pictures drawn by weight, timesteps spread evenly from 20 to 980, captions that name thing and style."""
        g = torch.Generator().manual_seed(seed)
        chosen = pictures[torch.multinomial(weights, n, replacement=True, generator=g)]
        t = torch.linspace(20, 980, n).round().long()
        x0 = chosen.images.float() / 127.5 - 1
        asked = [prompts.caption(c, s) for c, s in zip(chosen.concept.tolist(), chosen.style.tolist(), strict=True)]
        return cls(x0, t, torch.randn(x0.shape, generator=g), asked)

    @torch.no_grad()
    def losses(self, training: SmallModel, embeds: Tensor, batch: int = 48) -> Tensor:
        """(N,) the squared error of v by the averaged network, each picture's own, from little noise to much.

        embeds (N, 77, 128) of the prompts.
        """
        schedule, device = Schedule.cosine(), training.device
        xt, v = schedule.add_noise(self.x0, self.t, self.eps), schedule.velocity(self.x0, self.t, self.eps)
        errors = []
        for a in range(0, len(xt), batch):
            x0, x, t, e = (part[a : a + batch].to(device) for part in (self.x0, xt, self.t, embeds))
            seen, extra = training.shown(x, training.small(x0), loop.generator(7, a, device=device))
            with autocast(device):
                out = training.averaged(seen, t, e.float(), **extra).sample
            errors.append((out[:, :3].float().cpu() - v[a : a + batch]).square().mean((1, 2, 3)))
        return torch.cat(errors)


def network_of(unet: nn.Module, schedule: Schedule):
    """The UNet as a Network of the lessons, on whatever device it lies."""
    device = next(unet.parameters()).device

    def network(xt: Tensor, t: Tensor, embeds: Tensor) -> Prediction:
        with autocast(device):
            out = unet(xt.to(device), t.to(device), embeds.to(device).float()).sample
        v, variance = out.float().to(xt.device).split(3, 1)
        return Prediction(schedule.eps_from_velocity(xt, t, v), variance)

    return network


@torch.no_grad()
def draw(
    unet: nn.Module, embeds: Tensor, nothing: Tensor, *, seed: int = 180, guidance_scale: float = 3.0, stride: int = 30
) -> Tensor:
    """One picture for each row of embeds (B, 77, 128), (B, 3, 64, 64) in [-1, 1], by the course's strided walk."""
    schedule = Schedule.cosine()
    network = network_of(unet, schedule)
    size = unet.config.sample_size
    generators = [torch.Generator().manual_seed(seed + i) for i in range(len(embeds))]
    xt = torch.stack([torch.randn(3, size, size, generator=g) for g in generators])
    denoiser = guided(Conditioned(network, embeds), Conditioned(network, nothing), guidance_scale)
    for step in sample(denoiser, schedule, xt, [*schedule.timesteps(stride), CLEAN], generator=generators):
        xt = step.x_prev
    return xt.clamp(-1, 1)


def write_sheet(path: Path, x: Tensor, columns: int = 5) -> None:
    """Pictures (B, 3, H, W) in [-1, 1] beside each other, in a lossless WebP."""
    u8 = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    n, _, h, w = u8.shape
    grid = u8.view(n // columns, columns, 3, h, w).permute(0, 3, 1, 4, 2).reshape(n // columns * h, columns * w, 3)
    Image.fromarray(grid.numpy()).save(path, lossless=True, quality=100, method=6)


# ---------------------------------------------------------------- training


class SmallModel(loop.Training):
    """Stage 1 as the loop trains it.

    Args:
        folder: of the run: gets words/, log.jsonl, sheet-PICTURES.webp and the loop's checkpoints.
        pictures: what is learned from; emoji.pictures(self.side) as a rule.
        watch: whether to write log and sheets.
    """

    clip = 1.0
    side = 64

    def __init__(
        self, settings: Settings, folder: Path, *, device: str = "cpu", pictures: emoji.Pictures | None = None, watch: bool = True
    ) -> None:
        self.settings, self.folder, self.device = settings, Path(folder), torch.device(device)
        self.batch_size, self.read_every = settings.batch_size, 1 if self.device.type == "cpu" else 20
        of = emoji.pictures(self.side) if pictures is None else pictures
        self.tokenizer, self.encoder = words_in(self.folder / "words", of, settings.seed)
        trained = of[~of.held_out]
        texts, slots = caption_table(trained)
        self.images, self.slots = trained.images.to(self.device), slots.to(self.device)
        self.embeds = encoded(self.tokenizer, self.encoder, texts, self.device)
        self.drawn = emoji.weights(trained).cumsum(0).to(self.device)
        schedule = Schedule.cosine()
        a = schedule.alphas_cumprod
        self.T, self.signal, self.noise = schedule.T, a.sqrt().float().to(self.device), (1 - a).sqrt().float().to(self.device)
        self.tables = if_format.variance_tables(schedule, self.device)
        # oneDNN trains these shapes faster laid out plainly, a GPU's tensor cores channels last
        layout = torch.contiguous_format if self.device.type == "cpu" else torch.channels_last
        torch.backends.cudnn.benchmark = True  # shapes never change
        self.unet = settings.unet().to(self.device, memory_format=layout).train()
        self.averaged = copy.deepcopy(self.unet).eval().requires_grad_(False)
        self.modules = {"unet": self.unet, "averaged": self.averaged}
        self.unet.add_embedding.requires_grad_(False)
        matrices, others = split(self.unet, plain=if_format.OUTER)
        self.optimizer = Muon(matrices, others, lr=settings.lr, lr_others=settings.lr_others)
        self.seen = self.began = 0  # pictures; and the step with which this optimiser began
        self.total_steps = -(-settings.images // self.batch_size)
        self.error = torch.zeros((), device=self.device)
        self.watch, self.sets = watch, []
        if watch:
            alike = emoji.weights(trained, emoji.ALIKE, lead=None)
            self.sets = [("loss", FixedSet.of(trained, alike, 240 // self.settings.stage**2))]
            self.never = of[of.held_out]
            if len(self.never.style):
                of_never = FixedSet.of(self.never, torch.ones(len(self.never.style)), 96 // self.settings.stage)
                self.sets.append(("loss_held_out", of_never))

    # what the loop asks

    def restored(self, about: dict) -> None:
        before = Settings(**about["settings"])
        free = {k: getattr(self.settings, k) for k in FREE}
        if replace(before, **free) != self.settings:
            raise LessonsError(f"{self.folder} holds a run with {before}: use its settings, or another folder.")
        self.seen, self.began = about["images"], about["began"]
        self.total_steps = about["step"] + max(0, -(-(self.settings.images - self.seen) // self.batch_size))
        self._cut_log()

    def about(self) -> dict:
        return {"settings": asdict(self.settings), "images": self.seen, "began": self.began}

    def batch(self, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """x0 (B, 3, 64, 64), t (B,), eps, caption embeddings (B, 77, 128) and small(x0), all drawn on the device."""
        n, device = self.batch_size, self.device
        i = torch.searchsorted(self.drawn, torch.rand(n, generator=g, device=device)).clamp(max=len(self.images) - 1)
        side = self.images.shape[-1]
        shift = torch.randint(-2, 3, (2, n, 1), generator=g, device=device)  # a little, the edge drawn out
        y, x = (shift + torch.arange(side, device=device)).clamp(0, side - 1)
        rgb = torch.arange(3, device=device)
        x0 = self.images[i[:, None, None, None], rgb[None, :, None, None], y[:, None, :, None], x[:, None, None, :]]
        slot = torch.randint(self.slots.shape[1], (n,), generator=g, device=device)
        embeds = self.embeds[self.slots[i, slot]].float()
        # one timestep from each of n equal parts of the schedule: as uniform as independent ones, and less noise in the gradient
        t = (torch.arange(n, device=device) + torch.rand(n, generator=g, device=device)) * self.T / n
        t = ((t / self.T) ** self.settings.noise * self.T).long().clamp(max=self.T - 1)
        x0 = x0.float() / 127.5 - 1
        return x0, t, torch.randn(x0.shape, generator=g, device=device), embeds, self.small(x0)

    def loss(self, step: int) -> Tensor:
        scale_lr(self.optimizer, self.settings.lr_factor(step - self.began, self.seen))
        g = loop.generator(self.settings.seed, self.seen, device=self.device)
        x0, t, eps, embeds, small = self.batch(g)
        signal, noise = self.signal[t].view(-1, 1, 1, 1), self.noise[t].view(-1, 1, 1, 1)
        xt, target = signal * x0 + noise * eps, signal * eps - noise * x0
        seen, extra = self.shown(xt, small, g)
        with autocast(self.device):
            out = self.unet(seen, t, embeds, **extra).sample
        v, var = out.float().split(3, 1)
        error = mse_loss(v, target)
        self.error = error.detach()
        return error + self.settings.variance_weight * if_format.variance_loss(self.tables, xt, x0, t, v, var)

    def small(self, x0: Tensor) -> Tensor | None:
        """What else of the picture the network is shown; nothing in stage 1."""
        return None

    def shown(self, xt: Tensor, small: Tensor | None, g: torch.Generator) -> tuple[Tensor, dict]:
        """The network's input, and whatever else it takes besides t and the words."""
        return xt, {}

    def watched(self, loss: Tensor) -> Tensor:
        return self.error

    @torch.no_grad()
    def stepped(self, step: int) -> None:
        self.seen += self.batch_size
        forget = self.batch_size / self.settings.average
        keep = min(math.exp(-forget), (1 + self.seen) / (240 + self.seen))
        torch._foreach_lerp_(list(self.averaged.parameters()), list(self.unet.parameters()), 1 - keep)

    def rest(self, step: int, loss: float) -> None:
        if not self.watch:
            return
        before, last = self.seen - self.batch_size, step == self.total_steps
        if last or passed(before, self.seen, LOG_EVERY):
            self.log(step, loss)
        if last or passed(before, self.seen, SHEET_EVERY):
            self.sheet()

    # log and sheets

    def encode(self, texts: list[str]) -> Tensor:
        with torch.no_grad():
            return prompts.encode(self.tokenizer, self.encoder, texts)

    def log(self, step: int, loss: float) -> None:
        """A line of log.jsonl: losses of the averaged network on the fixed sets, in all and by quarters of the schedule."""
        line = {"images": self.seen, "step": step, "batch_loss": round(loss, 5), "when": time.strftime("%Y-%m-%d %H:%M:%S")}
        line["lr_factor"] = round(self.settings.lr_factor(step - self.began, self.seen), 4)
        for name, fixed in self.sets:
            errors = fixed.losses(self, self.encode(fixed.prompts))
            line[name] = round(errors.mean().item(), 5)
            line[f"{name}_quarters"] = [round(q.mean().item(), 4) for q in errors.chunk(4)]
        with open(self.folder / "log.jsonl", "a") as f:
            f.write(json.dumps(line) + "\n")

    def sheet(self) -> None:
        """emoji.SHEET_PROMPTS by the averaged network, always from the same noise."""
        x = draw(self.averaged, self.encode(list(emoji.SHEET_PROMPTS)), self.encode([""]), seed=self.settings.seed)
        write_sheet(self.folder / f"sheet-{self.seen:08d}.webp", x)

    def _cut_log(self) -> None:
        """Forget what was logged after the checkpoint: the run comes by there again."""
        path = self.folder / "log.jsonl"
        if path.exists():
            lines = [x for x in path.read_text().splitlines() if json.loads(x)["images"] <= self.seen]
            checkpoints.write_atomically(path, "".join(x + "\n" for x in lines).encode())


class Enlarger(SmallModel):
    """Stage 2 as the loop trains it: it sees the picture of half the size, enlarged and a little noised, beside xt, and is told how
    much it was noised, as the pipeline shows it."""

    side = 128

    def batch(self, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        x0, t, eps, embeds, small = super().batch(g)
        if (crop := self.settings.crop) is None:
            return x0, t, eps, embeds, small
        y, x = torch.randint(x0.shape[-1] - crop + 1, (2, len(x0), 1), generator=g, device=self.device)
        y, x = (corner + torch.arange(crop, device=self.device) for corner in (y, x))
        n, rgb = torch.arange(len(x0), device=self.device), torch.arange(3, device=self.device)
        square = (n[:, None, None, None], rgb[None, :, None, None], y[:, None, :, None], x[:, None, None, :])
        return x0[square], t, eps[square], embeds, small[square]

    def small(self, x0: Tensor) -> Tensor:
        """The picture made half as large and enlarged again: whole, since a square enlarged on its own would not lie on it."""
        return enlarged(halved(x0))

    def shown(self, xt: Tensor, small: Tensor, g: torch.Generator) -> tuple[Tensor, dict]:
        level = torch.randint(MOST_NOISE, (len(xt),), generator=g, device=xt.device)
        signal, noise = self.signal[level].view(-1, 1, 1, 1), self.noise[level].view(-1, 1, 1, 1)
        noised = signal * small + noise * torch.randn(xt.shape, generator=g, device=xt.device)
        return torch.cat([xt, noised], 1), {"class_labels": level}

    @torch.no_grad()
    def sheet(self) -> None:
        """Eight pictures never trained on: made half as large and enlarged, what stage 2 makes of that, and as they were."""
        x0 = self.never.images[:: max(1, len(self.never.style) // 8)][:8].float() / 127.5 - 1
        small = self.small(x0)
        schedule = Schedule.cosine()

        def network(xt: Tensor, t: Tensor, embeds: Tensor) -> Prediction:
            shown, level = torch.cat([xt, small], 1).to(self.device), torch.zeros_like(t).to(self.device)
            with autocast(self.device):
                out = self.averaged(shown, t.to(self.device), embeds.to(self.device), class_labels=level).sample
            v, variance = out.float().to(xt.device).split(3, 1)
            return Prediction(schedule.eps_from_velocity(xt, t, v), variance)

        nothing = self.encode([""]).expand(len(x0), -1, -1)
        g = torch.Generator().manual_seed(self.settings.seed)
        x = torch.randn(x0.shape, generator=g)
        for step in sample(Conditioned(network, nothing), schedule, x, [*schedule.timesteps(80), CLEAN], generator=g):
            x = step.x_prev
        write_sheet(self.folder / f"sheet-{self.seen:08d}.webp", torch.cat([small, x.clamp(-1, 1), x0]), columns=len(x0))


def halved(x: Tensor) -> Tensor:
    """(B, 3, 2h, 2w) -> (B, 3, h, w), smoothly, on any device: near to how the pictures were halved for stage 1."""
    return interpolate(x, scale_factor=0.5, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def enlarged(x: Tensor) -> Tensor:
    """(B, 3, h, w) -> (B, 3, 2h, 2w), as IFSuperResolutionPipeline enlarges stage 1's picture."""
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def passed(before: int, now: int, factor: float, first: int = FIRST_LOG) -> bool:
    """Whether between these two numbers of pictures lies one of first, first * factor, first * factor^2 ..."""
    if now < first:
        return False
    return before < first or math.floor(math.log(now / first, factor)) > math.floor(math.log(before / first, factor))


def train(
    settings: Settings, folder: Path, *, device: str = "cpu", time_budget: float | None = None, start: Path | None = None, **more
) -> Iterator[loop.Progress]:
    """Train a stage in `folder`, going on from its last checkpoint, or if it has none from `start`: see begin_from()."""
    if start is not None:
        begin_from(Path(start), Path(folder), settings)
    kind = SmallModel if settings.stage == 1 else Enlarger
    training = kind(settings, folder, device=device, **more)
    yield from loop.run(training, folder, time_budget=time_budget)


# ---------------------------------------------------------------- from one folder to another


def begin_from(start: Path, folder: Path, settings: Settings) -> None:
    """Lay a run's first checkpoint: another run's last one, optimiser and all, or what keep() left, whose optimiser begins anew.

    Words, log and sheets come along. A folder that has a checkpoint is left as it is. Raises: LessonsError if `start` is neither.
    """
    if checkpoints.checkpoint_files(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    if files := checkpoints.checkpoint_files(start):
        shutil.copy(files[0].with_suffix(".safetensors"), folder)
        shutil.copy(files[0], folder)
    elif (start / "averaged.safetensors").exists():
        training, unet, averaged = _kept(start, settings)
        as_made = settings.unet().add_embedding.state_dict()  # an earlier run let it learn
        for network in (unet, averaged):
            network.add_embedding.load_state_dict(as_made)
        matrices, others = split(unet, plain=if_format.OUTER)
        about = {"settings": training["settings"], "images": training["images"], "began": training["step"]}
        modules = {"unet": unet, "averaged": averaged}
        checkpoints.save_checkpoint(folder, training["step"], modules, Muon(matrices, others), about)
    else:
        raise LessonsError(f"{start} holds neither a run's checkpoint nor kept weights: there is nothing to go on from.")
    _bring_along(start, folder)


def _kept(folder: Path, settings: Settings) -> tuple[dict, nn.Module, nn.Module]:
    """training.json, the network and its average; the average twice, where it was kept alone."""
    try:
        training, networks = json.loads((folder / "training.json").read_text()), []
        for name in ("unet", "averaged"):
            path = folder / f"{name}.safetensors"
            weights = load_file(path if path.exists() else folder / "averaged.safetensors")
            networks.append(settings.unet())
            networks[-1].load_state_dict({k: v.float() for k, v in weights.items()})
    except (OSError, ValueError, RuntimeError, SafetensorError) as e:
        raise LessonsError(f"The weights in {folder} are broken, or of other settings than {settings}.") from e
    return training, *networks


def _bring_along(start: Path, folder: Path) -> None:
    if (start / "words").exists():
        shutil.copytree(start / "words", folder / "words", dirs_exist_ok=True)
    for path in [*start.glob("sheet-*.webp"), *start.glob("log.jsonl")]:
        shutil.copy(path, folder)


def _last(run: Path) -> tuple[dict, dict[str, Tensor]]:
    saved = checkpoints.load_checkpoint(run)
    if saved is None:
        raise LessonsError(f"{run} holds no whole checkpoint.")
    return saved


def keep(run: Path, to: Path, *, averaged_only: bool = False) -> None:
    """A run's last networks, the trained one and its average, in half precision, with words, log and sheets: what a repository can
    hold. With averaged_only half of that; a run that goes on from it has lost little.

    The optimiser's state does not come along: a run that goes on from it warms up anew.
    """
    about, tensors = _last(run)
    to.mkdir(parents=True, exist_ok=True)
    (to / "unet.safetensors").unlink(missing_ok=True)
    for name in ("averaged",) if averaged_only else ("averaged", "unet"):
        weights = {k.removeprefix(name + "."): v.half() for k, v in tensors.items() if k.startswith(name + ".")}
        checkpoints.save_tensors(to / f"{name}.safetensors", weights)
    (to / "training.json").write_text(json.dumps({k: about[k] for k in ("settings", "step", "images", "began")}, indent=1))
    _bring_along(run, to)
    print(f"{about['images']:,} pictures seen, into {to}: {sum(f.stat().st_size for f in to.rglob('*') if f.is_file()):,} bytes")


def ship(run: Path, to: Path) -> None:
    """The averaged network of a run's last checkpoint as the pipeline folder that the lessons open."""
    about, tensors = _last(run)
    settings = Settings(**about["settings"])
    unet = settings.unet()
    unet.load_state_dict({k.removeprefix("averaged."): v for k, v in tensors.items() if k.startswith("averaged.")})
    tokenizer, encoder = words_in(run / "words", emoji.pictures(64), settings.seed)
    if_format.save_pipeline(to, tokenizer, encoder, unet, stage=settings.stage)
    training = {"settings": asdict(settings), "step": about["step"], "images_seen": about["images"]}
    (to / "training.json").write_text(json.dumps(training, indent=1))
    for path in [*run.glob("sheet-*.webp"), *run.glob("log.jsonl")]:
        shutil.copy(path, to)
    print(f"{about['images']:,} pictures seen, into {to}")


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.training.small_model", description=__doc__, formatter_class=raw)
    parser.add_argument("what", nargs="?", default="train", choices=("train", "keep", "ship", "words"))
    parser.add_argument("--out", type=Path, default=RUNS / "small_model", help="the run's folder (default %(default)s)")
    parser.add_argument("--to", type=Path, help="keep, ship: into which folder")
    parser.add_argument("--averaged-only", action="store_true", help="keep: the average alone")
    parser.add_argument("--start", type=Path, help="a run that has no checkpoint goes on from this run, or from what `keep` left")
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1)
    parser.add_argument("--crop", type=int, help="stage 2: learn from squares of so many pixels; without it from whole pictures")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, help="time budget; run the same command again to go on")
    parser.add_argument("--threads", type=int, help="processor threads")
    for name in ("images", "decay", "batch_size", "warmup", "average", "groups", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, dest=name, help=f"default {getattr(Settings, name):,}")
    for name in ("noise", "lr", "lr_others"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, dest=name, help=f"default {getattr(Settings, name)}")
    parser.add_argument("--channels", type=int, nargs="+", help="of the levels, from the outermost; default 16 48 96 192")
    args = parser.parse_args()
    loop.hear_endings()
    if args.threads:
        torch.set_num_threads(args.threads)
    chosen = {k: v for k in Settings.__dataclass_fields__ if (v := getattr(args, k, None)) is not None}
    try:
        if args.what == "words":
            shutil.rmtree(WORDS, ignore_errors=True)
            words_in(WORDS, emoji.pictures(64), Settings.seed)
            return None
        if args.what != "train":
            if args.to is None:
                parser.error(f"{args.what} needs --to FOLDER")
            return ship(args.out, args.to) if args.what == "ship" else keep(args.out, args.to, averaged_only=args.averaged_only)
        budget = args.minutes * 60 if args.minutes else None
        run = train(Settings(**STAGES[args.stage] | chosen), args.out, device=args.device, time_budget=budget, start=args.start)
        loop.show(run)
    except (LessonsError, ValueError) as e:
        raise SystemExit(str(e)) from None


if __name__ == "__main__":
    main()
