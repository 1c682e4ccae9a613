"""What each place of the picture looks at in a prompt: the cross-attention of a text-to-image UNet in IF's format, by word."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lessons_lib.maths.denoisers import Network, Prediction
from lessons_lib.models.batching import Batched


@dataclass(frozen=True, eq=False)
class Attention:
    """Where the network looks for its answer at one xt and t, the mean over its attention layers and their heads.

    words: of the prompt, in order. maps: (len(words), h, w), the share of its attention that each place of the picture gives to a
    word. end, padding, picture: shares that the mark after the last word, the padding behind it, and the picture itself get. All
    shares of one place sum to 1; end, padding and picture are means over the places.
    """

    words: tuple[str, ...]
    maps: Tensor
    end: float
    padding: float
    picture: float

    @property
    def shares(self) -> list[float]:
        """The mean share of each word."""
        return self.maps.mean((1, 2)).tolist()


@dataclass(eq=False)
class _Watched:
    """An attention processor that answers as the one it stands for, and notes what was looked at."""

    answers: Callable
    found: list[Tensor] = field(default_factory=list)

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *args, **kwargs) -> Tensor:
        if encoder_hidden_states is not None:
            self.found.append(_looked_at(attn, hidden_states, encoder_hidden_states))
        return self.answers(attn, hidden_states, encoder_hidden_states, *args, **kwargs)


def _looked_at(attn, hidden_states: Tensor, text: Tensor) -> Tensor:
    """(tokens, h, w): of the first picture, the share of attention that each place gives each token of the text, mean over heads.

    In IF's blocks (diffusers' AttnAddedKVProcessor) text and picture share one softmax: keys of the text stand before those of the
    picture, so that a token's share can be read off. A layer that sees the text alone shares everything among its tokens.
    """
    h, w = hidden_states.shape[-2:]
    x = hidden_states.flatten(2).transpose(1, 2)
    if attn.norm_cross:
        text = attn.norm_encoder_hidden_states(text)
    x = attn.group_norm(x.transpose(1, 2)).transpose(1, 2)
    key = attn.head_to_batch_dim(attn.add_k_proj(text), out_dim=4)
    if not attn.only_cross_attention:
        key = torch.cat([key, attn.head_to_batch_dim(attn.to_k(x), out_dim=4)], 2)
    query = attn.head_to_batch_dim(attn.to_q(x), out_dim=4)
    with torch.autocast(query.device.type, enabled=False):
        scores = query[:1].float() @ key[:1].float().transpose(-1, -2) * attn.scale
    return scores.softmax(-1)[0].mean(0)[:, : text.shape[1]].T.reshape(-1, h, w)


@contextmanager
def watched(unet):
    """While it is open, what the UNet's attention to its text looks at is noted; yields the list of maps, one a layer.

    For one thread alone: the worker's. A UNet whose attention is of another kind raises TypeError.
    """
    before = unet.attn_processors
    kinds = {name: type(p).__name__ for name, p in before.items()}
    mine = {name: _Watched(p) for name, p in before.items() if kinds[name].startswith("AttnAddedKV")}
    if not mine:
        raise TypeError(f"this network's attention is of another kind than IF's: {', '.join(sorted(set(kinds.values())))}")
    found: list[Tensor] = []
    for processor in mine.values():
        processor.found = found
    unet.set_attn_processor({**before, **mine})
    try:
        yield found
    finally:
        unet.set_attn_processor(before)


def words_of(pieces: list[str]) -> list[tuple[str, list[int]]]:
    """(word, its places) for a prompt's token pieces as a T5 tokenizer has them: a piece that begins with a "▁" begins a word."""
    words: list[tuple[str, list[int]]] = []
    for i, piece in enumerate(pieces):
        if piece.startswith("▁") or not words:
            words.append((piece.removeprefix("▁"), [i]))
        else:
            words[-1] = words[-1][0] + piece, [*words[-1][1], i]
    return [(word, places) for word, places in words if word]


def attention(unet, network: Network, pieces: list[str], condition: Tensor, xt: Tensor, t: int, weights=()) -> Attention:
    """Ask the network once, by the worker all sessions share, and see where it looks.

    Args: network: of this very unet. pieces: the prompt's token pieces, without the end mark. condition (1, tokens, width) its
    embedding. xt (1, C, H, W); t in [0, T). weights: see Batched.
    """
    found: list[Tensor] = []

    def seen(x: Tensor, ts: Tensor, embeds: Tensor) -> Prediction:
        with watched(unet) as layers:
            answer = network(x, ts, embeds)
        found.extend(layers)
        return answer

    Batched(seen, weights=weights)(xt, torch.full((1,), t), condition)
    size = max((tuple(layer.shape[-2:]) for layer in found), key=lambda s: s[0] * s[1])
    every = torch.stack([interpolate(layer[None], size, mode="bilinear")[0] for layer in found]).mean(0).cpu()
    words, n = words_of(pieces), len(pieces)
    maps = torch.stack([every[places].sum(0) for _, places in words]) if words else every[:0]
    mean = every.mean((1, 2))
    end, padding = mean[n].item() if n < len(mean) else 0.0, mean[n + 1 :].sum().item()
    return Attention(tuple(w for w, _ in words), maps, end, padding, 1 - mean.sum().item())
