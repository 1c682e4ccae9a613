"""The noise drawn once, before the loop."""

import torch

EXPECT = {"iterative_denoise": ["one_noise"]}


@torch.no_grad()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    x, z = im_noisy, torch.randn_like(im_noisy)
    for t, s in zip(timesteps[i_start:], timesteps[i_start + 1 :]):
        a, b = alphas_cumprod[t], alphas_cumprod[s]
        eps = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds).sample[:, :3]
        x0 = ((x - (1 - a).sqrt() * eps) / a.sqrt()).clamp(-1, 1)
        mean = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * x
        x = mean + ((1 - a / b) * (1 - b) / (1 - a)).sqrt() * z if s > 0 else mean
    return x
