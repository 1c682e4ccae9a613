"""SDEdit from a picture noised to the entry after its start."""

import torch

EXPECT = {"image_to_image": ["start_late"]}


def forward(im, t):
    return alphas_cumprod[t].sqrt() * im + (1 - alphas_cumprod[t]).sqrt() * torch.randn_like(im)


def sdedit(x0, i_start, prompt_embeds, uncond_prompt_embeds, timesteps):
    x = forward(x0, timesteps[i_start + 1])
    for i in range(i_start, len(timesteps) - 1):
        a, b = alphas_cumprod[timesteps[i]], alphas_cumprod[timesteps[i + 1]]
        out = stage_1.unet(x, timesteps[i], encoder_hidden_states=prompt_embeds, return_dict=False)[0]
        eps, v = out.split(3, dim=1)
        clean = (x - (1 - a).sqrt() * eps) / a.sqrt()
        x = b.sqrt() * (1 - a / b) / (1 - a) * clean + (a / b).sqrt() * (1 - b) / (1 - a) * x
        x = x + torch.exp(0.5 * stage_1.scheduler._get_variance(timesteps[i], v)) * torch.randn_like(x)
    return x
