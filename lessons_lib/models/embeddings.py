"""A prompt becomes an embedding (1, 77, width): by a text encoder, or from a file of embeddings made elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from lessons_lib.errors import LessonsError
from lessons_lib.files.decoders import is_whole, torch_file
from lessons_lib.models.prompts import encode

MAX_PROMPT = 300  # characters; longer ones are cut off by the 77 tokens anyway


@dataclass(frozen=True, eq=False)
class Words:
    """Turns prompts into embeddings.

    embed: a prompt, trimmed and checked -> (1, 77, width). known: a file's prompts; None if any may be asked for.
    """

    embed: Callable[[str], Tensor]
    known: tuple[str, ...] | None = None

    def encode(self, prompts: str | Sequence[str]) -> Tensor:
        """(B, 77, width) float32: one prompt, or one a picture. Here prompts are checked, and nowhere else.

        Raises: LessonsError for a prompt that is far too long, or that a file of embeddings does not hold.
        """
        each = [prompts] if isinstance(prompts, str) else prompts
        return torch.cat([self.embed(self._checked(p)) for p in each])

    def _checked(self, prompt: str) -> str:
        prompt = prompt.strip()
        if len(prompt) > MAX_PROMPT:
            raise LessonsError(
                f"This prompt has {len(prompt)} characters; the model reads at most {MAX_PROMPT}: make it shorter."
            )
        return prompt


def words_of_encoder(tokenizer, text_encoder) -> Words:
    """Words by a T5 text encoder, exactly as IFPipeline encodes them, in lower case; the last 512 prompts are remembered."""

    @lru_cache(maxsize=512)
    @torch.inference_mode()
    def embed(prompt: str) -> Tensor:
        return encode(tokenizer, text_encoder, [prompt]).float().clone()

    return Words(embed)


def words_of(embeddings: dict[str, Tensor]) -> Words:
    """Words from {prompt: (1, 77, width)}; only these prompts can be used."""

    def embed(prompt: str) -> Tensor:
        if prompt not in embeddings:
            near = difflib.get_close_matches(prompt, embeddings, 3) or list(embeddings)[:3]
            raise LessonsError(f"The embeddings file has no {prompt[:60]!r}; it has {', '.join(map(repr, near))}.")
        return embeddings[prompt].float()

    return Words(embed, tuple(embeddings))


def words_from_file(path: str | Path, width: int = 4096) -> Words:
    """Words from a file of precomputed embeddings; only its prompts can be used."""
    return words_of(embeddings_from_file(path, width))


def embeddings_from_file(
    source: bytes | str | Path, width: int | tuple[int, ...] = 4096, *, name: str = "", most: int = 2_000_000_000
) -> dict[str, Tensor]:
    """Precomputed prompt embeddings, `{prompt: (1, 77, width) tensor}`, opened without running any code in the file.

    Args: source: the file, or its bytes. width: the one that is needed, or several of which each is good. name: what messages
    call it, by default the file's own name. most: bytes.
    Raises: LessonsError if it is missing, too large, no such file, or holds another shape.
    """
    name = name or (Path(source).name if isinstance(source, str | Path) else "This file")
    widths = (width,) if isinstance(width, int) else width
    said = f"{name} cannot be opened as prompt embeddings: save a {{prompt: tensor}} dict with torch.save."
    found = torch_file(source, said=said, most=most)
    if not isinstance(found, dict) or not found:
        raise LessonsError(f"{name} must hold a dict of prompts and tensors, but holds {type(found).__name__}.")
    for prompt, tensor in found.items():
        if not isinstance(prompt, str) or not isinstance(tensor, Tensor) or tensor.shape not in [(1, 77, w) for w in widths]:
            shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
            raise LessonsError(f"In {name}, {str(prompt)[:60]!r} holds {shape}; each prompt needs a (1, 77, {widths[0]}) tensor.")
        if not is_whole(tensor):
            raise LessonsError(
                f"In {name}, the embedding of {prompt[:60]!r} holds NaN, infinite or whole numbers: make it again."
            )
        if prompt != prompt.encode("utf-8", "replace").decode():
            raise LessonsError(f"In {name}, the prompt {prompt[:60]!r} is not text: make the file again.")
    if len({tensor.shape for tensor in found.values()}) > 1:
        raise LessonsError(f"{name} mixes embeddings of several widths: keep those of one text encoder.")
    if "" not in found:
        raise LessonsError(f"{name} has no embedding of the empty prompt '': guidance needs it, so add it.")
    return found
