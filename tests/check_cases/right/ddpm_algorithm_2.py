"""The mean as DDPM's algorithm 2 has it, from eps, and sqrt(beta) for the noise, none at the last."""

import torch


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    x = im_noisy
    n = len(timesteps)
    for i in range(i_start, n - 1):
        t, t_prev = timesteps[i], timesteps[i + 1]
        abar_t, abar_prev = alphas_cumprod[t], alphas_cumprod[t_prev]
        alpha = abar_t / abar_prev
        beta = 1 - alpha
        with torch.no_grad():
            eps = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0][:, :3]
        x = (x - beta / torch.sqrt(1 - abar_t) * eps) / torch.sqrt(alpha)
        if i < n - 2:
            x = x + torch.sqrt(beta) * torch.randn(x.shape)
    return x


def image_to_image(x0, i_start, prompt_embeds, uncond_prompt_embeds, timesteps):
    t = timesteps[i_start]
    noisy = alphas_cumprod[t].sqrt() * x0 + (1 - alphas_cumprod[t]).sqrt() * torch.randn_like(x0)
    return iterative_denoise(noisy, i_start, prompt_embeds, timesteps)
