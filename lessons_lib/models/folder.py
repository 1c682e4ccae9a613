"""A folder in IFPipeline's format, such as the small text-to-image model, as a Model for the lessons."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lessons_lib.errors import LessonsError
from lessons_lib.maths.denoisers import Conditioned, Denoiser, Network
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models import prompts, used
from lessons_lib.models.attention import Attention, attention
from lessons_lib.models.batching import Batched
from lessons_lib.models.embeddings import words_of, words_of_encoder
from lessons_lib.models.fast_unet import prepare
from lessons_lib.models.model import Model
from lessons_lib.models.names import TITLES
from lessons_lib.models.pipelines import open_pipeline
from lessons_lib.models.precision import autocast
from lessons_lib.models.text_to_image import network_of, schedule_of
from lessons_lib.models.upscaler import Upscaler, upscaler_of

PROMPTS = (
    "a strawberry",
    "a penguin",
    "a pizza",
    "a rocket",
    "a cat",
    "a snowy mountain",
    "an old man",
    "a skull",
    "a man with a hat",
    "a sunflower",
    "a fire",
    "a castle",
)
PAIRS = {  # `python -m lessons_lib.lessons.keep anagrams hybrids --only measures` says how well the judge reads each
    "anagrams": (  # shapes and colours that go together when one of them is turned by 180 degrees
        ("a pear", "a light bulb"),
        ("a candle", "an ice cream cone"),
        ("an ice cream cone", "a light bulb"),
        ("a strawberry", "a castle"),
        ("a penguin", "a skull"),
    ),
    "hybrids": (  # of one colour and outline, so that from afar the fine lines of the near one do no harm
        ("an egg", "an onion"),
        ("a strawberry", "a ladybug"),
        ("a banana", "a trumpet"),
        ("an old man", "a baby"),
        ("a pizza", "a cookie"),
    ),
}


def open_folder(folder: Path, *, name: str) -> Model:
    """A pipeline folder with its own text encoder, such as the small model's. Stage 2 is the folder beside it, if there.

    Only its configs are read at once; the networks, and diffusers with them, are opened when they are first asked, or by
    Model.warm. Raises: LessonsError if there is no such folder.
    """
    scheduler, unet = (_config(folder / part) for part in ("scheduler/scheduler_config.json", "unet/config.json"))
    training = _config(folder / "training.json", needed=False)
    about = "small IFPipeline" + (f", {training['images_seen']:,} images seen" if training else "")
    schedule, size = schedule_of(scheduler), unet["sample_size"]

    @once
    def opened():
        pipeline = open_pipeline(folder)
        network = network_of(prepare(pipeline.unet), schedule, scheduler["prediction_type"])
        words = words_of_encoder(pipeline.tokenizer, pipeline.text_encoder)
        nothing = words.encode("").expand(2, -1, -1)  # in float32, as every prompt: it is kept
        with torch.inference_mode(), autocast():  # asked once, so that the first Run does not wait
            network(torch.zeros(2, 3, size, size), torch.zeros(2, dtype=torch.long), nothing)
        return network, words, pipeline

    @once
    def upscaler() -> Upscaler | None:
        stage2 = folder.parent / "stage2"
        if not (stage2 / "model_index.json").exists():
            return None
        pipeline = open_pipeline(stage2)
        prepare(pipeline.unet)
        return upscaler_of(pipeline, opened()[1], weights=_weights(stage2 / "unet"), recipe=("upscaler", name))

    spoken = _weights(folder / "text_encoder")

    def encode(each: str | list[str]) -> Tensor:
        used.note(*spoken)
        return opened()[1].encode(each)

    def looked_at(prompt: str, xt: Tensor, t: int) -> Attention:
        network, _, pipeline = opened()
        ids, mask = prompts.tokens(pipeline.tokenizer, [prompt])
        pieces = pipeline.tokenizer.convert_ids_to_tokens(ids[0, : int(mask.sum()) - 1].tolist())  # all but the mark of the end
        return attention(pipeline.unet, network, pieces, encode(prompt), xt, t, _weights(folder / "unet"))

    return model_of(
        schedule,
        size,
        Batched(lambda *asked: opened()[0](*asked), weights=_weights(folder / "unet"), recipe=("model", name)),
        encode,
        name=name,
        about=about,
        prompts=PROMPTS,
        guidance_scale=3.0,
        judge_name="emoji",
        class_of=prompts.thing_in,
        prompt_of=_prompt_of,
        vocabulary=_vocabulary(folder),
        pairs=PAIRS,
        embedding_width=unet.get("encoder_hid_dim"),
        attention=looked_at,
        upscaler=upscaler,
        warm=opened,
    )


def model_of(
    schedule: Schedule,
    size: int,
    network: Network,
    encode: Callable[[str | list[str]], Tensor],
    *,
    name: str,
    **more,
) -> Model:
    """A text-to-image network and its words as a Model.

    network: which many sessions may ask at once: Batched, or one that computes elsewhere.
    encode: one prompt, or one a picture, -> (B, 77, width). more: Model's own fields.
    """

    def denoiser(prompt: str | list[str]) -> Denoiser:
        return Conditioned(network, encode(prompt))

    suits = {"stride": 30, "guidance_scale": 7.0, "judge_name": None, "class_of": lambda prompt: None}
    return Model(
        name=name,
        title=TITLES.get(name, name),
        schedule=schedule,
        shape=(3, size, size),
        denoiser=denoiser,
        **{**suits, **more},
    )


def with_embeddings(model: Model, embeddings: dict[str, Tensor]) -> Model:
    """The same model and network, its words taken from {prompt: (1, 77, width)} instead. The model itself is not changed.

    Its denoisers raise LessonsError for a prompt that the embeddings do not hold.
    """
    network, words = model.denoiser("").network, words_of(embeddings)

    def denoiser(prompt: str | list[str]) -> Denoiser:
        return Conditioned(network, words.encode(prompt))

    known = tuple(p for p in embeddings if p) or ("",)
    return replace(model, denoiser=denoiser, prompts=known if len(known) > 1 else known * 2, vocabulary=None, pairs={})


def once(make: Callable):
    """make(), at the first call and for all threads; if it fails, the next call tries again."""
    lock, made = threading.Lock(), []

    def get():
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get


def _prompt_of(kind: str, name: str) -> str:
    names = [c.name for c in prompts.concepts()]
    return prompts.caption(names.index(name)) if kind == "emoji" and name in names else ""


def _vocabulary(folder: Path) -> tuple[str, ...] | None:
    """The words that are a token of their own, which a small model was taught; None where the folder has no such tokenizer."""
    pieces = _config(folder / "tokenizer" / "tokenizer.json", needed=False).get("model", {}).get("vocab")
    if not isinstance(pieces, list):
        return None
    return tuple(piece[1:] for piece, _ in pieces if piece.startswith("▁") and len(piece) > 1)


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _config(path: Path, *, needed: bool = True) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        if not needed:
            return {}
        raise LessonsError(f"{path} is missing or broken: restore it with `git checkout cache/text_to_image`.") from e
