"""A text-to-image UNet of diffusers as a Network, small or DeepFloyd's."""

from __future__ import annotations

import torch
from torch import Tensor

from lessons_lib.errors import LessonsError
from lessons_lib.maths.denoisers import Network, Prediction
from lessons_lib.maths.schedule import Schedule


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
    dtype, device = unet.dtype, unet.device

    def network(xt: Tensor, t: Tensor, prompt_embeds: Tensor) -> Prediction:
        x, embeds = xt.to(device, dtype, memory_format=torch.channels_last), prompt_embeds.to(device, dtype)
        out = unet(x, t.to(device), encoder_hidden_states=embeds, return_dict=False)[0]
        return prediction_of(out.float().to(xt.device), xt, t, schedule, prediction_type)

    return network


def prediction_of(out: Tensor, xt: Tensor, t: Tensor, schedule: Schedule, prediction_type: str) -> Prediction:
    """What a UNet answered about xt as eps and, where it has twice the channels, its variance.

    Args: out (B, C or 2C, H, W) float32; prediction_type as in diffusers, "epsilon" or "v_prediction".
    """
    channels = xt.shape[1]
    guess, variance = out.split(channels, 1) if out.shape[1] == 2 * channels else (out, None)
    return Prediction(schedule.eps_from_velocity(xt, t, guess) if prediction_type == "v_prediction" else guess, variance)
