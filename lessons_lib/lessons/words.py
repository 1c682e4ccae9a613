"""What each word does: where the network looks, by word and step; a word left out, doubled or moved; pairs it was never taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, drawn, from_noise, settings
from lessons_lib.maths import metrics
from lessons_lib.maths.images import from_uint8, to_uint8
from lessons_lib.maths.samplers import Step
from lessons_lib.models.attention import Attention
from lessons_lib.models.model import Model
from lessons_lib.models.prompts import STYLES, caption, concepts, with_article
from lessons_lib.training import emoji

MODELS = ("emoji",)
PROMPT = "a red car in twemoji style"
MOST = 8
"""Words of a prompt that are looked at, the first ones."""
KNOWN_STYLES = STYLES[:3]
"""Those that every generation of the small model was taught, with the same pairs held out."""
CHANGES = {
    "left out": lambda words, i: words[:i] + words[i + 1 :],
    "doubled": lambda words, i: [*words[: i + 1], *words[i:]],
    "moved to the front": lambda words, i: [words[i], *words[:i], *words[i + 1 :]],
}
"""What can be done to word i of a prompt: (words, i) -> words."""


def about(model: Model, **chosen) -> dict:
    """The settings of the page's walk: prompt, change (of CHANGES), seed, guidance_scale."""
    same = {"seed": SEED, "guidance_scale": model.guidance_scale}
    return settings({"model": model.title, "prompt": PROMPT, "change": "left out", **same}, chosen)


def variants(prompt: str, change: str) -> dict[str, str]:
    """{what was done: prompt}, the prompt as it is first, then one a word. Raises ValueError for another change."""
    if change not in CHANGES:
        raise ValueError(f"change must be one of {', '.join(CHANGES)}; got {change!r}")
    words = prompt.split()
    made = {"as it is": prompt}
    for i, word in enumerate(words[:MOST]):
        made[f"{word!r} {change}" if words.count(word) == 1 else f"{word!r} ({i + 1}) {change}"] = " ".join(
            CHANGES[change](words, i)
        )
    return made


def walk(model: Model, about: dict) -> Iterator[Step]:
    """The prompt as it is and with each word changed, all from the same noise with the same noise on the way."""
    prompts = list(variants(about["prompt"], about["change"]).values())
    yield from from_noise(model, prompts, [about["seed"]] * len(prompts), guidance_scale=about["guidance_scale"])


def about_held_out(model: Model, **chosen) -> dict:
    """The settings of the walk over pairs of thing and style that the model was never taught: pairs, seed, guidance_scale."""
    same = {"seed": SEED, "guidance_scale": model.guidance_scale}
    return settings({"model": model.title, "pairs": "never taught", **same}, chosen)


def walk_held_out(model: Model, about: dict, n: int = 6) -> Iterator[Step]:
    """One picture a pair, of seed, seed + 1, ..."""
    prompts = [caption(c, s) for c, s in pairs(n)]
    yield from from_noise(model, prompts, [about["seed"] + i for i in range(n)], guidance_scale=about["guidance_scale"])


@cache
def pairs(n: int, held_out: bool = True) -> tuple[tuple[int, int], ...]:
    """n pairs (thing, style) that the small model was never taught, or n that it was, spread over things and KNOWN_STYLES."""
    things = torch.arange(len(concepts()))
    found = []
    for style in range(len(KNOWN_STYLES)):
        held = emoji.held_out(things, torch.full_like(things, style))
        found += [(thing, style) for thing in things[held if held_out else ~held].tolist()]
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(SEED)).tolist()
    return tuple(found[i] for i in order[:n])


def true_pictures(of: Sequence[tuple[int, int]], size: int) -> Tensor:
    """What the artists drew of these pairs: (B, 3, size, size) in [-1, 1]."""
    made = []
    for thing, style in of:
        images, concept = _sheet(KNOWN_STYLES[style])
        made.append(images[(concept == thing).nonzero()[0, 0]])
    x = from_uint8(torch.stack(made))
    return interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False).clamp(-1, 1)


_sheet = cache(emoji.sheet)


def laid_over(picture: Tensor, share: Tensor, most: float) -> np.ndarray:
    """A picture in grey, and over it in orange where a word is looked at. (C, H, W) uint8 to show.

    Args: picture (C, H, W) in [-1, 1]; share (h, w), of the attention; most: the share that is full orange, the same for all words.
    """
    heat = (
        interpolate(share[None, None].float(), picture.shape[-2:], mode="bilinear", align_corners=False)[0].clamp(0, most) / most
    )
    grey = picture.mean(0, keepdim=True).expand(3, -1, -1) * 0.5 - 0.3
    orange = torch.tensor([1.0, 0.35, -0.8]).view(3, 1, 1)
    return to_uint8((grey * (1 - heat) + orange * heat)[None])[0].numpy()


