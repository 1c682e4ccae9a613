"""The variance for the noise."""

import torch

EXPECT = {"one_step": ["halves_swapped"], "iterative_denoise": ["halves_swapped"]}
SAYS = {"one_step": "two halves"}
stage_1 = None


def one_step(im_noisy, t, prompt_embeds):
    out = stage_1.unet(im_noisy, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
    v, eps = out.split(3, dim=1)
    a = alphas_cumprod[t]
    return (im_noisy - (1 - a).sqrt() * eps) / a.sqrt()


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    x = im_noisy
    for t, s in zip(timesteps[i_start:-1], timesteps[i_start + 1 :], strict=True):
        a, b = alphas_cumprod[t], alphas_cumprod[s]
        with torch.no_grad():
            v, eps = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].split(3, dim=1)
        x0 = (x - (1 - a).sqrt() * eps) / a.sqrt()
        x = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * x
        x = x + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(x)
    return x
