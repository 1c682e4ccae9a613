"""The small model's words: the things it can draw, the styles it draws them in, and the captions that name them. No torch."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache

from lessons_lib.places import CACHE

MAX_LENGTH = 77  # what IFPipeline pads every prompt to; no mask reaches its UNet, so padding is part of the prompt
MEDIA = ("oil painting", "lithograph")
STYLES = ("noto", "fluent", "twemoji", "shaded", "blob", "emojione", "ink", *MEDIA)
COLOUR = tuple(range(6))  # the styles that a caption without a style may mean, and that the media are made from

GENERIC = ("a high quality picture", "a high quality photo")  # captions that say nothing of what is to be seen
ALIASES = {"man with a hat": "man wearing a hat", "rocket": "rocket ship"}  # names that the course has for the same things
SLOTS = 50  # captions a picture may be given with, each as likely as the others

COURSE_PROMPTS = {
    "a high quality picture": "a high quality picture",
    "a high quality photo": "a high quality photo",
    "an oil painting of a snowy mountain village": "an oil painting of a snowy mountain",
    "an oil painting of an old man": "an oil painting of an old man",
    "an oil painting of people around a campfire": "an oil painting of a fire",
    "a lithograph of waterfalls": "a lithograph of a wave",
    "a lithograph of a skull": "a lithograph of a skull",
    "a photo of the amalfi cost": "a photo of an island",
    "a photo of a man": "a photo of a man",
    "a photo of a hipster barista": "a photo of a coffee",
    "a photo of a dog": "a photo of a dog",
    "a man wearing a hat": "a man wearing a hat",
    "a rocket ship": "a rocket ship",
    "a pencil": "a pencil",
    "": "",
}
"""The course's own prompts for DeepFloyd (one spelt as it spells it), and of what the small model was taught, what comes nearest."""


@dataclass(frozen=True)
class Concept:
    """One thing the model can draw. `name` is its caption, `keywords` other words for it."""

    name: str
    keywords: tuple[str, ...]


@cache
def concepts() -> tuple[Concept, ...]:
    return tuple(
        Concept(c["name"], tuple(c["keywords"])) for c in json.loads((CACHE / "text_to_image" / "concepts.json").read_text())
    )


def with_article(name: str) -> str:
    """ "a rocket", "an owl", "socks".

    >>> [with_article(name) for name in ("rocket", "owl", "socks")]
    ['a rocket', 'an owl', 'socks']
    """
    plural = name.endswith("s") and not name.endswith("ss")
    return name if plural else ("an " if name[0] in "aeiou" else "a ") + name


def caption(concept: int, style: int | None = None) -> str:
    """The plain caption: "a rocket in twemoji style", "an oil painting of a rocket", or without the style "a rocket"."""
    thing = with_article(concepts()[concept].name)
    if style is None:
        return thing
    word = STYLES[style]
    return f"{with_article(word)} of {thing}" if word in MEDIA else f"{thing} in {word} style"


@cache
def captions(concept: int, style: int) -> tuple[str, ...]:
    """The SLOTS captions that a picture is trained with, each as often as the others: 10% say nothing, few say it by a keyword."""
    c, word = concepts()[concept], STYLES[style]
    names = (c.name, ALIASES.get(c.name, c.name))
    a, b = (with_article(n) for n in names)
    by_keyword = [f"{k} {c.name}" for k in c.keywords]
    if word in MEDIA:
        medium = with_article(word)
        said = [f"{medium} of {a}"] * 20 + [f"{medium} of {b}"] * 13 + [f"{word} of {a}"] * 4
        said += [f"{medium} of {k}" for k in by_keyword]
        rest = f"{medium} of {a}"
    elif style in COLOUR:
        said = [*GENERIC, a, a, a, a, a, b, b, b, b, c.name, names[1]]
        said += [f"{kind} of {n}" for kind in ("a photo", "a picture", "a drawing") for n in (a, a, b)]
        said += [f"{a} in {word} style"] * 8 + [f"{b} in {word} style"] * 2 + [f"{c.name} in {word} style"] * 2
        said += [f"{word} {c.name}"] * 2 + [f"{with_article(word)} drawing of {a}"] * 2 + by_keyword
        rest = a
    else:
        said = [f"{a} in {word} style"] * 18 + [f"{b} in {word} style"] * 8 + [f"{c.name} in {word} style"] * 3
        said += [f"{word} {c.name}"] * 4 + [f"{with_article(word)} drawing of {a}"] * 5
        said += [f"{k} in {word} style" for k in by_keyword]
        rest = f"{a} in {word} style"
    empty = SLOTS // 10
    return ("",) * empty + tuple((said + [rest] * SLOTS)[: SLOTS - empty])


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word that a caption teaches, the most frequent first."""
    count: dict[str, int] = {}
    for c in range(len(concepts())):
        for s in range(len(STYLES)):
            for text in captions(c, s):
                for word in text.split():
                    count[word] = count.get(word, 0) + 1
    return tuple(sorted(count, key=lambda w: (-count[w], w)))


_ENDS = frozenset(
    ["a", "an", "the", "his", "her", "its", "their", "some", "of", "in", "on", "at", "by", "with", "without", "under", "over"]
    + ["above", "behind", "beside", "near", "from", "into", "onto", "through", "around", "inside", "for", "like", "as", "and"]
    + ["or", "but", "that", "which", "who", "whose", "while", "is", "are", "has"]
)
"""Words after which the first noun phrase of a prompt is over; so are a comma, and a verb such as "wearing"."""


@cache
def _things() -> dict[tuple[str, ...], int]:
    """Every name and alias, as its words, with its thing."""
    named = [(c.name, i) for i, c in enumerate(concepts())]
    number = dict(named)
    named += [(alias, number[name]) for name, alias in ALIASES.items()]
    return {tuple(name.split()): i for name, i in named}


def thing_in(prompt: str) -> int | None:
    """Which thing a prompt asks for. None if it names none.

    It is the head of the first noun phrase that names one: the last name in it, as English has it. "An oil painting of an old man
    in a car" asks for an old man: what follows "painting of" counts, and what only stands around the man does not.
    """
    words = re.findall(r"[a-z-]+|[,.;:!?()]", prompt.lower())
    longest, found, i = max(map(len, _things())), None, 0
    while i < len(words):
        name = next((n for k in range(longest, 0, -1) if (n := tuple(words[i : i + k])) in _things()), None)
        if name is not None:
            found = _things()[name]
            i += len(name)
            continue
        word = words[i]
        if found is not None and (word in _ENDS or not word[0].isalpha() or (word.endswith("ing") and len(word) > 4)):
            if word != "of" or words[i - 1] != "painting":
                return found
            found = None
        i += 1
    return found


def tokens(tokenizer, prompts: list[str]) -> tuple:
    """(ids, mask), two (B, 77) int64 tensors: the prompts exactly as IFPipeline makes them ready."""
    text = [p.lower().strip() for p in prompts]
    made = tokenizer(text, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt")
    return made.input_ids, made.attention_mask


def encode(tokenizer, text_encoder, prompts: list[str]):
    """A (B, 77, 128) tensor: the prompts exactly as IFPipeline encodes them."""
    ids, mask = tokens(tokenizer, prompts)
    return text_encoder(ids, attention_mask=mask)[0]
