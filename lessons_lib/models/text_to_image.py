"""Open a text-to-image model, small or DeepFloyd, as a Model for the lessons: a folder or hub id in IFPipeline's format."""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from lessons_lib import memory
from lessons_lib import things as data
from lessons_lib.decoders import torch_file
from lessons_lib.denoisers import Conditioned, Denoiser, Network, Prediction
from lessons_lib.errors import LessonsError
from lessons_lib.models import used
from lessons_lib.models.batching import Batched
from lessons_lib.models.fast_unet import prepare
from lessons_lib.models.model import Model
from lessons_lib.models.names import TITLES
from lessons_lib.models.precision import autocast
from lessons_lib.models.prompts import encode, thing_in
from lessons_lib.samplers import standard_normal
from lessons_lib.schedule import Schedule

MAX_PROMPT = 300  # characters; longer ones are cut off by the 77 tokens anyway
PROMPTS = (
    "a strawberry", "a penguin", "a pizza", "a rocket", "a cat", "a snowy mountain", "an old man", "a skull", "a man with a hat",
    "a sunflower", "a fire", "a castle",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Words:
    """Turns prompts into embeddings (1, 77, width): by a text encoder, or from a file of precomputed ones."""

    encode: Callable[[str], Tensor]
    known: tuple[str, ...] | None  # a closed vocabulary, or a file's prompts; None if any word may be used


def schedule_of(config) -> Schedule:
    """The Schedule in a diffusers scheduler's config. Raises LessonsError for one that the lessons do not know."""
    T = config["num_train_timesteps"]
    if config["beta_schedule"] == "squaredcos_cap_v2":
        return Schedule.cosine(T)
    if config["beta_schedule"] == "linear":
        return Schedule.linear(T, config["beta_start"], config["beta_end"])
    raise LessonsError(f"This model's schedule, {config['beta_schedule']}, is not one the lessons know: cosine or linear.")


def network_of(unet, schedule: Schedule, prediction_type: str) -> Network:
    """A UNet2DConditionModel as a Network: v- or eps-prediction, with or without variance channels, any precision.

    Its condition is prompt_embeds (B, 77, width).
    """
    unet = unet.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    channels, dtype, device = unet.config.in_channels, unet.dtype, unet.device

    def network(xt: Tensor, t: Tensor, prompt_embeds: Tensor) -> Prediction:
        x = xt.to(device, dtype, memory_format=torch.channels_last)
        out = (
            unet(x, t.to(device), encoder_hidden_states=prompt_embeds.to(device, dtype), return_dict=False)[0]
            .float()
            .to(xt.device)
        )
        guess, variance = out.split(channels, 1) if out.shape[1] == 2 * channels else (out, None)
        eps = schedule.eps_from_velocity(xt, t, guess) if prediction_type == "v_prediction" else guess
        return Prediction(eps, variance)

    return network


def upscaling_network_of(unet, schedule: Schedule, prediction_type: str) -> Network:
    """Stage 2 as a Network: its condition carries the enlarged, noised picture, its noise level and the prompt, flattened.

    One flat row per picture keeps what Batched joins a single tensor: see upscaling_condition().
    """
    unet = unet.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    dtype, device = unet.dtype, unet.device

    def network(xt: Tensor, t: Tensor, condition: Tensor) -> Prediction:
        image = condition[:, : xt[0].numel()].view(xt.shape)
        level = condition[:, xt[0].numel()].round().long()
        prompt_embeds = condition[:, xt[0].numel() + 1 :].view(len(xt), 77, -1)
        x = torch.cat([xt, image], 1).to(device, dtype, memory_format=torch.channels_last)
        out = unet(
            x, t.to(device), encoder_hidden_states=prompt_embeds.to(device, dtype), class_labels=level.to(device), return_dict=False
        )[0].float().to(xt.device)  # fmt: skip
        guess, variance = out.split(xt.shape[1], 1)
        eps = schedule.eps_from_velocity(xt, t, guess) if prediction_type == "v_prediction" else guess
        return Prediction(eps, variance)

    return network


def upscaling_condition(image: Tensor, noise_level: int, prompt_embeds: Tensor) -> Tensor:
    """(B, C*H*W + 1 + 77*width): what upscaling_network_of() takes apart again."""
    level = torch.full((len(image), 1), float(noise_level))
    return torch.cat([image.flatten(1), level, prompt_embeds.expand(len(image), -1, -1).flatten(1)], 1)


@dataclass(frozen=True, eq=False)
class Upscaler:
    """Stage 2: a small picture made larger by its own walk.

    shape: (C, H, W) of what it makes. denoiser(image, prompt, noise_level, generator) -> Denoiser over that size, given
    (B, C, h, w) in [-1, 1] and one prompt or B; noise_level in timesteps says how much the enlarged picture is noised first, to hide its flaws.
    """

    schedule: Schedule
    shape: tuple[int, int, int]
    denoiser: Callable[..., Denoiser]


def upscaler_of(pipeline, words: Words, weights: Sequence[Path] = ()) -> Upscaler:
    """An IFSuperResolutionPipeline as an Upscaler. weights: the files of its UNet."""
    schedule = schedule_of(pipeline.scheduler.config)
    noising = schedule_of(pipeline.image_noising_scheduler.config)
    network = Batched(
        upscaling_network_of(pipeline.unet, schedule, pipeline.scheduler.config["prediction_type"]), weights=weights
    )
    size = pipeline.unet.config.sample_size

    def denoiser(image: Tensor, prompt: str | list[str], noise_level: int = 100, generator=None) -> Denoiser:
        each = [prompt] if isinstance(prompt, str) else prompt
        embeds = torch.cat([words.encode(check_prompt(p)) for p in each])
        large = torch.nn.functional.interpolate(image.float(), size=size, mode="bilinear", align_corners=True)
        noised = noising.add_noise(large, noise_level, standard_normal(large, generator))
        return Conditioned(network, upscaling_condition(noised, noise_level, embeds))

    return Upscaler(schedule, (3, size, size), denoiser)


def own_words(tokenizer, text_encoder) -> Words:
    """The small model's words: a closed vocabulary and its text encoder."""

    @lru_cache(maxsize=512)
    @torch.inference_mode()
    def embed(prompt: str) -> Tensor:
        return encode(tokenizer, text_encoder, [check_prompt(prompt)]).float().clone()

    return Words(embed, tuple(data.vocabulary()))


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
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
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


def words_from_file(path: str | Path, width: int = 4096) -> Words:
    """Words from a file of precomputed embeddings; only its prompts can be used."""
    return words_of(embeddings_from_file(path, width))


def words_of(embeddings: dict[str, Tensor]) -> Words:
    """Words from {prompt: (1, 77, width)}; only these prompts can be used."""

    def embed(prompt: str) -> Tensor:
        if prompt not in embeddings:
            near = difflib.get_close_matches(prompt, embeddings, 3) or list(embeddings)[:3]
            raise LessonsError(f"The embeddings file has no {prompt[:60]!r}; it has {', '.join(map(repr, near))}.")
        return embeddings[prompt].float()

    return Words(embed, tuple(embeddings))


def check_prompt(prompt: str) -> str:
    """The prompt, trimmed. Raises LessonsError if it is far too long."""
    prompt = prompt.strip()
    if len(prompt) > MAX_PROMPT:
        raise LessonsError(f"This prompt has {len(prompt)} characters; the model reads at most {MAX_PROMPT}: make it shorter.")
    return prompt


def unknown_words(prompt: str) -> list[tuple[str, list[str]]]:
    """The words of a prompt that the small model was never taught, each with the nearest it knows."""
    known = data.vocabulary()
    found = dict.fromkeys(re.findall(r"[^\s,.;:!?\"()]+", prompt.lower()))
    return [(w, difflib.get_close_matches(w, known, 3, 0.5)) for w in found if w not in set(known)]


@lru_cache(maxsize=1024)
def concept_of(prompt: str) -> int | None:
    """Which thing of the small model's a prompt names: the longest name in it, "oil painting of" left out. None if none."""
    return thing_in(prompt)


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
    def opened() -> tuple[Network, Words]:
        pipeline = open_pipeline(folder)
        network = network_of(prepare(pipeline.unet), schedule, scheduler["prediction_type"])
        words = own_words(pipeline.tokenizer, pipeline.text_encoder)
        nothing = words.encode("").expand(2, -1, -1)  # in float32, as every prompt: it is kept
        with torch.inference_mode(), autocast():  # asked once, so that the first Run does not wait
            network(torch.zeros(2, 3, size, size), torch.zeros(2, dtype=torch.long), nothing)
        return network, words

    @once
    def upscaler() -> Upscaler | None:
        stage2 = folder.parent / "stage2"
        if not (stage2 / "model_index.json").exists():
            return None
        pipeline = open_pipeline(stage2)
        prepare(pipeline.unet)
        return upscaler_of(pipeline, opened()[1], sorted((stage2 / "unet").glob("*.safetensors")))

    spoken = sorted((folder / "text_encoder").glob("*.safetensors"))

    def encode(prompt: str) -> Tensor:
        used.note(*spoken)
        return opened()[1].encode(prompt)

    return model_of(
        schedule, size, lambda *asked: opened()[0](*asked), encode, name=name, about=about, prompts=PROMPTS, judge_name="emoji",
        upscaler=upscaler, warm=opened, weights=sorted((folder / "unet").glob("*.safetensors")),
    )  # fmt: skip


def model_of(schedule: Schedule, size: int, network: Network, encode: Callable[[str], Tensor], *, name: str, about: str,
             prompts: tuple[str, ...], judge_name: str | None, upscaler, warm, weights: Sequence[Path] = ()) -> Model:  # fmt: skip
    """A text-to-image network and its words as a Model; all sessions ask through one worker. weights: the network's files."""
    batched = Batched(network, weights=weights)

    def denoiser(prompt: str | list[str]) -> Denoiser:
        each = [prompt] if isinstance(prompt, str) else prompt
        return Conditioned(batched, torch.cat([encode(check_prompt(p)) for p in each]))

    return Model(
        name=name, title=TITLES.get(name, name), about=about, schedule=schedule, shape=(3, size, size), prompts=prompts,
        denoiser=denoiser, class_of=concept_of, judge_name=judge_name, stride=30, guidance_scale=3.0 if judge_name else 7.0,
        upscaler=upscaler, warm=warm,
    )  # fmt: skip


def with_embeddings(model: Model, embeddings: dict[str, Tensor]) -> Model:
    """The same model and network, its words taken from {prompt: (1, 77, width)} instead. The model itself is not changed.

    Its denoisers raise LessonsError for a prompt that the embeddings do not hold.
    """
    network, words = model.denoiser("").network, words_of(embeddings)

    def denoiser(prompt: str | list[str]) -> Denoiser:
        each = [prompt] if isinstance(prompt, str) else prompt
        return Conditioned(network, torch.cat([words.encode(check_prompt(p)) for p in each]))

    prompts = tuple(p for p in embeddings if p) or ("",)
    return replace(model, denoiser=denoiser, prompts=prompts if len(prompts) > 1 else prompts * 2)


def once(make: Callable):
    """make(), at the first call and for all threads; if it fails, the next call tries again."""
    lock, made = threading.Lock(), []

    def get():
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get


def _config(path: Path, *, needed: bool = True) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as e:
        if not needed:
            return {}
        raise LessonsError(f"{path} is missing or broken: restore it with `git checkout cache/text_to_image`.") from e


def open_pipeline(folder: Path):
    """diffusers' pipeline from a folder on this machine, all in float32. Raises LessonsError if it is missing or broken."""
    try:
        with _one_at_a_time, memory.importing():
            from diffusers import DiffusionPipeline
            from diffusers.utils import logging

            logging.disable_progress_bar()
            _quiet()
            return DiffusionPipeline.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32)
    except Exception as e:  # diffusers raises OSError, ValueError, KeyError, SafetensorError ... for a broken folder
        raise LessonsError(
            f"The model in {folder.name} cannot be opened: restore it with `git checkout cache/text_to_image`."
        ) from e


# diffusers and transformers, imported or opening by two threads at once, leave weights unloaded
_one_at_a_time = threading.Lock()


def _quiet() -> None:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
