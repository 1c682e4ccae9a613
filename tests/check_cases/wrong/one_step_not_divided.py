"""The noise taken away, and nothing more."""

import torch

EXPECT = {"one_step": ["not_divided"]}


def one_step_denoise(im_noisy, t, prompt_embeds):
    out = stage_1.unet(im_noisy, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
    return im_noisy - torch.sqrt(1 - alphas_cumprod[t]) * out[:, :3]
