"""What the small model draws, and what the judge says of it: `python -m lessons_lib.text_to_image.report`."""

from __future__ import annotations

import torch
from torch import Tensor

from lessons_lib.denoisers import Conditioned, Prediction, guided
from lessons_lib.samplers import sample
from lessons_lib.schedule import CLEAN, Schedule
from lessons_lib.text_to_image import small_model


def velocity_network(unet, schedule: Schedule):
    """A v-predicting UNet with variance channels as a Network: xt, t, prompt_embeds -> Prediction."""

    def network(xt: Tensor, t: Tensor, prompt_embeds: Tensor) -> Prediction:
        v, variance = unet(xt, t, encoder_hidden_states=prompt_embeds).sample.split(3, 1)
        return Prediction(schedule.eps_from_velocity(xt, t, v), variance)

    return network


@torch.no_grad()
def draw(
    unet, tokenizer, encoder, prompts: list[str], *, seed: int = 180, guidance_scale: float = 3.0, stride: int = 30
) -> Tensor:
    """One 32x32 picture a prompt, (B, 3, 32, 32) in [-1, 1], by the course's strided walk."""
    schedule = Schedule.cosine()
    network = velocity_network(unet, schedule)
    cond, uncond = (Conditioned(network, small_model.encode(tokenizer, encoder, p)) for p in (prompts, [""]))
    g = torch.Generator().manual_seed(seed)
    xt = torch.randn(len(prompts), 3, 32, 32, generator=g)
    for step in sample(guided(cond, uncond, guidance_scale), schedule, xt, [*schedule.timesteps(stride), CLEAN], generator=g):
        xt = step.x_prev
    return xt
