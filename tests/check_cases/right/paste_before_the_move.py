"""Inpainting that forces x_t at the head of the loop, at t itself: the same as pasting at t' after each move."""

import torch


def forward(im, t):
    return alphas_cumprod[t].sqrt() * im + (1 - alphas_cumprod[t]).sqrt() * torch.randn_like(im)


def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7):
    x = torch.randn_like(original_image)
    for i in range(len(timesteps) - 1):
        t, s = timesteps[i], timesteps[i + 1]
        x = mask * x + (1 - mask) * forward(original_image, t)
        a, b = alphas_cumprod[t], alphas_cumprod[s]
        c, v = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].split(3, dim=1)
        u, _ = stage_1.unet(x, t, encoder_hidden_states=uncond_prompt_embeds, return_dict=False)[0].split(3, dim=1)
        eps = u + scale * (c - u)
        x0 = (x - (1 - a).sqrt() * eps) / a.sqrt()
        x = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * x
        x = x + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(x)
    return mask * x + (1 - mask) * original_image
