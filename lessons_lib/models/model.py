"""Model: what a lesson may ask of a network. Which network answers, a lesson never asks; what differs, the model says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from lessons_lib.maths.denoisers import Denoiser
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models.attention import Attention
from lessons_lib.models.judge import Judge, open_judge
from lessons_lib.sources import FIRST

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Model:
    """An opened model.

    name: as in links. title: for people. about: what stands beside a picture it made. shape: (C, H, W) of its pictures.
    prompts: what it is asked for in the lessons, the first is the default.
    denoiser: a prompt ("" for none), or one per picture, -> Denoiser. Raises LessonsError for a prompt it cannot take.
    class_of: the judge's class of a prompt, None if it has none. judge_name: of judge.FOLDERS, None without a judge.
    stride, guidance_scale: what suits it.
    prompt_kind: "digit" where a prompt is one of `prompts`, "words" where it is free text.
    vocabulary: the words it was taught; None where any word may be used, or none.
    picture_kinds: the kinds of clean pictures (sources.py) that suit it, the one it learned from first.
    prompt_of: (kind, name) -> the prompt that asks for what such a picture shows, "" if it has no word for it.
    pairs: by lesson, "anagrams" and "hybrids", pairs of prompts that go together in one picture, the page's choice first.
    embedding_width: of its prompts' embeddings (1, 77, width), None if it has none.
    attention: (prompt, xt (1, C, H, W), t) -> Attention, where the network looks at that moment, by word; None if it cannot tell.
    upscaler: () -> the second stage (upscaler.py), opened when first asked for, or None. no_upscaler: why there is none.
    warm: () -> opens what is not open yet; asking the denoiser does so too.
    """

    name: str
    title: str
    about: str
    schedule: Schedule
    shape: tuple[int, int, int]
    prompts: tuple[str, ...]
    denoiser: Callable[[str | list[str]], Denoiser]
    class_of: Callable[[str], int | None]
    judge_name: str | None
    stride: int
    guidance_scale: float
    prompt_kind: Literal["digit", "words"] = "words"
    vocabulary: tuple[str, ...] | None = None
    picture_kinds: tuple[str, ...] = ("emoji", "photo")
    prompt_of: Callable[[str, str], str] = lambda kind, name: ""
    pairs: Mapping[str, tuple[Pair, ...]] = field(default_factory=dict)
    embedding_width: int | None = None
    attention: Callable[[str, Tensor, int], Attention] | None = None
    upscaler: Callable = lambda: None
    no_upscaler: str = "No second stage ships for this model: its pictures stay as large as they are."
    warm: Callable = lambda: None

    @property
    def judge(self) -> Judge | None:
        """The classifier that reads its pictures."""
        return open_judge(self.judge_name) if self.judge_name else None

    @property
    def first_picture(self) -> tuple[str, str]:
        """(kind, name) of the clean picture that a lesson begins with."""
        return self.picture_kinds[0], FIRST[self.picture_kinds[0]]

    def pairs_for(self, lesson: str) -> tuple[Pair, ...]:
        """The pairs of prompts for "anagrams" or "hybrids"; its first two prompts where it has none of its own."""
        return self.pairs.get(lesson) or (tuple(self.prompts[:2]),)

    def unknown_words(self, prompt: str) -> list[tuple[str, list[str]]]:
        """The words of a prompt that it was never taught, each with up to three near ones that it knows."""
        if self.vocabulary is None:
            return []
        found = dict.fromkeys(re.findall(r"[^\s,.;:!?\"()]+", prompt.lower()))
        known = set(self.vocabulary)
        return [(w, difflib.get_close_matches(w, self.vocabulary, 3, 0.5)) for w in found if w not in known]
