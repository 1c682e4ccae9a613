"""Stage 2: a small picture made larger by a walk of its own, which sees the small one, enlarged and a little noised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lessons_lib.engine import Recipe
from lessons_lib.maths.denoisers import Condition, Conditioned, Denoiser, Network, Prediction
from lessons_lib.maths.samplers import standard_normal
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models.batching import Batched
from lessons_lib.models.embeddings import Words
from lessons_lib.models.text_to_image import prediction_of, schedule_of


@dataclass(frozen=True, eq=False)
class Upscaler:
    """The second stage of a model.

    shape: (C, H, W) of what it makes. denoiser(image, prompt, noise_level, generator) -> Denoiser over that size, given
    (B, C, h, w) in [-1, 1] and one prompt or B; noise_level in timesteps says how much the enlarged picture is noised first,
    to hide its flaws; generator: one for the batch, or one a picture.
    Source: Ho et al. 2021, "Cascaded Diffusion Models", arXiv:2106.15282.
    """

    schedule: Schedule
    shape: tuple[int, int, int]
    denoiser: Callable[..., Denoiser]


def upscaler_of(
    pipeline, words: Words, *, patience: float | None = None, weights: Sequence[Path] = (), recipe: Recipe = ()
) -> Upscaler:
    """An IFSuperResolutionPipeline as an Upscaler. patience, weights, recipe: see Batched."""
    schedule = schedule_of(pipeline.scheduler.config)
    noising = schedule_of(pipeline.image_noising_scheduler.config)
    network = upscaling_network_of(pipeline.unet, schedule, pipeline.scheduler.config["prediction_type"])
    return upscaler_from(Batched(network, patience, weights, recipe), words, schedule, noising, pipeline.unet.config.sample_size)


def upscaler_from(network: Network, words: Words, schedule: Schedule, noising: Schedule, size: int) -> Upscaler:
    """A network of upscaling_network_of()'s kind as an Upscaler, wherever it computes.

    schedule: of its walk. noising: of what is done to the enlarged picture. size: of what it makes, in pixels.
    """

    def denoiser(image: Tensor, prompt: str | list[str], noise_level: int = 100, generator=None) -> Denoiser:
        large = interpolate(image.float(), size=size, mode="bilinear", align_corners=True)
        noised = noising.add_noise(large, noise_level, standard_normal(large, generator))
        n = len(noised)
        condition = {
            "image": noised,
            "noise_level": torch.full((n,), noise_level),
            "prompt_embeds": words.encode(prompt).expand(n, -1, -1),
        }
        return Conditioned(network, condition)

    return Upscaler(schedule, (3, size, size), denoiser)


def upscaling_network_of(unet, schedule: Schedule, prediction_type: str) -> Network:
    """Stage 2's UNet2DConditionModel as a Network.

    Its condition: image (B, C, H, W) in about [-1, 1], enlarged and noised; noise_level (B,) int64, in timesteps;
    prompt_embeds (B, 77, width).
    """
    unet = unet.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    dtype, device = unet.dtype, unet.device

    def network(xt: Tensor, t: Tensor, condition: Condition) -> Prediction:
        x = torch.cat([xt, condition["image"]], 1).to(device, dtype, memory_format=torch.channels_last)
        embeds, level = condition["prompt_embeds"].to(device, dtype), condition["noise_level"].to(device)
        out = unet(x, t.to(device), encoder_hidden_states=embeds, class_labels=level, return_dict=False)[0]
        return prediction_of(out.float().to(xt.device), xt, t, schedule, prediction_type)

    return network