def shares_over_time(model: Model, prompt: str, xts: Sequence[Tensor], ts: Sequence[int]) -> dict[str, list[float]]:
    """{word: its mean share of the attention at each t}, and "padding" and "the picture itself"; xts (1, C, H, W) each."""
    seen = [model.attention(prompt, xt, t) for xt, t in zip(xts, ts, strict=True)]
    lines = {f"{i + 1}. {word}": [a.shares[i] for a in seen] for i, word in enumerate(seen[0].words)}
    return {**lines, "padding": [a.padding for a in seen], "the picture itself": [a.picture for a in seen]}


def openings(model: Model) -> Iterator[Opening]:
    """The page's two walks."""
    first, never = about(model), about_held_out(model)
    yield Opening("words", first, lambda: walk(model, first), frames=8)
    yield Opening("words_held_out", never, lambda: walk_held_out(model, never), frames=2)


def _classes(thing: int, style: int) -> dict[str, str]:
    """{word: what kind it is} of "a THING in STYLE style"."""
    article, *name = with_article(concepts()[thing].name).split()
    kinds = {"in": "in", "style": "style", STYLES[style]: "the style's name"}
    return {**dict.fromkeys(name or [article], "the thing"), **({article: "a, an"} if name else {}), **kinds}


def attention_by_kind(model: Model, num_images: int = 24, ts: Sequence[int] = (990, 800, 600, 400, 200, 30)) -> Iterator[dict]:
    """What share of the attention each kind of word gets, on real pictures noised to t and told what they are.

    Rows: t; mean share of "the thing" (all its words together), "the style's name", "a, an", "in", "style"; "padding", "end", and
    "the picture itself".
    """
    of = pairs(num_images, held_out=False)
    x0 = true_pictures(of, model.shape[1])
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(SEED))
    for t in ts:
        sums: dict[str, float] = dict.fromkeys(("the thing", "the style's name", "a, an", "in", "style", "padding", "end"), 0.0)
        sums["the picture itself"] = 0.0
        for i, (thing, style) in enumerate(of):
            kinds = _classes(thing, style)
            a: Attention = model.attention(caption(thing, style), model.schedule.add_noise(x0[i : i + 1], t, eps[i : i + 1]), t)
            for word, share in zip(a.words, a.shares, strict=True):
                sums[kinds[word]] += share
            for name, share in (("padding", a.padding), ("end", a.end), ("the picture itself", a.picture)):
                sums[name] += share
        yield {"t": t, **{k: v / len(of) for k, v in sums.items()}}


def effect_of_words(model: Model, num_images: int = 8) -> Iterator[dict]:
    """How much the picture changes when one word is left out, from the same noise; and whether the judge still reads the thing.

    Rows: change; "distance", RMS of pixels in [-1, 1] to the picture of the prompt as it is; "read right", the share that the judge
    reads as the thing. "another seed" is the yardstick. Things of one word only.
    """
    every = [
        p
        for p in pairs(10**6, held_out=False)
        if " " not in concepts()[p[0]].name and with_article(concepts()[p[0]].name).count(" ")
    ]
    of = every[:num_images]
    prompts = [caption(*p) for p in of]
    things = torch.tensor([thing for thing, _ in of])
    made = drawn(model, prompts)

    def row(change: str, x: Tensor) -> dict:
        right = (model.judge.rank(x, things) == 0).float().mean().item()
        return {"change": change, "distance": metrics.mse(x, made).sqrt().mean().item(), "read right": right}

    yield row("as it is", made)
    yield row("another seed", drawn(model, prompts, seed=SEED + 1000))
    for i, name in enumerate(("a, an", "the thing", "in", "the style's name", "style")):
        yield row(f"{name}: left out", drawn(model, [" ".join(CHANGES["left out"](p.split(), i)) for p in prompts]))


def held_out_against_taught(model: Model, num_images: int = 32) -> Iterator[dict]:
    """Whether the judge reads the thing in pictures of pairs that were never taught, and of as many that were.

    Rows: pairs; n; "read right"; "real", the same of the artists' own pictures.
    """
    for name, held in (("never taught", True), ("taught", False)):
        of = pairs(num_images, held_out=held)
        things = torch.tensor([thing for thing, _ in of])
        right = [
            (model.judge.rank(x, things) == 0).float().mean().item()
            for x in (drawn(model, [caption(*p) for p in of]), true_pictures(of, model.shape[1]))
        ]
        yield {"pairs": name, "n": len(of), "read right": right[0], "real": right[1]}


MEASURES = {"words": effect_of_words, "words_attention": attention_by_kind, "words_held_out": held_out_against_taught}


def card() -> kept.Card:
    """The prompt as it is, and without two of its words."""
    film = kept.film("words", "emoji")
    return kept.Card("a red car, and from the same noise without 'red' and without 'car'", [film.final[i] for i in (0, 2, 3)])
